/*
 * winos/learn: fields that only show when memory is watched.
 *
 * CurrentThread of one vCPU is followed closely for a moment.  Each change of
 * it is a switch, and switches leave marks: the thread that came is Running
 * and was counted once more, so was the processor; the thread that left has
 * a state and a reason that go together.  A place in memory that bears this
 * out nearly always, and is the only one to do so, is the field.
 *
 * Nearly always is not enough: a byte that never changes may agree with
 * everything.  So a field must have varied, in several objects, in step with
 * what it means; and a value that would be right in any case says nothing.
 *
 * On a busy host the observer misses things: it is held up while the guest
 * switches, and vCPUs are held up inside of switches.  What that explains is
 * kept apart from what it cannot explain, and where enough was seen, a true
 * place may have more against it, as long as no other place comes near.
 *
 * What other sources claim is held against the same marks, less strictly.
 * The idle thread leaves marks of its own and takes no part.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/learn.h"

#include "base/le.h"
#include "base/now.h"
#include "winos/settle.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_FIELD = 0x18,
    BURST_NS = 1000000,         /* at most, while no switch comes */
    SETTLE_NS = 50000,          /* a switch leaves its last mark within */
    GAP_NS = 100000,            /* between two looks: switches may be missed */
    MAX_BURSTS = 4000,
    SAMPLE_NS = 250000,         /* winos_learn_sample() does so at most */
    WINDOW = 4,                 /* switches seen, then the PRCB is compared */
    RUNNING = 2,
    WAITING = 5,
    DISPATCH_INT = 31,          /* both a wait's reason and a preemption's */
    REASONS = 46,               /* 43 of them in 2024 */
};

WinosLearner *winos_learner_new(void)
{
    return calloc(1, sizeof(WinosLearner));
}

void winos_learner_free(WinosLearner *learner)
{
    free(learner);
}

/* Full scores are halved: one that stood still would lose by and by. */
static void learn_mark(Score *score, bool fits)
{
    uint16_t *count = fits ? &score->for_it : &score->against;

    if (*count == UINT16_MAX) {
        score->for_it /= 2;
        score->against /= 2;
    }
    (*count)++;
}

/* The same of a place in a thread. */
static void learn_mark_of(Score *score, uint64_t thread, bool fits)
{
    learn_mark(score, fits);
    if (fits) {
        score->objects |= 1u << (thread / 16 * 2654435761u >> 27 & 31);
    }
}

bool learn_read(const Pass *w, uint64_t at, uint64_t *value)
{
    gmem_fresh(w->space->mem);
    return gmem_read_u64(w->space, at, value);
}

static bool learn_take(const Pass *w, uint64_t at, uint8_t *bytes, size_t size)
{
    uint64_t present;

    gmem_fresh(w->space->mem);
    return gmem_read_some(w->space, at, bytes, size, &present) > FIRST_FIELD;
}

static Known *learn_find_known(WinosLearner *l, uint64_t thread)
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
static uint64_t learn_total_switches(const Pass *w)
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
static void learn_mark_counters(const Pass *w, const Known *known,
                                uint64_t total)
{
    WinosLearner *l = w->l;
    unsigned i;

    for (i = FIRST_FIELD / 4; i < KTHREAD_SIZE / 4; i++) {
        uint32_t step = load_le32(l->now + i * 4) -
                        load_le32(known->bytes + i * 4);

        if (known->total) {
            learn_mark_of(&l->counter[i], known->thread,
                          step > 0 && step <= total - known->total);
        }
        learn_mark_of(&l->counter_claimed[i], known->thread,
                      step > 0 && step < 4096);
    }
    l->n_counted += known->total > 0;
}

static void learn_remember(const Pass *w, uint64_t thread)
{
    WinosLearner *l = w->l;
    Known *known = learn_find_known(l, thread);
    uint64_t total = learn_total_switches(w);

    if (known) {
        learn_mark_counters(w, known, total);
    } else {
        known = &l->known[l->next_known++ % MAX_KNOWN];
        known->thread = thread;
    }
    known->total = total;
    memcpy(known->bytes, l->now, KTHREAD_SIZE);
}

