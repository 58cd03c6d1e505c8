/*
 * evring/clock: see clock.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "evring/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum {
    TRIPLE_TRIES = 5,
    /* The map may be this far off before it is steered. */
    STEER_TOLERANCE_NS = 100,
    /* A difference is made up for over this long ... */
    STEER_HORIZON_NS = 1000000000,
    /* ... and never at more than a tenth of the clock's speed. */
    STEER_MAX_NS = STEER_HORIZON_NS / 10,
};

/* How long a reading stays the near one. */
#define KEEPER_NEAR_NS UINT64_C(30000000000)

#define MULT_ONE (UINT64_C(1) << 32)

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

#if defined(__x86_64__)
static bool cpu_has_invariant_tsc(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 0x100);
}

static bool linux_trusts_tsc(void)
{
    static const char path[] =
        "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char name[32] = "";
    FILE *file = fopen(path, "re");

    if (!file) {
        return false;
    }
    if (!fgets(name, sizeof(name), file)) {
        name[0] = '\0';
    }
    fclose(file);
    return strcmp(name, "tsc\n") == 0 || strcmp(name, "kvm-clock\n") == 0;
}
#endif

ClockKind clock_host_kind(void)
{
#if defined(__x86_64__)
    static atomic_int known;    /* 0: not asked yet; else 1 + kind */
    int kind = atomic_load(&known);

    if (!kind) {
        kind = 1 + (cpu_has_invariant_tsc() && linux_trusts_tsc() ?
                    CLOCK_KIND_TSC : CLOCK_KIND_NS);
        atomic_store(&known, kind);
    }
    return kind - 1;
#else
    return CLOCK_KIND_NS;
#endif
}

void clock_read_triple(ClockKind kind, ClockTriple *triple)
{
    uint64_t best = UINT64_MAX;
    int i;

    for (i = 0; i < TRIPLE_TRIES; i++) {
        uint64_t before = clock_stamp(kind);
        uint64_t monotonic_ns = read_clock(CLOCK_MONOTONIC);
        uint64_t after = clock_stamp(kind);
        uint64_t realtime_ns = read_clock(CLOCK_REALTIME);

        if (after - before < best) {
            best = after - before;
            triple->monotonic_ns = monotonic_ns;
            triple->realtime_ns = realtime_ns;
            triple->stamp = before + (after - before) / 2;
        }
    }
    if (kind == CLOCK_KIND_NS) {
        triple->stamp = triple->monotonic_ns;
    }
}

/* ns from @base_stamp to @stamp, which may lie before it. */
static int64_t segment_ns(uint64_t base_stamp, uint64_t mult, uint64_t stamp)
{
    int64_t distance = (int64_t)(stamp - base_stamp);

    return (int64_t)(((__int128)distance * (__int128)mult) >> 32);
}

static void append_segment(ClockMap *map, uint64_t stamp, uint64_t ns,
                           uint64_t mult)
{
    uint64_t k = atomic_load_explicit(&map->n_segments, memory_order_relaxed);
    ClockSegment *segment = &map->segments[k % CLOCK_SEGMENTS];

    /* Orders the count a reader saw before what overwrites the oldest. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&segment->base_stamp, stamp, memory_order_relaxed);
    atomic_store_explicit(&segment->base_ns, ns, memory_order_relaxed);
    atomic_store_explicit(&segment->mult, mult, memory_order_relaxed);
    /* Pairs with the acquire in clock_map_ns(): segment first. */
    atomic_store_explicit(&map->n_segments, k + 1, memory_order_release);
}

/* ns per stamp between two readings, or 0 when they cannot tell. */
static uint64_t rate_between(const ClockTriple *a, const ClockTriple *b)
{
    if (b->stamp <= a->stamp || b->monotonic_ns <= a->monotonic_ns) {
        return 0;
    }
    return (uint64_t)(((unsigned __int128)(b->monotonic_ns - a->monotonic_ns)
                       << 32) / (b->stamp - a->stamp));
}

