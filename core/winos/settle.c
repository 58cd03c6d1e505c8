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

static void add_candidate(Candidates *c, int32_t offset, WinosSource source)
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

/* Files of one build differ: each row of the table is heard. */
static void add_rows(Candidates *c, const WinosResult *result,
                     WinosField field)
{
    unsigned i;

    for (i = 0; i < result->n_rows; i++) {
        add_candidate(c, result->rows[i]->offset[field], WINOS_SOURCE_TABLE);
    }
}

static bool is_absent(const WinosResult *result, WinosField field)
{
    unsigned i;

    for (i = 0; i < result->n_rows; i++) {
        if (result->rows[i]->offset[field] != TABLE_ABSENT) {
            return false;
        }
    }
    return result->n_rows > 0 && result->same_build;
}

static void collect(Candidates *c, const WinosResult *result,
                    const WinosOptions *options, WinosField field)
{
    const WinosOffset *offset = &result->detected.field[field];

    c->n = 0;
    if (settle_speaks(options, WINOS_SOURCE_KDBG)) {
        add_candidate(c, offset->claims[WINOS_SOURCE_KDBG],
                      WINOS_SOURCE_KDBG);
    }
    if (settle_speaks(options, WINOS_SOURCE_CODE)) {
        add_candidate(c, offset->claims[WINOS_SOURCE_CODE],
                      WINOS_SOURCE_CODE);
    }
    add_rows(c, result, field);
    if (settle_speaks(options, WINOS_SOURCE_STRUCTURE)) {
        add_candidate(c, offset->claims[WINOS_SOURCE_STRUCTURE],
                      WINOS_SOURCE_STRUCTURE);
    }
}

/*
 * The better witness: what live memory says first, then how many sources
 * agree, then the order of the sources.
 */
static bool is_better(const Candidate *a, const Candidate *b)
{
    unsigned na = __builtin_popcount(a->sources);
    unsigned nb = __builtin_popcount(b->sources);

    if (a->answer != b->answer) {
        return a->answer == LIVE_FITS ||
               (a->answer == LIVE_UNKNOWN && b->answer == LIVE_REFUTES);
    }
    return na > nb;
}

static const Candidate *best_of(const Candidates *c)
{
    const Candidate *best = NULL;
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (!best || is_better(&c->all[i], best)) {
            best = &c->all[i];
        }
    }
    return best;
}

/* Does another candidate have as good a case? */
static bool is_contested(const Candidates *c, const Candidate *best)
{
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (&c->all[i] != best && c->all[i].answer == best->answer) {
            return true;
        }
    }
    return false;
}

static void use(WinosOffset *offset, const Candidate *candidate,
                WinosStanding standing, const char *doubt)
{
    offset->value = candidate->offset;
    offset->source = __builtin_ctz(candidate->sources);
    offset->agreed = candidate->sources;
    offset->standing = standing;
    offset->doubt = doubt;
}

static void refuse(WinosOffset *offset, WinosStanding standing,
                   const char *doubt)
{
    offset->value = WINOS_NO_OFFSET;
    offset->agreed = 0;
    offset->standing = standing;
    offset->doubt = doubt;
}

static void decide(WinosOffset *offset, const Candidates *c, bool absent)
{
    const Candidate *best = best_of(c);
    bool contested = best && is_contested(c, best);

    if (!best) {
        refuse(offset, absent ? WINOS_ABSENT : WINOS_UNKNOWN,
               absent ? no_field : no_source);
    } else if (best->answer == LIVE_FITS) {
        use(offset, best, WINOS_CONFIRMED, contested ? same_twice : NULL);
    } else if (best->answer == LIVE_REFUTES) {
        refuse(offset, WINOS_REFUTED, nothing_fits);
    } else if (!contested && __builtin_popcount(best->sources) > 1) {
        use(offset, best, WINOS_AGREED, NULL);
    } else {
        refuse(offset, WINOS_UNCONFIRMED, one_voice);
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
    if (derive && settle_speaks(options, WINOS_SOURCE_STRUCTURE)) {
        int32_t found = live_derive(world, field);

        if (found >= 0) {
            offset->claims[WINOS_SOURCE_STRUCTURE] = found;
        }
    }
    collect(&c, result, options, field);
    for (i = 0; i < c.n; i++) {
        c.all[i].answer = live_check(world, field, c.all[i].offset);
    }
    decide(offset, &c, is_absent(result, field));
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
    use(offset, &candidate, WINOS_CONFIRMED, NULL);
}

static void override(WinosOffset *offset, const LiveWorld *world,
                     WinosField field, int32_t value)
{
    LiveAnswer answer = live_check(world, field, value);
    bool same = offset->value == value;

    offset->found = same ? WINOS_NO_OFFSET : offset->value;
    offset->agreed = (same ? offset->agreed : 0) | 1 << WINOS_SOURCE_OVERRIDE;
    offset->claims[WINOS_SOURCE_OVERRIDE] = value;
    offset->value = value;
    offset->source = WINOS_SOURCE_OVERRIDE;
    if (answer == LIVE_FITS || (same && offset->standing >= WINOS_AGREED)) {
        offset->standing = WINOS_CONFIRMED;
        offset->doubt = NULL;
    } else {
        bool wrong = answer == LIVE_REFUTES || offset->found >= 0;

        offset->standing = wrong ? WINOS_REFUTED : WINOS_UNCONFIRMED;
        offset->doubt = wrong ? user_wrong : user_only;
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
            override(offset, world, f, options->overrides[f]);
        } else if (!options->auto_detect) {
            offset->found = offset->value;
            refuse(offset, WINOS_UNKNOWN, only_overrides);
        }
    }
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
