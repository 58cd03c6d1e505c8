/*
 * winos/learn: fields that only show when memory is watched.
 *
 * CurrentThread of one vCPU is followed closely for a moment.  Each change of
 * it is a switch, and switches leave marks: the thread that came is Running
 * and was counted once more, so was the processor; the thread that left has
 * a state and a reason that go together.  A place in memory that bears this
 * out nearly always, and is the only one to do so, is the field.
 *
 * What other sources claim is held against the same marks, less strictly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/detect.h"

#include "base/le.h"
#include "winos/settle.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PRCB_WORDS = 0x4000 / 4,
    KTHREAD_SIZE = 0x900,
    FIRST_FIELD = 0x18,
    MAX_KNOWN = 64,             /* threads whose last coming is remembered */
    BURST_NS = 1000000,         /* at most, while no switch comes */
    SETTLE_NS = 50000,          /* a switch leaves its last mark within */
    MAX_BURSTS = 4000,
    ENOUGH = 24,                /* marks before a place is believed */
    ENOUGH_BURSTS = 12,
    FOR_MOST = 8,               /* as many marks for it as against it */
    FOR_MANY = 3,               /* where the guest may be held up anywhere */
    CLAIM_SHARE = 3,            /* of them, what one that is claimed needs */
    LOOK_NS = 250000,           /* winos_learn_look() does so at most */
    WINDOW = 4,                 /* switches seen, then the PRCB is compared */
    RUNNING = 2,
    WAITING = 5,
};

/* How often a place bore a mark out, and how often not. */
typedef struct Score {
    uint16_t for_it;
    uint16_t against;
} Score;

typedef struct Known {
    uint64_t thread;
    uint64_t total;             /* switches of all vCPUs by then */
    uint8_t bytes[KTHREAD_SIZE];
} Known;

/* What looks now and then have seen of one vCPU. */
typedef struct Window {
    unsigned cpu;               /* which: one at a time */
    unsigned switches;          /* at least so many */
    bool open;                  /* begin is filled */
    bool settled;               /* no switch since the last look */
    uint64_t prcb;
    uint8_t begin[PRCB_WORDS * 4];
} Window;

struct WinosLearner {
    unsigned bursts;
    uint64_t looked_ns;
    uint64_t last[LIVE_MAX_CPUS];       /* thread at the last look */
    uint64_t settled[LIVE_MAX_CPUS][2]; /* the last that stayed, newest first */
    Window window;
    unsigned n_comings;         /* marks left by threads that came */
    unsigned n_settled;         /* threads that stayed for a while */
    unsigned n_counted;
    unsigned n_prcb;            /* bursts in which the vCPU switched */
    unsigned next_known;
    Score prcb_counter[PRCB_WORDS];
    Score prcb_claimed[PRCB_WORDS];     /* by the less strict rule */
    Score counter[KTHREAD_SIZE / 4];
    Score counter_claimed[KTHREAD_SIZE / 4];
    Score state[KTHREAD_SIZE];
    Score state_settled[KTHREAD_SIZE];
    Score state_left[KTHREAD_SIZE];     /* not Running after that */
    Score reason_waiting[KTHREAD_SIZE];
    Score reason_ready[KTHREAD_SIZE];
    Known known[MAX_KNOWN];
    uint8_t now[KTHREAD_SIZE];
    uint8_t before[PRCB_WORDS * 4];
    uint8_t after[PRCB_WORDS * 4];
    LiveWorld world;
};

/* What one call works on. */
typedef struct Watch {
    WinosLearner *l;
    const GmemSpace *space;
    int32_t current_at;
    int32_t state_at;
    int32_t counter_at;         /* KeContextSwitches */
    uint64_t idle;
    unsigned switches;          /* in this burst */
} Watch;

WinosLearner *winos_learner_new(void)
{
    return calloc(1, sizeof(WinosLearner));
}