/* A thread that ran somewhere is looked at when fields are judged again. */
static void learn_note_recent(WinosLearner *l, uint64_t thread)
{
    unsigned n = l->n_recent < MAX_RECENT ? l->n_recent : MAX_RECENT;
    unsigned i;

    for (i = 0; i < n; i++) {
        if (l->recent[i] == thread) {
            return;
        }
    }
    l->recent[l->n_recent++ % MAX_RECENT] = thread;
}

void winos_learn_ran(WinosLearner *learner, uint64_t thread)
{
    if (thread) {
        learn_note_recent(learner, thread);
    }
}

/*
 * The counters are raised a little after CurrentThread is stored, so the
 * thread is looked at once more after a moment.
 */
static void learn_thread_came(Pass *w, uint64_t prcb, uint64_t thread)
{
    WinosLearner *l = w->l;
    uint64_t still;
    unsigned i;

    learn_note_recent(l, thread);
    if (learn_is_idle(w, thread)) {
        return;
    }
    for (i = 0; i < 8; i++) {
        if (!learn_read(w, prcb + w->current_at, &still) ||
            still != thread) {
            return;
        }
    }
    if (!live_is_object(w->space, thread, LIVE_THREAD) ||
        !learn_take(w, thread, l->now, KTHREAD_SIZE) ||
        !learn_read(w, prcb + w->current_at, &still) ||
        still != thread) {
        return;
    }
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        learn_mark_of(&l->state[i], thread, l->now[i] == RUNNING);
    }
    l->n_comings++;
    learn_remember(w, thread);
}

static bool learn_is_preemption(uint8_t reason)
{
    return reason == 30 || reason == 31 || reason == 32 || reason == 33 ||
           reason == 38;
}

/*
 * Who waits has a wait's reason, who is ready a preemption's, unless it has
 * waited and was woken already.  One reason may be either: it says nothing of
 * a wait, or a byte that always holds it would be right in everything.
 */
static void learn_mark_reasons(Pass *w, uint64_t thread, uint8_t state)
{
    WinosLearner *l = w->l;
    unsigned i;

    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        uint8_t reason = l->now[i];
        bool waits = reason < REASONS && !learn_is_preemption(reason);

        if (state != WAITING) {
            learn_mark_of(&l->reason_ready[i], thread,
                          learn_is_preemption(reason));
        } else if (reason != DISPATCH_INT) {
            learn_mark_of(&l->reason_waiting[i], thread, waits);
            l->reasons[i] |= waits ? UINT64_C(1) << reason : 0;
        }
    }
}

static bool learn_runs_somewhere(const Pass *w, uint64_t thread)
{
    const LiveWorld *world = &w->l->world;
    uint64_t current;
    unsigned i;

    for (i = 0; i < world->n_cpus; i++) {
        if (learn_read(w, world->cpus[i].prcb + w->current_at,
                          &current) && current == thread) {
            return true;
        }
    }
    return false;
}

/* Fields of the thread that left settle a little after the switch began. */
static void learn_thread_left(Pass *w, uint64_t thread)
{
    WinosLearner *l = w->l;
    uint8_t state;
    unsigned i;

    if (learn_is_idle(w, thread) ||
        !live_is_object(w->space, thread, LIVE_THREAD) ||
        !learn_take(w, thread, l->now, KTHREAD_SIZE) ||
        learn_runs_somewhere(w, thread)) {
        return;
    }
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        learn_mark_of(&l->state_gone[i], thread, l->now[i] != RUNNING);
    }
    if (w->state_at < 0 || w->state_at >= KTHREAD_SIZE) {
        return;
    }
    state = l->now[w->state_at];
    if (state == WAITING || state == 1 || state == 3 || state == 7) {
        learn_mark_reasons(w, thread, state);
    }
}

