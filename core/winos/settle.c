/*
 * winos/settle: see settle.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/settle.h"

enum { MAX_CANDIDATES = WINOS_N_SOURCES + WINOS_MAX_ROWS };

static const char same_twice[] =
    "another offset fits live memory as well";
static const char one_voice[] =
    "one source alone, and nothing in memory yet to confirm it by";
static const char nothing_fits[] =
    "what the sources say does not fit live memory";
static const char no_field[] =
    "this build has no such field";
static const char no_source[] =
    "no source tells it";
static const char user_wrong[] =
    "live memory does not look like this field there";
static const char user_still[] =
    "this does not change there as the field does";
static const char user_other[] =
    "given by the user; the other sources tell another place";
static const char user_only[] =
    "given by the user; nothing in memory yet to confirm it by";
static const char only_overrides[] =
    "auto-detect is off";

/* An offset somebody claims. */
typedef struct Candidate {
    int32_t offset;
    uint8_t sources;        /* mask */
    LiveAnswer answer;
} Candidate;

typedef struct Candidates {
    unsigned n;
    Candidate all[MAX_CANDIDATES];
} Candidates;

static void settle_add_candidate(Candidates *c, int32_t offset,
                                 WinosSource source)
{
    unsigned i;

    if (offset < 0 || offset > WINOS_MAX_OFFSET) {
        return;
    }
    for (i = 0; i < c->n; i++) {
        if (c->all[i].offset == offset) {
            c->all[i].sources |= 1 << source;
            return;
        }
    }
    if (c->n < MAX_CANDIDATES) {
        c->all[c->n++] = (Candidate) { offset, 1 << source, LIVE_UNKNOWN };
    }
}

/* Files of one build differ: each row of the table is a candidate. */
static void settle_add_rows(Candidates *c, const WinosResult *result,
                            WinosField field)
{
    unsigned i;

    for (i = 0; i < result->n_rows; i++) {
        settle_add_candidate(c, result->rows[i]->offset[field],
                             WINOS_SOURCE_TABLE);
    }
}

static bool settle_is_absent(const WinosResult *result, WinosField field)
{
    unsigned i;

    for (i = 0; i < result->n_rows; i++) {
        if (result->rows[i]->offset[field] != TABLE_ABSENT) {
            return false;
        }
    }
    return result->n_rows > 0 && result->same_build;
}

static void settle_collect(Candidates *c, const WinosResult *result,
                           const WinosOptions *options, WinosField field)
{
    const WinosOffset *offset = &result->detected.field[field];

    c->n = 0;
    if (settle_enabled(options, WINOS_SOURCE_KDBG)) {
        settle_add_candidate(c, offset->claims[WINOS_SOURCE_KDBG],
                             WINOS_SOURCE_KDBG);
    }
    if (settle_enabled(options, WINOS_SOURCE_CODE)) {
        settle_add_candidate(c, offset->claims[WINOS_SOURCE_CODE],
                             WINOS_SOURCE_CODE);
    }
    settle_add_rows(c, result, field);
    if (settle_enabled(options, WINOS_SOURCE_STRUCTURE)) {
        settle_add_candidate(c, offset->claims[WINOS_SOURCE_STRUCTURE],
                             WINOS_SOURCE_STRUCTURE);
    }
}

/*
 * The better witness: what live memory says first, then how many sources
 * agree, then the order of the sources.
 */
static bool settle_is_better(const Candidate *a, const Candidate *b)
{
    unsigned na = __builtin_popcount(a->sources);
    unsigned nb = __builtin_popcount(b->sources);

    if (a->answer != b->answer) {
        return a->answer == LIVE_FITS ||
               (a->answer == LIVE_UNKNOWN && b->answer == LIVE_REFUTES);
    }
    return na > nb;
}

static const Candidate *settle_best_of(const Candidates *c)
{
    const Candidate *best = NULL;
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (!best || settle_is_better(&c->all[i], best)) {
            best = &c->all[i];
        }
    }
    return best;
}

/* Does another candidate have as good a case? */
static bool settle_is_contested(const Candidates *c, const Candidate *best)
{
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (&c->all[i] != best && c->all[i].answer == best->answer) {
            return true;
        }
    }
    return false;
}

static void settle_use(WinosOffset *offset, const Candidate *candidate,
                       WinosStanding standing, const char *doubt)
{
    offset->value = candidate->offset;
    offset->source = __builtin_ctz(candidate->sources);
    offset->agreed = candidate->sources;
    offset->standing = standing;
    offset->doubt = doubt;
}