void clock_map_init(ClockMap *map, ClockKind kind, ClockKeeper *keeper,
                    const ClockTriple *earlier, const ClockTriple *now)
{
    uint64_t mult = MULT_ONE;

    keeper->far = *earlier;
    keeper->near = *now;
    atomic_store_explicit(&map->kind, kind, memory_order_relaxed);
    if (kind == CLOCK_KIND_TSC && rate_between(earlier, now)) {
        mult = rate_between(earlier, now);
    }
    append_segment(map, now->stamp, now->monotonic_ns, mult);
}

static void keeper_roll(ClockKeeper *keeper, const ClockTriple *now)
{
    if (now->monotonic_ns - keeper->near.monotonic_ns > KEEPER_NEAR_NS) {
        keeper->far = keeper->near;
        keeper->near = *now;
    }
}

static int64_t clamp_steer(int64_t off_ns)
{
    if (off_ns > STEER_MAX_NS) {
        return STEER_MAX_NS;
    }
    return off_ns < -STEER_MAX_NS ? -STEER_MAX_NS : off_ns;
}

/*
 * The next segment begins where the map has arrived, and is as steep as it
 * takes to meet the true clock again a second from now.
 */
void clock_map_steer(ClockMap *map, ClockKeeper *keeper,
                     const ClockTriple *now)
{
    uint64_t rate = rate_between(&keeper->far, now);
    int64_t mapped_ns;
    int64_t off_ns;

    if (atomic_load_explicit(&map->kind, memory_order_relaxed) !=
        CLOCK_KIND_TSC || !rate) {
        return;
    }
    keeper_roll(keeper, now);
    mapped_ns = (int64_t)clock_map_ns(map, now->stamp);
    off_ns = (int64_t)now->monotonic_ns - mapped_ns;
    if (off_ns >= -STEER_TOLERANCE_NS && off_ns <= STEER_TOLERANCE_NS) {
        return;
    }
    append_segment(map, now->stamp, (uint64_t)mapped_ns,
                   rate + (uint64_t)((__int128)rate * clamp_steer(off_ns) /
                                     STEER_HORIZON_NS));
}

typedef struct SegmentCopy {
    uint64_t base_stamp;
    uint64_t base_ns;
    uint64_t mult;
} SegmentCopy;

static void copy_segment(const ClockMap *map, uint64_t k, SegmentCopy *copy)
{
    const ClockSegment *segment = &map->segments[k % CLOCK_SEGMENTS];

    copy->base_stamp = atomic_load_explicit(&segment->base_stamp,
                                            memory_order_relaxed);
    copy->base_ns = atomic_load_explicit(&segment->base_ns,
                                         memory_order_relaxed);
    copy->mult = atomic_load_explicit(&segment->mult, memory_order_relaxed);
}

/* The newest segment that begins at or before @stamp, else the oldest. */
static void find_segment(const ClockMap *map, uint64_t stamp, uint64_t n,
                         SegmentCopy *copy)
{
    uint64_t oldest = n >= CLOCK_SEGMENTS ? n - (CLOCK_SEGMENTS - 1) : 0;
    uint64_t k = n;

    do {
        k--;
        copy_segment(map, k, copy);
    } while (k > oldest && (int64_t)(stamp - copy->base_stamp) < 0);
}

uint64_t clock_map_ns(const ClockMap *map, uint64_t stamp)
{
    SegmentCopy copy;
    uint64_t n;
    int tries;

    if (atomic_load_explicit(&map->kind, memory_order_relaxed) ==
        CLOCK_KIND_NS) {
        return stamp;
    }
    for (tries = 0; tries < 8; tries++) {
        /* Pairs with the release in append_segment(). */
        n = atomic_load_explicit(&map->n_segments, memory_order_acquire);
        if (n == 0) {
            return 0;
        }
        find_segment(map, stamp, n, &copy);
        /* Pairs with the fence in append_segment(). */
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&map->n_segments, memory_order_relaxed) ==
            n) {
            break;
        }
    }
    return copy.base_ns + (uint64_t)segment_ns(copy.base_stamp, copy.mult,
                                               stamp);
}