void winos_learner_free(WinosLearner *learner)
{
    free(learner);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void mark(Score *score, bool fits)
{
    uint16_t *count = fits ? &score->for_it : &score->against;

    if (*count < UINT16_MAX) {
        (*count)++;
    }
}

static bool is_borne_out(const Score *score, unsigned enough, unsigned share)
{
    return score->for_it >= enough && score->against * share <= score->for_it;
}

static bool take(const Watch *w, uint64_t at, uint8_t *bytes, size_t size)
{
    uint64_t present;

    return gmem_read_some(w->space, at, bytes, size, &present) > FIRST_FIELD;
}

static Known *find_known(WinosLearner *l, uint64_t thread)
{
    unsigned i;

    for (i = 0; i < MAX_KNOWN; i++) {
        if (l->known[i].thread == thread) {
            return &l->known[i];
        }
    }
    return NULL;
}

/* Switches of all vCPUs so far; 0 while their counter is not known. */
static uint64_t total_switches(const Watch *w)
{
    const LiveWorld *world = &w->l->world;
    uint64_t total = 0;
    uint32_t count;
    unsigned i;

    for (i = 0; i < world->n_cpus && w->counter_at >= 0; i++) {
        if (gmem_read_u32(w->space, world->cpus[i].prcb + w->counter_at,
                          &count)) {
            total += count;
        }
    }
    return total;
}

/*
 * One coming later the counter is higher, but not by more than there were
 * switches at all meanwhile.
 */
static void mark_counters(const Watch *w, const Known *known, uint64_t total)
{
    WinosLearner *l = w->l;
    unsigned i;

    for (i = FIRST_FIELD / 4; i < KTHREAD_SIZE / 4; i++) {
        uint32_t step = load_le32(l->now + i * 4) -
                        load_le32(known->bytes + i * 4);

        if (known->total) {
            mark(&l->counter[i], step > 0 && step <= total - known->total);
        }
        mark(&l->counter_claimed[i], step > 0 && step < 4096);
    }
    l->n_counted += known->total > 0;
}

static void remember(const Watch *w, uint64_t thread)
{
    WinosLearner *l = w->l;
    Known *known = find_known(l, thread);
    uint64_t total = total_switches(w);

    if (known) {
        mark_counters(w, known, total);
    } else {
        known = &l->known[l->next_known++ % MAX_KNOWN];
        known->thread = thread;
    }
    known->total = total;
    memcpy(known->bytes, l->now, KTHREAD_SIZE);
}

/*
 * The counters are raised a little after CurrentThread is stored, so the
 * thread is looked at once more after a moment.
 */
static void thread_came(Watch *w, uint64_t prcb, uint64_t thread)
{
    WinosLearner *l = w->l;
    uint64_t still;
    unsigned i;

    for (i = 0; i < 8; i++) {
        if (!gmem_read_u64(w->space, prcb + w->current_at, &still) ||
            still != thread) {
            return;
        }
    }
    if (!live_is_object(w->space, thread, LIVE_THREAD) ||
        !take(w, thread, l->now, KTHREAD_SIZE) ||
        !gmem_read_u64(w->space, prcb + w->current_at, &still) ||
        still != thread) {
        return;
    }
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        mark(&l->state[i], l->now[i] == RUNNING);
    }
    l->n_comings++;
    remember(w, thread);
}

static bool is_preemption(uint8_t reason)
{
    return reason == 30 || reason == 31 || reason == 32 || reason == 33 ||
           reason == 38;
}

static void mark_reasons(Watch *w, uint8_t state)
{
    WinosLearner *l = w->l;
    unsigned i;

    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        uint8_t reason = l->now[i];

        if (state == WAITING) {
            mark(&l->reason_waiting[i],
                 reason < 46 && (!is_preemption(reason) || reason == 31));
        } else {
            mark(&l->reason_ready[i], is_preemption(reason));
        }
    }
}

static bool runs_somewhere(const Watch *w, uint64_t thread)
{
    const LiveWorld *world = &w->l->world;
    uint64_t current;
    unsigned i;

    for (i = 0; i < world->n_cpus; i++) {
        if (gmem_read_u64(w->space, world->cpus[i].prcb + w->current_at,
                          &current) && current == thread) {
            return true;
        }
    }
    return false;
}

/* Fields of the thread that left settle a little after the switch began. */
static void thread_left(Watch *w, uint64_t thread)
{
    WinosLearner *l = w->l;
    uint8_t state;
    unsigned i;

    if (thread == w->idle || !live_is_object(w->space, thread, LIVE_THREAD) ||
        !take(w, thread, l->now, KTHREAD_SIZE) || runs_somewhere(w, thread)) {
        return;
    }
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        if (l->now[i] == RUNNING) {
            mark(&l->state[i], false);
        }
    }
    if (w->state_at < 0 || w->state_at >= KTHREAD_SIZE) {
        return;
    }
    state = l->now[w->state_at];
    if (state == WAITING || state == 1 || state == 3 || state == 7) {
        mark_reasons(w, state);
    }
}