/*
 * A vCPU that is held up inside a switch has a thread that is not Running yet.
 * A thread that stays is, nearly always; the last but one before it, which has
 * left for good, is not, unless it runs somewhere.  Each coming counts once.
 */
static void learn_thread_settled(Pass *w, unsigned cpu, uint64_t thread)
{
    WinosLearner *l = w->l;
    uint64_t left = l->settled[cpu][1];
    unsigned i;

    if (thread == l->settled[cpu][0] || learn_is_idle(w, thread) ||
        !live_is_object(w->space, thread, LIVE_THREAD) ||
        !learn_take(w, thread, l->now, KTHREAD_SIZE) ||
        !learn_runs_somewhere(w, thread)) {
        return;
    }
    l->settled[cpu][1] = l->settled[cpu][0];
    l->settled[cpu][0] = thread;
    l->n_settled++;
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        learn_mark_of(&l->state_settled[i], thread, l->now[i] == RUNNING);
    }
    if (learn_is_idle(w, left) || !live_is_object(w->space, left, LIVE_THREAD) ||
        !learn_take(w, left, l->now, KTHREAD_SIZE) ||
        learn_runs_somewhere(w, left)) {
        return;
    }
    for (i = FIRST_FIELD; i < KTHREAD_SIZE; i++) {
        learn_mark_of(&l->state_left[i], left, l->now[i] != RUNNING);
    }
}

/* Without a switch nothing is counted; other counters go on meanwhile. */
static void learn_mark_still_prcb(const Pass *w)
{
    WinosLearner *l = w->l;
    unsigned i;

    for (i = 0; i < PRCB_WORDS && !w->held_up; i++) {
        if (load_le32(l->after + i * 4) != load_le32(l->before + i * 4)) {
            learn_mark(&l->prcb_counter[i], false);
            learn_mark(&l->prcb_claimed[i], false);
        }
    }
}

static bool learn_is_claimed_step(uint32_t step, unsigned n)
{
    return step && step + 1 >= n && step <= 64 * n + 64;
}

/* An observer that was held up has missed some: more steps are no fault. */
static void learn_mark_prcb(Pass *w)
{
    WinosLearner *l = w->l;
    unsigned n = w->switches;
    unsigned i;

    if (n == 0) {
        learn_mark_still_prcb(w);
        return;
    }
    for (i = 0; i < PRCB_WORDS; i++) {
        uint32_t step = load_le32(l->after + i * 4) -
                        load_le32(l->before + i * 4);
        bool many = step > n + n / 4 + 1;

        if (!w->held_up || !many || step > INT32_MAX) {
            learn_mark(&l->prcb_counter[i],
                       step && step + 1 >= n && !many);
        }
        learn_mark(&l->prcb_claimed[i], learn_is_claimed_step(step, n));
    }
    l->n_prcb++;
}

/* Follow one vCPU until it has switched, and a moment more. */
static void learn_burst(Pass *w, unsigned index)
{
    WinosLearner *l = w->l;
    const WinosCpu *cpu = &l->world.cpus[index];
    uint64_t now = now_monotonic_ns();
    uint64_t end = now + BURST_NS;
    uint64_t before = now;
    uint64_t last, current;

    w->switches = 0;
    w->held_up = false;
    w->cpu = index;
    if (!learn_read(w, cpu->prcb + w->current_at, &last) ||
        !learn_take(w, cpu->prcb, l->before, sizeof(l->before))) {
        return;
    }
    if (!l->n_fixed[index]) {
        learn_find_fixed(w);
    }
    for (; now < end; now = now_monotonic_ns()) {
        w->held_up |= now - before > GAP_NS;
        before = now;
        if (!learn_read(w, cpu->prcb + w->current_at, &current)) {
            return;
        }
        if (current != last) {
            w->switches++;
            learn_thread_left(w, last);
            learn_thread_came(w, cpu->prcb, current);
            last = current;
            end = w->switches == 1 ? now_monotonic_ns() + SETTLE_NS : end;
        }
    }
    if (learn_take(w, cpu->prcb, l->after, sizeof(l->after))) {
        w->held_up |= now_monotonic_ns() - before > GAP_NS;
        learn_mark_prcb(w);
        learn_follow_fixed(w, last);
    }
    if (w->switches == 0) {
        learn_thread_settled(w, index, last);
    }
    l->bursts++;
}

