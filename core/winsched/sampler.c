/*
 * winsched/sampler: see sampler.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/sampler.h"

#include "base/le.h"
#include "base/point.h"

#include <string.h>

enum {
    MAX_TRIES = 4,          /* at one change */
    EXACT_TRIES = 256,      /* for busy, some microseconds */
    ARM_TRIES = 100000,     /* the same, when it is for long */
};

/* What came of one try. */
typedef enum Outcome {
    SEEN,
    AGAIN,                  /* it changed meanwhile */
    NOTHING,
} Outcome;

/* A change that is being read. */
typedef struct Change {
    WinschedOrigin origin;
    WinschedWindow window;
    WinschedSwitch event;
    uint64_t stamp;         /* of the store; 0: when it is seen */
    bool counted;           /* the guest's counter could be read */
    uint32_t count;
} Change;

static uint64_t sampler_get(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Of figures that are written by one thread at a time. */
static void sampler_add(_Atomic uint64_t *count, uint64_t n)
{
    atomic_store_explicit(count, n + atomic_load_explicit(
                                         count, memory_order_relaxed),
                          memory_order_relaxed);
}

void winsched_cpu_init(WinschedCpu *cpu, unsigned vcpu, uint64_t prcb,
                       uint64_t idle_thread)
{
    memset(cpu, 0, sizeof(*cpu));
    atomic_flag_clear_explicit(&cpu->busy, memory_order_relaxed);
    cpu->vcpu = vcpu;
    cpu->prcb = prcb;
    winsched_set_idle(cpu, idle_thread);
}

void winsched_fault(WinschedCpu *cpu)
{
    atomic_fetch_add_explicit(&cpu->faults, 1, memory_order_relaxed);
}

static inline void sampler_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool sampler_lock(WinschedCpu *cpu, int tries)
{
    /* Pairs with the release in sampler_unlock(): all that is under busy. */
    while (atomic_flag_test_and_set_explicit(&cpu->busy,
                                             memory_order_acquire)) {
        if (--tries == 0) {
            return false;
        }
        sampler_relax();
    }
    return true;
}

static void sampler_unlock(WinschedCpu *cpu)
{
    /* Pairs with the acquire in sampler_lock(). */
    atomic_flag_clear_explicit(&cpu->busy, memory_order_release);
}

/*
 * The counter against ours
 *
 * Inside a switch CurrentThread changes first and the counter follows, so a
 * sample may find it one behind.  Behind says how much of what was seen is not
 * in the counter yet; whatever is beyond that was not seen.  At the first
 * record nobody can tell, and one is assumed: a missed switch is only claimed
 * when there was one.  A later sample that would be two behind says that it was
 * wrong.
 */
enum { MAX_BEHIND = 1 };

/*
 * Two records may find the same count, when the first was counted and the
 * second is not yet; more may not.
 */
enum { MAX_STILL = 8 };

#define COUNTER_SET (UINT64_C(1) << 63)
#define BEHIND_MAX 0x7fffffffu

static uint64_t counter_pack(uint32_t count, uint32_t behind)
{
    return COUNTER_SET | (uint64_t)behind << 32 | count;
}

/* Where the guest's counter is; false when that is not known. */
static bool find_counter(const Winsched *ws, const WinschedCpu *cpu,
                         uint64_t *gpa)
{
    int32_t offset = winos_offset(&ws->layout, WINOS_PRCB_CONTEXT_SWITCHES);
    uint64_t gva = cpu->prcb + (uint64_t)offset;

    /* One that is aligned is on one page, and is read in one piece. */
    return offset >= 0 && gva % sizeof(uint32_t) == 0 &&
           gmem_is_kernel(&ws->space, gva) &&
           gmem_translate(&ws->space, gva, gpa, NULL, NULL);
}

static bool read_counter_at(const Winsched *ws, uint64_t gpa,
                            uint32_t *count)
{
    uint8_t raw[sizeof(*count)];

    if (!gmem_read_phys(ws->space.mem, gpa, raw, sizeof(raw), NULL)) {
        return false;
    }
    *count = load_le32(raw);
    return true;
}

/* Under busy; the block of a CPU stays where it is, so it is found once. */
static bool read_counter(const Winsched *ws, WinschedCpu *cpu,
                         uint32_t *count)
{
    if (!cpu->counter_gpa && !find_counter(ws, cpu, &cpu->counter_gpa)) {
        cpu->counter_gpa = 0;
        return false;
    }
    return read_counter_at(ws, cpu->counter_gpa, count);
}

/* Switches the counter has beyond what was seen; negative: it is behind. */
static int64_t counter_ahead(uint64_t counter, uint32_t count)
{
    uint32_t since = count - (uint32_t)counter;

    return (int64_t)since - (int64_t)(counter >> 32 & BEHIND_MAX);
}

/* A reset counter goes back, or seems to leap ahead by half its range. */
static bool counter_leaps(uint64_t counter, uint32_t count)
{
    return count - (uint32_t)counter > INT32_MAX;
}

/* A record is made and the counter could not be read. */
static void count_blindly(WinschedCpu *cpu, uint64_t counter)
{
    uint32_t behind = (uint32_t)(counter >> 32) & BEHIND_MAX;

    if (counter && behind < BEHIND_MAX) {
        atomic_store_explicit(&cpu->counter,
                              counter_pack((uint32_t)counter, behind + 1),
                              memory_order_relaxed);
    }
}

/* A record is made: what came between the last one and this? */
static void count_missed(WinschedCpu *cpu, Change *change)
{
    uint64_t counter = atomic_load_explicit(&cpu->counter,
                                            memory_order_relaxed);
    uint32_t behind = MAX_BEHIND;
    int64_t ahead;

    change->event.missed = 0;
    change->event.has_missed = false;
    if (!change->counted) {
        count_blindly(cpu, counter);
        return;
    }
    cpu->still = counter && (uint32_t)counter == change->count ?
                 cpu->still + 1 : 0;
    if (cpu->still >= MAX_STILL) {
        atomic_store_explicit(&cpu->counter_dead, true, memory_order_relaxed);
    }
    if (counter && !counter_leaps(counter, change->count) &&
        !winsched_counter_is_dead(cpu)) {
        ahead = counter_ahead(counter, change->count) - 1;
        change->event.has_missed = true;
        change->event.missed = ahead > 0 ? (uint32_t)ahead : 0;
        behind = ahead < 0 ? MAX_BEHIND : 0;
    }
    atomic_store_explicit(&cpu->counter, counter_pack(change->count, behind),
                          memory_order_relaxed);
    /* Pairs with the acquire in count_all_missed(): counter first. */
    atomic_store_explicit(&cpu->missed, change->event.missed +
                          atomic_load_explicit(&cpu->missed,
                                               memory_order_relaxed),
                          memory_order_release);
}

/* What was missed since the record that @counter is of. */
static uint64_t missed_since(const Winsched *ws, const WinschedCpu *cpu,
                             uint64_t counter)
{
    uint64_t thread;
    uint64_t gpa;
    uint32_t count;
    int64_t ahead;

    if (!counter || !find_counter(ws, cpu, &gpa) ||
        !read_counter_at(ws, gpa, &count) ||
        counter_leaps(counter, count)) {
        return 0;
    }
    ahead = counter_ahead(counter, count);
    if (ws->current(ws->opaque, cpu, &thread) &&
        thread != atomic_load_explicit(&cpu->last, memory_order_relaxed)) {
        ahead--;
    }
    return ahead > 0 ? (uint64_t)ahead : 0;
}

static uint64_t count_all_missed(const Winsched *ws, const WinschedCpu *cpu)
{
    uint64_t counter = atomic_load_explicit(&cpu->counter,
                                            memory_order_acquire);
    uint64_t since = missed_since(ws, cpu, counter);
    /* Pairs with the release in count_missed(). */
    uint64_t missed = atomic_load_explicit(&cpu->missed,
                                           memory_order_acquire);

    /* When a record came in between, it may have taken in the same ones. */
    if (atomic_load_explicit(&cpu->counter,
                             memory_order_relaxed) != counter) {
        since = 0;
    }
    return missed + since;
}

/*
 * One try.  The thread was current before its data are read and still is after
 * the stamp is taken, so it was at the stamp; its identity after that says that
 * the data are all of one object.
 *
 * @settle: try again when its state is no longer what was read: who polls may
 * be held up for long between that and the stamp, in the middle of a switch
 */
static Outcome sampler_try(const Winsched *ws, WinschedCpu *cpu,
                           uint64_t *thread, Change *change, bool settle)
{
    uint64_t now;
    bool good;

    gmem_fresh(ws->space.mem);
    winsched_window_init(&change->window, &ws->space);
    good = winsched_thread_glimpse(&change->window, &ws->layout, *thread,
                                   &change->event.to);
    change->counted = read_counter(ws, cpu, &change->count);
    change->event.stamp = change->stamp ? change->stamp : ws->now(ws->opaque);
    if (!ws->current(ws->opaque, cpu, &now)) {
        winsched_fault(cpu);
        return NOTHING;
    }
    if (now != *thread) {
        *thread = now;
        return AGAIN;
    }
    if (!good) {
        sampler_add(&cpu->implausible, 1);
        return NOTHING;
    }
    gmem_fresh(ws->space.mem);
    if (change->origin == WINSCHED_POLL) {
        /* A vCPU that runs may have changed mappings too. */
        winsched_window_init(&change->window, &ws->space);
    }
    if (settle && change->origin == WINSCHED_POLL &&
        !winsched_thread_steady(&change->window, &ws->layout,
                                &change->event.to)) {
        return AGAIN;
    }
    return winsched_thread_unchanged(&change->window, &ws->layout,
                                     &change->event.to) ? SEEN : AGAIN;
}

/* Fill in what is not of the new thread, and hand it on. */
static void sampler_record(const Winsched *ws, WinschedCpu *cpu, Change *change)
{
    WinschedSwitch *event = &change->event;
    uint64_t idle;

    event->vcpu = cpu->vcpu;
    event->origin = change->origin;
    count_missed(cpu, change);
    event->from = cpu->last_read;
    if (event->from.thread) {
        winsched_thread_refresh(&change->window, &ws->layout, &event->from);
    }
    idle = atomic_load_explicit(&cpu->idle_thread, memory_order_relaxed);
    if (!idle && !(event->to.has & WINSCHED_HAS_IDS && event->to.pid)) {
        event->to.has |= WINSCHED_IDLE_UNKNOWN;
    }
    if (idle && event->to.thread == idle) {
        event->to.has |= WINSCHED_IS_IDLE;
        /* Windows makes idle threads attached to System; it says nothing. */
        event->to.has &= ~(uint32_t)WINSCHED_HAS_ATTACHED;
        event->to.attached = 0;
    }
    cpu->last_read = event->to;
    atomic_store_explicit(&cpu->last, event->to.thread, memory_order_relaxed);
    sampler_add(&cpu->switches, 1);
    ws->record(ws->opaque, event);
}

/*
 * Under busy.
 *
 * Returns: false when there was a change that could not be recorded
 */
static bool sampler_read_change(const Winsched *ws, WinschedCpu *cpu,
                                uint64_t *thread, Change *change)
{
    Outcome outcome = AGAIN;
    int tries;

    for (tries = 0; tries < MAX_TRIES && outcome == AGAIN; tries++) {
        if (*thread == atomic_load_explicit(&cpu->last,
                                            memory_order_relaxed)) {
            return true;
        }
        outcome = sampler_try(ws, cpu, thread, change,
                              tries + 1 < MAX_TRIES);
        if (outcome == AGAIN) {
            sampler_add(&cpu->torn, 1);
        }
    }
    if (outcome == SEEN) {
        sampler_record(ws, cpu, change);
    }
    return outcome == SEEN;
}

void winsched_change(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                     WinschedOrigin origin)
{
    int tries = origin == WINSCHED_EXACT ? EXACT_TRIES : 1;
    Change change = { .origin = origin };

    if (winsched_is_armed(cpu) || !sampler_lock(cpu, tries)) {
        return;
    }
    POINT("change-busy");
    /*
     * It may have become armed; or it was until now, and its last watch hit
     * is being handled.
     * Ordered against the same two in winsched_hit(): one side sees the other.
     */
    if (!atomic_load(&cpu->armed) && !atomic_load(&cpu->in_hit)) {
        sampler_read_change(ws, cpu, &thread, &change);
    }
    sampler_unlock(cpu);
}

/*
 * Exact
 *
 * Once a vCPU is armed, a sampler that takes busy sees that and leaves all as
 * it is; so hits need not take busy, and nothing keeps them from recording.
 */

/* Under busy; whatever stands there, the switch took place. */
static void sampler_record_surely(const Winsched *ws, WinschedCpu *cpu,
                                  uint64_t thread, Change *change)
{
    if (!sampler_read_change(ws, cpu, &thread, change)) {
        change->event.to = (WinschedThread){ .thread = thread };
        sampler_record(ws, cpu, change);
    }
}

/* What the guest's counter has beyond what was seen; 0 when it is unknown. */
static int64_t sampler_ahead(const Winsched *ws, const WinschedCpu *cpu)
{
    uint64_t counter = atomic_load_explicit(&cpu->counter,
                                            memory_order_relaxed);
    uint64_t gpa;
    uint32_t count;

    if (!counter || !find_counter(ws, cpu, &gpa) ||
        !read_counter_at(ws, gpa, &count) || counter_leaps(counter, count)) {
        return 0;
    }
    return counter_ahead(counter, count);
}

/* More than a switch under way and what was missed by sampling, before. */
static bool sampler_counter_tells(const Winsched *ws, const WinschedCpu *cpu)
{
    return sampler_ahead(ws, cpu) >
           1 + (int64_t)atomic_load_explicit(&cpu->baseline,
                                             memory_order_relaxed);
}

bool winsched_arm(const Winsched *ws, WinschedCpu *cpu, uint64_t thread)
{
    Change change = { .origin = WINSCHED_EXIT };
    int64_t ahead;

    if (!sampler_lock(cpu, ARM_TRIES)) {
        return false;
    }
    sampler_record_surely(ws, cpu, thread, &change);
    ahead = sampler_ahead(ws, cpu);
    atomic_store_explicit(&cpu->baseline, ahead > 0 ? (uint32_t)ahead : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&cpu->lost, 0, memory_order_relaxed);
    atomic_store(&cpu->armed, true);
    sampler_unlock(cpu);
    return true;
}

void winsched_disarm(WinschedCpu *cpu)
{
    atomic_store(&cpu->armed, false);
}

static void sampler_lose(WinschedCpu *cpu, uint64_t n)
{
    sampler_add(&cpu->lost, n);
}

static void sampler_record_hit(const Winsched *ws, WinschedCpu *cpu,
                               uint64_t thread, uint64_t stamp, bool armed)
{
    Change change = { .origin = WINSCHED_EXACT, .stamp = stamp };
    uint32_t baseline;

    sampler_record_surely(ws, cpu, thread, &change);
    baseline = atomic_exchange_explicit(&cpu->baseline, 0,
                                        memory_order_relaxed);
    if (armed && change.event.missed > baseline) {
        sampler_lose(cpu, change.event.missed - baseline);
    }
}

void winsched_hit(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                  uint64_t stamp)
{
    sampler_add(&cpu->samples[WINSCHED_EXACT], 1);
    if (thread == sampler_get(&cpu->last)) {
        return;
    }
    /* Ordered against the two loads in winsched_change(). */
    atomic_store(&cpu->in_hit, true);
    if (atomic_load(&cpu->armed)) {
        sampler_record_hit(ws, cpu, thread, stamp, true);
    } else if (sampler_lock(cpu, EXACT_TRIES)) {
        sampler_record_hit(ws, cpu, thread, stamp, false);
        sampler_unlock(cpu);
    } else {
        sampler_lose(cpu, 1);
    }
    /* Pairs with the load in winsched_change(): what was recorded first. */
    atomic_store_explicit(&cpu->in_hit, false, memory_order_release);
}

bool winsched_verify(const Winsched *ws, WinschedCpu *cpu, uint64_t thread)
{
    if (!winsched_is_armed(cpu)) {
        return true;
    }
    if (thread == atomic_load_explicit(&cpu->last, memory_order_relaxed) &&
        !sampler_counter_tells(ws, cpu)) {
        return true;
    }
    sampler_lose(cpu, 1);
    return false;
}

bool winsched_suspect(const Winsched *ws, WinschedCpu *cpu, uint64_t thread)
{
    uint64_t switches = sampler_get(&cpu->switches);
    bool again = cpu->suspect_thread == thread &&
                 cpu->suspect_switches == switches;

    if (thread == sampler_get(&cpu->last) && !sampler_counter_tells(ws, cpu)) {
        cpu->suspect_thread = 0;
        return false;
    }
    cpu->suspect_thread = thread;
    cpu->suspect_switches = switches;
    return again;
}

void winsched_recorded(const WinschedCpu *cpu, WinschedCounts *counts)
{
    unsigned i;

    for (i = 0; i < WINSCHED_N_ORIGINS; i++) {
        counts->samples[i] = sampler_get(&cpu->samples[i]);
    }
    counts->switches = sampler_get(&cpu->switches);
    counts->missed = sampler_get(&cpu->missed);
    counts->faults = sampler_get(&cpu->faults);
    counts->implausible = sampler_get(&cpu->implausible);
    counts->torn = sampler_get(&cpu->torn);
}

void winsched_counts(const Winsched *ws, const WinschedCpu *cpu,
                     WinschedCounts *counts)
{
    winsched_recorded(cpu, counts);
    counts->missed = count_all_missed(ws, cpu);
}