/*
 * A vCPU that is held up inside a switch has a thread that is not Running yet.
 * A thread that stays is, nearly always; the last but one before it, which has
 * left for good, is not, unless it runs somewhere.  Each coming counts once.
 */
static void thread_settled(Watch *w, unsigned cpu, uint64_t thread)
{
    WinosLearner *l = w->l;
    uint64_t left = l->settled[cpu][1];
    unsigned i;

    if (thread == l->settled[cpu][0] ||
        !live_is_object(w->space, thread, LIVE_THREAD) ||
        !take(w, thread, l->now, KTHREAD_SIZE) || !runs_somewhere(w, thread)) {
        return;
    }
    l->settled[cpu][1] = l->settled[cpu][0];
    l->settled[cpu][0] = thread;
    l->n_settled++;
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        mark(&l->state_settled[i], l->now[i] == RUNNING);
    }
    if (left == l->world.cpus[cpu].idle_thread ||
        !live_is_object(w->space, left, LIVE_THREAD) ||
        !take(w, left, l->now, KTHREAD_SIZE) || runs_somewhere(w, left)) {
        return;
    }
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        mark(&l->state_left[i], l->now[i] != RUNNING);
    }
}

/* Without a switch nothing is counted; other counters go on meanwhile. */
static void mark_still_prcb(WinosLearner *l)
{
    unsigned i;

    for (i = 0; i < PRCB_WORDS; i++) {
        if (load_le32(l->after + i * 4) != load_le32(l->before + i * 4)) {
            mark(&l->prcb_counter[i], false);
            mark(&l->prcb_claimed[i], false);
        }
    }
}

static bool is_claimed_step(uint32_t step, unsigned n)
{
    return step && step + 1 >= n && step <= 64 * n + 64;
}

static void mark_prcb(Watch *w)
{
    WinosLearner *l = w->l;
    unsigned n = w->switches;
    unsigned i;

    if (n == 0) {
        mark_still_prcb(l);
        return;
    }
    for (i = 0; i < PRCB_WORDS; i++) {
        uint32_t step = load_le32(l->after + i * 4) -
                        load_le32(l->before + i * 4);

        mark(&l->prcb_counter[i], step && step + 1 >= n &&
                                  step <= n + n / 4 + 1);
        mark(&l->prcb_claimed[i], is_claimed_step(step, n));
    }
    l->n_prcb++;
}

/* Follow one vCPU until it has switched, and a moment more. */
static void burst(Watch *w, unsigned index)
{
    WinosLearner *l = w->l;
    const WinosCpu *cpu = &l->world.cpus[index];
    uint64_t now = now_ns();
    uint64_t end = now + BURST_NS;
    uint64_t last, current;

    w->switches = 0;
    w->idle = cpu->idle_thread;
    if (!gmem_read_u64(w->space, cpu->prcb + w->current_at, &last) ||
        !take(w, cpu->prcb, l->before, sizeof(l->before))) {
        return;
    }
    for (; now < end; now = now_ns()) {
        if (!gmem_read_u64(w->space, cpu->prcb + w->current_at, &current)) {
            return;
        }
        if (current != last) {
            w->switches++;
            thread_left(w, last);
            thread_came(w, cpu->prcb, current);
            last = current;
            end = w->switches == 1 ? now_ns() + SETTLE_NS : end;
        }
    }
    if (take(w, cpu->prcb, l->after, sizeof(l->after))) {
        mark_prcb(w);
    }
    if (w->switches == 0) {
        thread_settled(w, index, last);
    }
    l->bursts++;
}

/*
 * Looks that are far apart miss switches, so a window bears out what is
 * claimed and cannot find a place by itself.
 */
static void close_window(Watch *w)
{
    WinosLearner *l = w->l;
    Window *window = &l->window;
    unsigned i;

    if (take(w, window->prcb, l->after, sizeof(l->after))) {
        for (i = 0; i < PRCB_WORDS; i++) {
            uint32_t step = load_le32(l->after + i * 4) -
                            load_le32(window->begin + i * 4);

            mark(&l->prcb_claimed[i], is_claimed_step(step, window->switches));
        }
    }
    window->open = false;
    window->cpu = (window->cpu + 1) % l->world.n_cpus;
}

static void open_window(Watch *w)
{
    Window *window = &w->l->window;

    window->cpu %= w->l->world.n_cpus;
    window->prcb = w->l->world.cpus[window->cpu].prcb;
    window->switches = 0;
    window->open = take(w, window->prcb, window->begin,
                        sizeof(window->begin));
}