/*
 * Samples that are far apart miss switches, so a window bears out what is
 * claimed and cannot find a place by itself.
 */
static void learn_close_window(Pass *w)
{
    WinosLearner *l = w->l;
    Window *window = &l->window;
    unsigned i;

    if (learn_take(w, window->prcb, l->after, sizeof(l->after))) {
        for (i = 0; i < PRCB_WORDS; i++) {
            uint32_t step = load_le32(l->after + i * 4) -
                            load_le32(window->begin + i * 4);

            learn_mark(&l->prcb_claimed[i],
                       learn_is_claimed_step(step, window->switches));
        }
    }
    window->open = false;
    window->cpu = (window->cpu + 1) % l->world.n_cpus;
}

static void learn_open_window(Pass *w)
{
    Window *window = &w->l->window;

    window->cpu %= w->l->world.n_cpus;
    window->prcb = w->l->world.cpus[window->cpu].prcb;
    window->switches = 0;
    window->open = learn_take(w, window->prcb, window->begin,
                        sizeof(window->begin));
}

static void learn_sample_cpu(Pass *w, unsigned i)
{
    WinosLearner *l = w->l;
    const WinosCpu *cpu = &l->world.cpus[i];
    uint64_t last = l->last[i];
    uint64_t current;

    if (!learn_read(w, cpu->prcb + w->current_at, &current)) {
        return;
    }
    l->last[i] = current;
    w->cpu = i;
    if (last && current != last) {
        learn_thread_left(w, last);
        learn_thread_came(w, cpu->prcb, current);
    } else if (last) {
        learn_thread_settled(w, i, current);
    }
    if (l->window.open && i == l->window.cpu) {
        l->window.settled = current == last;
        l->window.switches += current != last;
    }
}

static bool learn_is_watched(const WinosResult *result)
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

/* Is there an override that watching has not judged yet? */
static bool learn_has_unjudged(const WinosResult *result)
{
    static const WinosField watched[] = {
        WINOS_KTHREAD_STATE, WINOS_KTHREAD_WAIT_REASON,
        WINOS_KTHREAD_CONTEXT_SWITCHES, WINOS_PRCB_CONTEXT_SWITCHES,
    };
    unsigned i;

    for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
        if (result->layout.field[watched[i]].source ==
            WINOS_SOURCE_OVERRIDE &&
            result->layout.field[watched[i]].value >= 0 &&
            result->seen[watched[i]] == WINOS_SEEN_NOTHING) {
            return true;
        }
    }
    return false;
}

static bool learn_knows_idle(const WinosResult *result)
{
    return result->detected.field[WINOS_PRCB_IDLE_THREAD].standing >=
           WINOS_AGREED;
}

/* Is there something left that watching can show? */
static bool learn_is_due(const WinosLearner *l, const WinosResult *result)
{
    return l->bursts < MAX_BURSTS &&
           (!learn_is_watched(result) || !learn_knows_idle(result) ||
            learn_has_unjudged(result));
}

static Pass learn_pass_of(WinosLearner *l, const WinosResult *result)
{
    return (Pass) {
        .l = l,
        .space = &result->kernel.space,
        .current_at = winos_offset(&result->layout,
                                   WINOS_PRCB_CURRENT_THREAD),
        .state_at = winos_offset(&result->detected, WINOS_KTHREAD_STATE),
        .counter_at = winos_offset(&result->detected,
                                   WINOS_PRCB_CONTEXT_SWITCHES),
        .next_at = winos_offset(&result->detected, WINOS_PRCB_NEXT_THREAD),
    };
}

