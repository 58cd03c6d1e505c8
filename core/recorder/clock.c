/*
 * recorder/clock: see clock.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { TRIES = 5 };

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

/* 1: yes, 0: no, -1: it cannot be asked, as in a chroot. */
static int linux_trusts_tsc(void)
{
    static const char path[] =
        "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char name[32] = "";
    FILE *file = fopen(path, "re");

    if (!file) {
        return -1;
    }
    if (!fgets(name, sizeof(name), file)) {
        name[0] = '\0';
    }
    fclose(file);
    return strcmp(name, "tsc\n") == 0 || strcmp(name, "kvm-clock\n") == 0;
}
#endif

static atomic_int known_kind;   /* 0: not asked yet; else 1 + kind */

ClockKind clock_host_kind_now(void)
{
    ClockKind kind = CLOCK_KIND_NS;
#if defined(__x86_64__)
    int known = atomic_load(&known_kind);
    int trusts = linux_trusts_tsc();

    if (trusts < 0 && known) {
        return (ClockKind)(known - 1);
    }
    if (trusts > 0 && cpu_has_invariant_tsc()) {
        kind = CLOCK_KIND_TSC;
    }
#endif
    atomic_store(&known_kind, 1 + (int)kind);
    return kind;
}

ClockKind clock_host_kind(void)
{
    int kind = atomic_load(&known_kind);

    return kind ? (ClockKind)(kind - 1) : clock_host_kind_now();
}

/* Two clocks cannot be read at once; who was interrupted tries again. */
static uint64_t read_asleep(void)
{
    uint64_t asleep_ns = 0;
    int i;

    for (i = 0; i < TRIES; i++) {
        uint64_t before = read_clock(CLOCK_MONOTONIC);
        uint64_t boot = read_clock(CLOCK_BOOTTIME);

        asleep_ns = boot - before;
        if (read_clock(CLOCK_MONOTONIC) - before < 100000) {
            break;
        }
    }
    return asleep_ns;
}

void clock_read(ClockKind kind, ClockReading *reading)
{
    uint64_t best = UINT64_MAX;
    int i;

    for (i = 0; i < TRIES; i++) {
        uint64_t start_ns = read_clock(CLOCK_MONOTONIC);
        uint64_t before = clock_count(kind);
        uint64_t monotonic_ns = read_clock(CLOCK_MONOTONIC);
        uint64_t raw_ns = read_clock(CLOCK_MONOTONIC_RAW);
        uint64_t after = clock_count(kind);
        uint64_t end_ns = read_clock(CLOCK_MONOTONIC);

        if (end_ns - start_ns < best) {
            best = end_ns - start_ns;
            reading->monotonic_ns = monotonic_ns;
            reading->raw_ns = raw_ns;
            reading->counter = before + (after - before) / 2;
            reading->realtime_ns = read_clock(CLOCK_REALTIME);
        }
    }
    reading->asleep_ns = read_asleep();
    reading->width_ns = best;
    reading->trusted = kind == CLOCK_KIND_NS ||
                       clock_host_kind() == CLOCK_KIND_TSC;
    if (kind == CLOCK_KIND_NS) {
        reading->counter = reading->monotonic_ns;
    }
}

void clock_read_triple(ClockKind kind, ClockTriple *triple)
{
    uint64_t best = UINT64_MAX;
    int i;

    for (i = 0; i < TRIES; i++) {
        uint64_t before = clock_count(kind);
        uint64_t monotonic_ns = read_clock(CLOCK_MONOTONIC);
        uint64_t after = clock_count(kind);
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

void clock_map_append(ClockMap *map, uint64_t base_stamp, uint64_t base_ns,
                      uint64_t mult)
{
    uint64_t k = atomic_load_explicit(&map->n_segments, memory_order_relaxed);
    ClockSegment *segment = &map->segments[k % CLOCK_SEGMENTS];

    /* Orders the count a reader saw before what overwrites the oldest. */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&segment->base_stamp, base_stamp,
                          memory_order_relaxed);
    atomic_store_explicit(&segment->base_ns, base_ns, memory_order_relaxed);
    atomic_store_explicit(&segment->mult, mult, memory_order_relaxed);
    /* Pairs with the acquire in clock_map_ns(): segment first. */
    atomic_store_explicit(&map->n_segments, k + 1, memory_order_release);
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
        /* Pairs with the release in clock_map_append(). */
        n = atomic_load_explicit(&map->n_segments, memory_order_acquire);
        if (n == 0) {
            return 0;
        }
        find_segment(map, stamp, n, &copy);
        /* Pairs with the fence in clock_map_append(). */
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&map->n_segments, memory_order_relaxed) ==
            n) {
            break;
        }
    }
    return copy.base_ns + (uint64_t)segment_ns(copy.base_stamp, copy.mult,
                                               stamp);
}