static void settle_refuse(WinosOffset *offset, WinosStanding standing,
                          const char *doubt)
{
    offset->value = WINOS_NO_OFFSET;
    offset->agreed = 0;
    offset->standing = standing;
    offset->doubt = doubt;
}

static void settle_decide(WinosOffset *offset, const Candidates *c, bool absent)
{
    const Candidate *best = settle_best_of(c);
    bool contested = best && settle_is_contested(c, best);

    if (!best) {
        settle_refuse(offset, absent ? WINOS_ABSENT : WINOS_UNKNOWN,
                      absent ? no_field : no_source);
    } else if (best->answer == LIVE_FITS) {
        settle_use(offset, best, WINOS_CONFIRMED,
                   contested ? same_twice : NULL);
    } else if (best->answer == LIVE_REFUTES) {
        settle_refuse(offset, WINOS_REFUTED, nothing_fits);
    } else if (!contested && __builtin_popcount(best->sources) > 1) {
        settle_use(offset, best, WINOS_AGREED, NULL);
    } else {
        settle_refuse(offset, WINOS_UNCONFIRMED, one_voice);
    }
}

/*
 * What the user gave leads to other fields where nobody else knows the way,
 * if live memory bears it out.
 */
static void settle_use_given(WinosOffset *offset, const LiveWorld *world,
                             const WinosOptions *options, WinosField field)
{
    Candidate given = { options->overrides[field],
                        1 << WINOS_SOURCE_OVERRIDE, LIVE_FITS };

    if (offset->value < 0 && given.offset >= 0 &&
        given.offset <= WINOS_MAX_OFFSET &&
        live_check(world, field, given.offset) == LIVE_FITS) {
        settle_use(offset, &given, WINOS_CONFIRMED, NULL);
    }
}

void settle_field(WinosResult *result, const LiveWorld *world,
                  const WinosOptions *options, WinosField field, bool derive)
{
    WinosOffset *offset = &result->detected.field[field];
    Candidates c;
    unsigned i;

    if (offset->proven) {
        return;
    }
    if (derive && settle_enabled(options, WINOS_SOURCE_STRUCTURE)) {
        int32_t found = live_derive(world, field);

        if (found >= 0) {
            offset->claims[WINOS_SOURCE_STRUCTURE] = found;
        }
    }
    settle_collect(&c, result, options, field);
    for (i = 0; i < c.n; i++) {
        c.all[i].answer = live_check(world, field, c.all[i].offset);
    }
    settle_decide(offset, &c, settle_is_absent(result, field));
    settle_use_given(offset, world, options, field);
}

void settle_proven(WinosResult *result, WinosField field, int32_t at)
{
    WinosOffset *offset = &result->detected.field[field];
    Candidate candidate = { at, 1 << WINOS_SOURCE_STRUCTURE, LIVE_FITS };
    unsigned i;

    for (i = 0; i < WINOS_N_SOURCES; i++) {
        if (offset->claims[i] == at) {
            candidate.sources |= 1 << i;
        }
    }
    for (i = 0; i < result->n_rows; i++) {
        if (result->rows[i]->offset[field] == at) {
            candidate.sources |= 1 << WINOS_SOURCE_TABLE;
        }
    }
    offset->claims[WINOS_SOURCE_STRUCTURE] = at;
    offset->proven = true;
    settle_use(offset, &candidate, WINOS_CONFIRMED, NULL);
}

static void settle_override(WinosOffset *offset, const LiveWorld *world,
                            WinosField field, int32_t value, WinosSeen seen)
{
    LiveAnswer answer = live_check(world, field, value);
    bool same = offset->value == value;
    bool proven = offset->standing == WINOS_CONFIRMED;

    offset->found = same ? WINOS_NO_OFFSET : offset->value;
    offset->agreed = (same ? offset->agreed : 0) | 1 << WINOS_SOURCE_OVERRIDE;
    offset->claims[WINOS_SOURCE_OVERRIDE] = value;
    offset->value = value;
    offset->source = WINOS_SOURCE_OVERRIDE;
    if (seen == WINOS_SEEN_WRONG) {
        offset->standing = WINOS_REFUTED;
        offset->doubt = user_still;
    } else if (answer == LIVE_FITS || seen == WINOS_SEEN_TRUE ||
               (same && offset->standing >= WINOS_AGREED)) {
        offset->standing = WINOS_CONFIRMED;
        offset->doubt = NULL;
    } else if (answer == LIVE_REFUTES || offset->found >= 0) {
        offset->standing = WINOS_REFUTED;
        offset->doubt = answer == LIVE_REFUTES || proven ? user_wrong
                                                         : user_other;
    } else {
        offset->standing = WINOS_UNCONFIRMED;
        offset->doubt = user_only;
    }
}