void winos_learn_sample(WinosLearner *l, const WinosResult *result)
{
    Pass w = learn_pass_of(l, result);
    uint64_t now = now_monotonic_ns();
    unsigned i;

    if (!l->world.n_cpus || now < l->sampled_ns + SAMPLE_NS ||
        !learn_is_due(l, result)) {
        return;
    }
    l->sampled_ns = now;
    for (i = 0; i < l->world.n_cpus; i++) {
        learn_sample_cpu(&w, i);
    }
    if (!l->window.open) {
        learn_open_window(&w);
    } else if (l->window.switches >= WINDOW && l->window.settled) {
        learn_close_window(&w);
    }
}

static void learn_follow_cpus(WinosLearner *l, WinosResult *result,
                              uint64_t budget_ns)
{
    uint64_t end = now_monotonic_ns() + budget_ns;
    Pass w = learn_pass_of(l, result);
    unsigned i;

    for (i = l->bursts; now_monotonic_ns() < end && l->world.n_cpus; i++) {
        learn_burst(&w, i % l->world.n_cpus);
    }
}

/* vCPUs come and go: what is remembered of one is not another's. */
static void learn_set_cpus(WinosLearner *l, const WinosCpu *cpus, unsigned n)
{
    uint64_t prcbs[LIVE_MAX_CPUS];
    unsigned i;

    for (i = 0; i < l->world.n_cpus; i++) {
        prcbs[i] = l->world.cpus[i].prcb;
    }
    for (; i < LIVE_MAX_CPUS; i++) {
        prcbs[i] = 0;
    }
    l->world.n_cpus = 0;
    for (i = 0; i < n; i++) {
        live_add_cpu(&l->world, &cpus[i]);
    }
    for (i = 0; i < l->world.n_cpus; i++) {
        if (l->world.cpus[i].prcb != prcbs[i]) {
            l->last[i] = l->settled[i][0] = l->settled[i][1] = 0;
            l->n_fixed[i] = l->n_stayed[i] = 0;
        }
    }
}

/* Objects come up that were not there before: a thread with a name, say. */
static void learn_settle_again(WinosLearner *l, WinosResult *result,
                         const WinosOptions *options)
{
    unsigned n = l->n_recent < MAX_RECENT ? l->n_recent : MAX_RECENT;
    unsigned f;

    for (f = 0; f < n; f++) {
        live_add_thread(&l->world, l->recent[f]);
    }
    live_gather(&l->world);
    for (f = WINOS_PRCB_NEXT_THREAD; f < WINOS_N_FIELDS; f++) {
        if (result->detected.field[f].standing != WINOS_CONFIRMED &&
            result->detected.field[f].standing != WINOS_ABSENT) {
            settle_field(result, &l->world, options, f, true);
        }
    }
}

static bool learn_same_offsets(const WinosLayout *a, const WinosLayout *b)
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
    unsigned n_known = l->world.n_cpus;
    Pass w;

    live_init(&l->world, &result->kernel, &result->detected);
    l->world.n_cpus = n_known;
    learn_set_cpus(l, cpus, n_cpus);
    live_note_idle(&l->world);
    if (learn_is_due(l, result)) {
        learn_follow_cpus(l, result, budget_ns);
        learn_conclude_all(l, result, options);
    }
    learn_settle_again(l, result, options);
    w = learn_pass_of(l, result);
    learn_conclude_idle(&w, result, options);
    settle_layout(result, &l->world, options);
    /* How the PRCB is found was settled for good when it was detected. */
    result->layout.field[WINOS_KPCR_CURRENT_PRCB] = prcb;
    return !learn_same_offsets(&old, &result->layout);
}

bool winos_learner_done(const WinosLearner *l, const WinosResult *result)
{
    unsigned f;

    if (learn_is_due(l, result)) {
        return false;
    }
    for (f = WINOS_PRCB_NEXT_THREAD; f < WINOS_N_FIELDS; f++) {
        WinosStanding standing = result->detected.field[f].standing;

        if (standing == WINOS_UNCONFIRMED || standing == WINOS_REFUTED) {
            return false;
        }
    }
    return learn_knows_idle(result);
}
