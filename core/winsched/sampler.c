/*
 * winsched/sampler: see sampler.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/sampler.h"

#include "base/le.h"

#include <string.h>

enum {
    MAX_TRIES = 4,          /* at one change */
    EXACT_TRIES = 256,      /* for busy, some microseconds */
    OWN_TRIES = 100000,     /* the same, when it is for long */
};

/* What came of one try. */
typedef enum Outcome {
    SEEN,
    AGAIN,                  /* it changed meanwhile */
    NOTHING,
} Outcome;

/* A look at what changed. */
typedef struct Look {
    WinschedOrigin origin;
    WinschedWindow window;
    WinschedSwitch event;
    uint64_t stamp;         /* of the store; 0: when it is seen */
    bool counted;           /* the guest's counter could be read */
    uint32_t count;
} Look;

static uint64_t get(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Of figures that are written by one thread at a time. */
static void add(_Atomic uint64_t *count, uint64_t n)
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
    cpu->idle_thread = idle_thread;
}

void winsched_fault(WinschedCpu *cpu)
{
    atomic_fetch_add_explicit(&cpu->faults, 1, memory_order_relaxed);
}

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static bool take(WinschedCpu *cpu, int tries)
{
    /* Pairs with the release in give_back(): all that is under busy. */
    while (atomic_flag_test_and_set_explicit(&cpu->busy,
                                             memory_order_acquire)) {
        if (--tries == 0) {
            return false;
        }
        relax();
    }
    return true;
}

static void give_back(WinschedCpu *cpu)
{
    /* Pairs with the acquire in take(). */
    atomic_flag_clear_explicit(&cpu->busy, memory_order_release);
}

/*
 * The counter against ours
 *
 * Inside a switch CurrentThread changes first and the counter follows, so a
 * look may find it one behind.  Behind says how much of what was seen is not
 * in the counter yet; whatever is beyond that was not seen.  At the first
 * record nobody can tell, and one is assumed: a missed switch is only claimed
 * when there was one.  A later look that would be two behind says that it was
 * wrong.
 */