static void look_at_cpu(Watch *w, unsigned i)
{
    WinosLearner *l = w->l;
    const WinosCpu *cpu = &l->world.cpus[i];
    uint64_t last = l->last[i];
    uint64_t current;

    if (!gmem_read_u64(w->space, cpu->prcb + w->current_at, &current)) {
        return;
    }
    l->last[i] = current;
    if (last && current != last) {
        w->idle = cpu->idle_thread;
        thread_left(w, last);
        thread_came(w, cpu->prcb, current);
    } else if (last) {
        thread_settled(w, i, current);
    }
    if (l->window.open && i == l->window.cpu) {
        l->window.settled = current == last;
        l->window.switches += current != last;
    }
}

static bool is_watched(const WinosResult *result)
{
    static const WinosField watched[] = {
        WINOS_KTHREAD_STATE, WINOS_KTHREAD_WAIT_REASON,
        WINOS_KTHREAD_CONTEXT_SWITCHES, WINOS_PRCB_CONTEXT_SWITCHES,
    };
    unsigned i;

    for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        if (!result->detected.field[watched[i]].proven) {
            return false;
        }
    }
    return true;
}

static Watch watch_of(WinosLearner *l, const WinosResult *result)
{
    return (Watch) {
        .l = l,
        .space = &result->kernel.space,
        .current_at = winos_offset(&result->layout,
                                   WINOS_PRCB_CURRENT_THREAD),
        .state_at = winos_offset(&result->detected, WINOS_KTHREAD_STATE),
        .counter_at = winos_offset(&result->detected,
                                   WINOS_PRCB_CONTEXT_SWITCHES),
    };
}

void winos_learn_look(WinosLearner *l, const WinosResult *result)
{
    Watch w = watch_of(l, result);
    uint64_t now = now_ns();
    unsigned i;

    if (!l->world.n_cpus || now < l->looked_ns + LOOK_NS ||
        is_watched(result)) {
        return;
    }
    l->looked_ns = now;
    for (i = 0; i < l->world.n_cpus; i++) {
        look_at_cpu(&w, i);
    }
    if (!l->window.open) {
        open_window(&w);
    } else if (l->window.switches >= WINDOW && l->window.settled) {
        close_window(&w);
    }
}

/* One field that watching can show, and by what scores. */
typedef struct Lesson {
    WinosField field;
    const Score *strict;
    const Score *claimed;
    const Score *also;      /* must bear it out too, if there is one */
    unsigned n;
    unsigned width;
    unsigned enough;
    unsigned share;         /* so many times as much for it as against */
    bool ripe;              /* enough was seen for the strict rule */
} Lesson;

static bool lesson_fits(const Lesson *lesson, const Score *scores, unsigned i,
                        unsigned enough)
{
    return is_borne_out(&scores[i], enough, lesson->share) &&
           (!lesson->also || is_borne_out(&lesson->also[i], enough, FOR_MOST));
}

static int32_t only_place(const Lesson *lesson)
{
    int32_t found = WINOS_NO_OFFSET;
    unsigned i;

    for (i = 0; i < lesson->n; i++) {
        if (lesson_fits(lesson, lesson->strict, i, lesson->enough)) {
            if (found >= 0) {
                return WINOS_NO_OFFSET;
            }
            found = i * lesson->width;
        }
    }
    return found;
}

/* Does what a source claims hold by the less strict rule? */
static int32_t borne_claim(const WinosResult *result, const Lesson *lesson)
{
    const WinosOffset *offset = &result->detected.field[lesson->field];
    unsigned i;

    for (i = 0; i < result->n_rows + WINOS_N_SOURCES; i++) {
        int32_t at = i < WINOS_N_SOURCES ? offset->claims[i] :
            result->rows[i - WINOS_N_SOURCES]->offset[lesson->field];

        if (at >= 0 && at % lesson->width == 0 &&
            (unsigned)at / lesson->width < lesson->n &&
            lesson_fits(lesson, lesson->claimed, at / lesson->width,
                        lesson->enough / CLAIM_SHARE)) {
            return at;
        }
    }
    return WINOS_NO_OFFSET;
}

static bool conclude(WinosResult *result, const WinosOptions *options,
                     const Lesson *lesson)
{
    WinosOffset *offset = &result->detected.field[lesson->field];
    int32_t at;

    if (offset->proven) {
        return false;
    }
    at = borne_claim(result, lesson);
    if (at < 0 && lesson->ripe &&
        settle_speaks(options, WINOS_SOURCE_STRUCTURE)) {
        at = only_place(lesson);
    }
    if (at < 0) {
        return false;
    }
    settle_proven(result, lesson->field, at);
    return true;
}