void settle_layout(WinosResult *result, const LiveWorld *world,
                   const WinosOptions *options)
{
    unsigned f;

    result->layout = result->detected;
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        WinosOffset *offset = &result->layout.field[f];

        if (options->overrides[f] >= 0) {
            settle_override(offset, world, f, options->overrides[f],
                            result->seen[f]);
        } else if (!options->auto_detect) {
            offset->found = offset->value;
            settle_refuse(offset, WINOS_UNKNOWN, only_overrides);
        }
    }
}

bool winos_refute(WinosResult *result, const WinosOptions *options,
                  WinosField field)
{
    WinosOffset *used = &result->layout.field[field];
    WinosOffset *offset = &result->detected.field[field];

    if (used->value < 0 || used->standing == WINOS_REFUTED) {
        return false;
    }
    result->seen[field] = WINOS_SEEN_WRONG;
    if (offset->value == used->value) {
        settle_refuse(offset, WINOS_REFUTED, user_still);
        offset->proven = false;
    }
    if (options->overrides[field] >= 0) {
        used->standing = WINOS_REFUTED;
        used->doubt = user_still;
        used->found = offset->value;
    } else {
        *used = *offset;
    }
    return true;
}

/*
 * In the order in which one settled field leads to the objects of the next;
 * a field behind which new objects are worth gathering is marked.
 */
static const struct {
    WinosField field;
    bool gather;
} order[] = {
    { WINOS_KTHREAD_PROCESS, false },
    { WINOS_KTHREAD_APC_PROCESS, false },
    { WINOS_PRCB_IDLE_THREAD, true },
    { WINOS_EPROCESS_UNIQUE_PROCESS_ID, false },
    { WINOS_EPROCESS_ACTIVE_PROCESS_LINKS, true },
    { WINOS_EPROCESS_IMAGE_FILE_NAME, false },
    { WINOS_EPROCESS_DIRECTORY_TABLE_BASE, false },
    { WINOS_EPROCESS_INHERITED_FROM, false },
    { WINOS_EPROCESS_PEB, false },
    { WINOS_EPROCESS_CREATE_TIME, false },
    { WINOS_EPROCESS_THREAD_LIST_HEAD, false },
    { WINOS_ETHREAD_THREAD_LIST_ENTRY, true },
    { WINOS_ETHREAD_CLIENT_ID, false },
    { WINOS_ETHREAD_CREATE_TIME, false },
    { WINOS_ETHREAD_THREAD_NAME, false },
    { WINOS_KTHREAD_STACK_LIMIT, false },
    { WINOS_KTHREAD_STACK_BASE, false },
    { WINOS_KTHREAD_STATE, false },
    { WINOS_KTHREAD_WAIT_REASON, false },
    { WINOS_KTHREAD_PRIORITY, false },
    { WINOS_KTHREAD_CONTEXT_SWITCHES, false },
    { WINOS_KTHREAD_WAIT_TIME, false },
    { WINOS_KTHREAD_TEB, false },
    { WINOS_PRCB_NEXT_THREAD, false },
    { WINOS_PRCB_NUMBER, false },
    { WINOS_PRCB_CONTEXT_SWITCHES, false },
    { WINOS_PRCB_KERNEL_DTB, false },
};

static void settle_pass(WinosResult *result, LiveWorld *world,
                        const WinosOptions *options, bool last)
{
    unsigned i;

    for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        WinosOffset *offset = &result->detected.field[order[i].field];

        settle_field(result, world, options, order[i].field,
                     last || offset->standing != WINOS_CONFIRMED);
        if (order[i].gather) {
            live_gather(world);
        } else if (order[i].field == WINOS_KTHREAD_PROCESS ||
                   order[i].field == WINOS_ETHREAD_CLIENT_ID) {
            live_note_idle(world);
        }
    }
}

void settle_all(WinosResult *result, LiveWorld *world,
                const WinosOptions *options)
{
    live_gather(world);
    settle_pass(result, world, options, false);
    settle_pass(result, world, options, true);
}