enum { MAX_BEHIND = 1 };

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
static void count_missed(WinschedCpu *cpu, Look *look)
{
    uint64_t counter = atomic_load_explicit(&cpu->counter,
                                            memory_order_relaxed);
    uint32_t behind = MAX_BEHIND;
    int64_t ahead;

    look->event.missed = 0;
    look->event.has_missed = false;
    if (!look->counted) {
        count_blindly(cpu, counter);
        return;
    }
    if (counter && !counter_leaps(counter, look->count)) {
        ahead = counter_ahead(counter, look->count) - 1;
        look->event.has_missed = true;
        look->event.missed = ahead > 0 ? (uint32_t)ahead : 0;
        behind = ahead < 0 ? MAX_BEHIND : 0;
    }
    atomic_store_explicit(&cpu->counter, counter_pack(look->count, behind),
                          memory_order_relaxed);
    /* Pairs with the acquire in count_all_missed(): counter first. */
    atomic_store_explicit(&cpu->missed, look->event.missed +
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
 */
static Outcome see(const Winsched *ws, WinschedCpu *cpu, uint64_t *thread,
                   Look *look)
{
    uint64_t now;
    bool good;

    winsched_window_init(&look->window, &ws->space);
    good = winsched_thread_glimpse(&look->window, &ws->layout, *thread,
                                   &look->event.to);
    look->counted = read_counter(ws, cpu, &look->count);
    look->event.stamp = look->stamp ? look->stamp : ws->now(ws->opaque);
    if (!ws->current(ws->opaque, cpu, &now)) {
        winsched_fault(cpu);
        return NOTHING;
    }
    if (now != *thread) {
        *thread = now;
        return AGAIN;
    }
    if (!good) {
        add(&cpu->implausible, 1);
        return NOTHING;
    }
    if (look->origin == WINSCHED_POLL) {
        /* A vCPU that runs may have changed mappings too. */
        winsched_window_init(&look->window, &ws->space);
    }
    return winsched_thread_unchanged(&look->window, &ws->layout,
                                     &look->event.to) ? SEEN : AGAIN;
}

/* Fill in what is not of the new thread, and hand it on. */
static void record(const Winsched *ws, WinschedCpu *cpu, Look *look)
{
    WinschedSwitch *event = &look->event;

    event->vcpu = cpu->vcpu;
    event->origin = look->origin;
    count_missed(cpu, look);
    event->from = cpu->last_read;
    if (event->from.thread) {
        winsched_thread_refresh(&look->window, &ws->layout, &event->from);
    }
    if (event->to.thread == cpu->idle_thread) {
        event->to.has |= WINSCHED_IS_IDLE;
    }
    cpu->last_read = event->to;
    atomic_store_explicit(&cpu->last, event->to.thread, memory_order_relaxed);
    add(&cpu->switches, 1);
    ws->record(ws->opaque, event);
}

/*
 * Under busy.
 *
 * Returns: false when there was a change that could not be recorded
 */
static bool look_closely(const Winsched *ws, WinschedCpu *cpu,
                         uint64_t *thread, Look *look)
{
    Outcome outcome = AGAIN;
    int tries;

    for (tries = 0; tries < MAX_TRIES && outcome == AGAIN; tries++) {
        if (*thread == atomic_load_explicit(&cpu->last,
                                            memory_order_relaxed)) {
            return true;
        }
        outcome = see(ws, cpu, thread, look);
        if (outcome == AGAIN) {
            add(&cpu->torn, 1);
        }
    }
    if (outcome == SEEN) {
        record(ws, cpu, look);
    }
    return outcome == SEEN;
}

void winsched_change(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                     WinschedOrigin origin)
{
    int tries = origin == WINSCHED_EXACT ? EXACT_TRIES : 1;
    Look look = { .origin = origin };

    if (winsched_is_owned(cpu) || !take(cpu, tries)) {
        return;
    }
    /*
     * It may have become owned; or was until now, and a last hit is at it.
     * Ordered against the same two in winsched_hit(): one side sees the other.
     */
    if (!atomic_load(&cpu->owned) && !atomic_load(&cpu->hitting)) {
        look_closely(ws, cpu, &thread, &look);
    }
    give_back(cpu);
}

/*
 * Exact
 *
 * Once a vCPU is owned, whoever takes busy sees that and leaves all as it is;
 * so hits need not take it, and cannot be kept from recording.
 */

/* Under busy; whatever stands there, the switch took place. */
static void look_surely(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                        Look *look)
{
    if (!look_closely(ws, cpu, &thread, look)) {
        look->event.to = (WinschedThread){ .thread = thread };
        record(ws, cpu, look);
    }
}

/* What the guest's counter has beyond what was seen; 0 when it is unknown. */
static int64_t ahead_now(const Winsched *ws, const WinschedCpu *cpu)
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
static bool counter_tells(const Winsched *ws, const WinschedCpu *cpu)
{
    return ahead_now(ws, cpu) >
           1 + (int64_t)atomic_load_explicit(&cpu->forgiven,
                                             memory_order_relaxed);
}

bool winsched_own(const Winsched *ws, WinschedCpu *cpu, uint64_t thread)
{
    Look look = { .origin = WINSCHED_EXIT };
    int64_t ahead;

    if (!take(cpu, OWN_TRIES)) {
        return false;
    }
    look_surely(ws, cpu, thread, &look);
    ahead = ahead_now(ws, cpu);
    atomic_store_explicit(&cpu->forgiven, ahead > 0 ? (uint32_t)ahead : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&cpu->lost, 0, memory_order_relaxed);
    atomic_store(&cpu->owned, true);
    give_back(cpu);
    return true;
}

void winsched_disown(WinschedCpu *cpu)
{
    atomic_store(&cpu->owned, false);
}

static void lose(WinschedCpu *cpu, uint64_t n)
{
    add(&cpu->lost, n);
}

static void record_hit(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                       uint64_t stamp, bool owned)
{
    Look look = { .origin = WINSCHED_EXACT, .stamp = stamp };
    uint32_t forgiven;

    look_surely(ws, cpu, thread, &look);
    forgiven = atomic_exchange_explicit(&cpu->forgiven, 0,
                                        memory_order_relaxed);
    if (owned && look.event.missed > forgiven) {
        lose(cpu, look.event.missed - forgiven);
    }
}

void winsched_hit(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                  uint64_t stamp)
{
    add(&cpu->samples[WINSCHED_EXACT], 1);
    if (thread == get(&cpu->last)) {
        return;
    }
    /* Ordered against the two loads in winsched_change(). */
    atomic_store(&cpu->hitting, true);
    if (atomic_load(&cpu->owned)) {
        record_hit(ws, cpu, thread, stamp, true);
    } else if (take(cpu, EXACT_TRIES)) {
        record_hit(ws, cpu, thread, stamp, false);
        give_back(cpu);
    } else {
        lose(cpu, 1);
    }
    /* Pairs with the load in winsched_change(): what was recorded first. */
    atomic_store_explicit(&cpu->hitting, false, memory_order_release);
}

bool winsched_check(const Winsched *ws, WinschedCpu *cpu, uint64_t thread)
{
    if (!winsched_is_owned(cpu)) {
        return true;
    }
    if (thread == atomic_load_explicit(&cpu->last, memory_order_relaxed) &&
        !counter_tells(ws, cpu)) {
        return true;
    }
    lose(cpu, 1);
    return false;
}

bool winsched_doubt(const Winsched *ws, WinschedCpu *cpu, uint64_t thread)
{
    uint64_t switches = get(&cpu->switches);
    bool again = cpu->doubt_thread == thread &&
                 cpu->doubt_switches == switches;

    if (thread == get(&cpu->last) && !counter_tells(ws, cpu)) {
        cpu->doubt_thread = 0;
        return false;
    }
    cpu->doubt_thread = thread;
    cpu->doubt_switches = switches;
    return again;
}

void winsched_counts(const Winsched *ws, const WinschedCpu *cpu,
                     WinschedCounts *counts)
{
    unsigned i;

    for (i = 0; i < WINSCHED_N_ORIGINS; i++) {
        counts->samples[i] = get(&cpu->samples[i]);
    }
    counts->switches = get(&cpu->switches);
    counts->missed = count_all_missed(ws, cpu);
    counts->faults = get(&cpu->faults);
    counts->implausible = get(&cpu->implausible);
    counts->torn = get(&cpu->torn);
}