static bool conclude_all(WinosLearner *l, WinosResult *result,
                         const WinosOptions *options)
{
    Lesson lessons[] = {
        { WINOS_KTHREAD_STATE, l->state, l->state, NULL, KTHREAD_SIZE, 1,
          ENOUGH, FOR_MOST, l->n_comings >= 2 * ENOUGH },
        { WINOS_KTHREAD_STATE, l->state_settled, l->state_settled,
          l->state_left, KTHREAD_SIZE, 1, ENOUGH, FOR_MANY,
          l->n_settled >= 2 * ENOUGH },
        { WINOS_KTHREAD_WAIT_REASON, l->reason_ready, l->reason_ready,
          l->reason_waiting, KTHREAD_SIZE, 1, ENOUGH, FOR_MOST, true },
        { WINOS_PRCB_CONTEXT_SWITCHES, l->prcb_counter, l->prcb_claimed,
          NULL, PRCB_WORDS, 4, ENOUGH_BURSTS, FOR_MOST,
          l->n_prcb >= 2 * ENOUGH_BURSTS },
        { WINOS_KTHREAD_CONTEXT_SWITCHES, l->counter, l->counter_claimed,
          NULL, KTHREAD_SIZE / 4, 4, ENOUGH, FOR_MOST,
          l->n_counted >= 2 * ENOUGH },
    };
    bool changed = false;
    unsigned i;

    for (i = 0; i < sizeof(lessons) / sizeof(lessons[0]); i++) {
        changed |= conclude(result, options, &lessons[i]);
    }
    return changed;
}

static void watch(WinosLearner *l, WinosResult *result, uint64_t budget_ns)
{
    uint64_t end = now_ns() + budget_ns;
    Watch w = watch_of(l, result);
    unsigned i;

    for (i = l->bursts; now_ns() < end && l->world.n_cpus; i++) {
        burst(&w, i % l->world.n_cpus);
    }
}

/* Objects come up that were not there before: a thread with a name, say. */
static void settle_again(WinosLearner *l, WinosResult *result,
                         const WinosOptions *options)
{
    unsigned f;

    live_gather(&l->world);
    for (f = WINOS_PRCB_NEXT_THREAD; f < WINOS_N_FIELDS; f++) {
        if (result->detected.field[f].standing != WINOS_CONFIRMED &&
            result->detected.field[f].standing != WINOS_ABSENT) {
            settle_field(result, &l->world, options, f, true);
        }
    }
}

static bool same_offsets(const WinosLayout *a, const WinosLayout *b)
{
    unsigned f;

    for (f = 0; f < WINOS_N_FIELDS; f++) {
        if (a->field[f].value != b->field[f].value ||
            a->field[f].standing != b->field[f].standing) {
            return false;
        }
    }
    return true;
}

bool winos_learn(WinosLearner *l, WinosResult *result,
                 const WinosOptions *options, const WinosCpu *cpus,
                 unsigned n_cpus, uint64_t budget_ns)
{
    WinosOffset prcb = result->layout.field[WINOS_KPCR_CURRENT_PRCB];
    WinosLayout old = result->layout;
    unsigned i;

    live_init(&l->world, &result->kernel, &result->detected);
    for (i = 0; i < n_cpus; i++) {
        live_add_cpu(&l->world, &cpus[i]);
    }
    if (!is_watched(result) && l->bursts < MAX_BURSTS) {
        watch(l, result, budget_ns);
        conclude_all(l, result, options);
    }
    settle_again(l, result, options);
    settle_layout(result, &l->world, options);
    /* How the PRCB is found was settled for good when it was detected. */
    result->layout.field[WINOS_KPCR_CURRENT_PRCB] = prcb;
    return !same_offsets(&old, &result->layout);
}

bool winos_learner_done(const WinosLearner *l, const WinosResult *result)
{
    unsigned f;

    if (!is_watched(result) && l->bursts < MAX_BURSTS) {
        return false;
    }
    for (f = WINOS_PRCB_NEXT_THREAD; f < WINOS_N_FIELDS; f++) {
        WinosStanding standing = result->detected.field[f].standing;

        if (standing == WINOS_UNCONFIRMED || standing == WINOS_REFUTED) {
            return false;
        }
    }
    return true;
}
