/*
 * recorder/clock: cheap time stamps, and what they mean in nanoseconds.
 *
 * A stamp is read from the CPU's time stamp counter where that is invariant
 * and Linux itself trusts it, else from CLOCK_MONOTONIC.  A ClockMap turns
 * stamps into CLOCK_MONOTONIC ns.  It is a list of straight segments: each
 * begins where the one before had arrived, and its slope steers towards the
 * true clock, so that a stamp once turned into ns gives the same ns for ever,
 * and later stamps never give less.
 *
 * The counter does not always go straight on: it may go on during a suspend
 * of the host, in which CLOCK_MONOTONIC stands still, start from 0 after it,
 * or jump when the host is itself a guest that moves.  So a stamp is the
 * counter plus an offset, which keeper.h changes when that happens: stamps
 * go straight on, and mean the same to every reader.
 *
 * The map lives in memory shared with readers, which may be other processes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_CLOCK_H
#define VMSCOPE_RECORDER_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ClockKind {
    CLOCK_KIND_NS = 0,      /* ns of CLOCK_MONOTONIC */
    CLOCK_KIND_TSC = 1,     /* time stamp counter */
} ClockKind;

/* One instant on all clocks. */
typedef struct ClockTriple {
    uint64_t monotonic_ns;
    uint64_t realtime_ns;
    uint64_t stamp;
} ClockTriple;

/* ns = base_ns + (stamp - base_stamp) * mult / 2^32 */
typedef struct ClockSegment {
    _Atomic uint64_t base_stamp;
    _Atomic uint64_t base_ns;
    _Atomic uint64_t mult;
    _Atomic uint64_t reserved;
} ClockSegment;

enum { CLOCK_SEGMENTS = 64 };

/*
 * Written by one thread at a time, read by any.  Segment k stands at
 * k % CLOCK_SEGMENTS; the newest CLOCK_SEGMENTS - 1 may be read.
 */
typedef struct ClockMap {
    _Atomic uint32_t kind;          /* ClockKind */
    uint32_t reserved;
    _Atomic uint64_t n_segments;    /* ever written */
    ClockSegment segments[CLOCK_SEGMENTS];
} ClockMap;

/**
 * clock_host_kind - which stamp is the better one on this host
 *
 * Asks CPUID for an invariant TSC and Linux for the clock source it uses, as
 * Linux stops using a TSC that it found to drift between CPUs.
 * Source: AMD APM vol. 3 and Intel SDM vol. 2A, CPUID 80000007h EDX bit 8;
 * Linux Documentation/ABI/testing/sysfs-devices-system-clocksource.
 *
 * Context: any thread; opens a file at the first call.
 */
ClockKind clock_host_kind(void);

/**
 * clock_has_tsc - is there a time stamp counter at all, trusted or not?
 */
static inline bool clock_has_tsc(void)
{
#if defined(__x86_64__)
    return true;
#else
    return false;
#endif
}

/**
 * clock_read_triple - read all clocks as nearly at once as can be
 * @kind: what a stamp is
 * @triple: receives the readings; the tightest of a few tries
 */
void clock_read_triple(ClockKind kind, ClockTriple *triple);

/* What a look at all clocks gives. */
typedef struct ClockReading {
    uint64_t counter;       /* of the kind asked for, without offset */
    uint64_t monotonic_ns;
    uint64_t realtime_ns;
    uint64_t raw_ns;        /* CLOCK_MONOTONIC_RAW: nobody adjusts its rate */
    uint64_t asleep_ns;     /* CLOCK_BOOTTIME - CLOCK_MONOTONIC, within 1 ms */
    uint64_t width_ns;      /* @counter and the clocks are this near at least */
    bool trusted;           /* Linux uses this counter itself */
} ClockReading;

/**
 * clock_read - read all clocks as nearly at once as can be
 * @kind: which counter
 * @reading: receives the tightest of a few tries
 *
 * Context: any thread; a few hundred ns.  @trusted is true for CLOCK_KIND_NS
 * and else as of the last clock_host_kind_now().
 */
void clock_read(ClockKind kind, ClockReading *reading);

/**
 * clock_host_kind_now - clock_host_kind(), asked anew
 *
 * Linux stops using a counter that it finds to drift.  Opens a file.
 */
ClockKind clock_host_kind_now(void);

/* Where a writer's stamps come from; changed by its keeper alone. */
typedef struct ClockSource {
    _Atomic uint32_t kind;          /* ClockKind */
    uint32_t reserved;
    _Atomic uint64_t tsc_offset;    /* added to the counter of either kind */
    _Atomic uint64_t ns_offset;
} ClockSource;

/**
 * clock_map_append - add a segment
 * @map: zeroed memory, or with segments that begin earlier
 * @mult: ns a stamp, times 2^32
 *
 * Context: one thread at a time.
 */
void clock_map_append(ClockMap *map, uint64_t base_stamp, uint64_t base_ns,
                      uint64_t mult);

/**
 * clock_map_ns - CLOCK_MONOTONIC of a stamp
 * @map: may be written meanwhile, also by a process that lies
 * @stamp: a stamp; one from before the oldest segment kept is extrapolated
 *
 * Context: any thread; takes no lock.
 */
uint64_t clock_map_ns(const ClockMap *map, uint64_t stamp);

/**
 * clock_now_ns - CLOCK_MONOTONIC now
 */
uint64_t clock_now_ns(void);

/**
 * clock_count - a counter now
 *
 * Costs one RDTSC, or one clock_gettime().
 */
static inline uint64_t clock_count(ClockKind kind)
{
#if defined(__x86_64__)
    if (__builtin_expect(kind == CLOCK_KIND_TSC, 1)) {
        return __builtin_ia32_rdtsc();
    }
#endif
    (void)kind;
    return clock_now_ns();
}

/**
 * clock_stamp - the time now, as a stamp
 * @source: the writer's
 *
 * Context: any thread; the hot path.
 */
static inline uint64_t clock_stamp(const ClockSource *source)
{
    /* Pairs with the release in keeper.c: the offset of a kind first. */
    uint32_t kind = atomic_load_explicit(&source->kind, memory_order_acquire);

#if defined(__x86_64__)
    if (__builtin_expect(kind == CLOCK_KIND_TSC, 1)) {
        return __builtin_ia32_rdtsc() +
               atomic_load_explicit(&source->tsc_offset,
                                    memory_order_relaxed);
    }
#endif
    (void)kind;
    return clock_now_ns() + atomic_load_explicit(&source->ns_offset,
                                                 memory_order_relaxed);
}

#endif
