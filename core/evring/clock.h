/*
 * evring/clock: cheap time stamps, and what they mean in nanoseconds.
 *
 * A stamp is the CPU's time stamp counter where that is invariant and Linux
 * itself trusts it, else CLOCK_MONOTONIC in ns.  A ClockMap turns stamps into
 * CLOCK_MONOTONIC ns.  It is a list of straight segments: each begins where
 * the one before had arrived, and its slope steers towards the true clock, so
 * that a stamp once turned into ns gives the same ns for ever, later stamps
 * never give less, and the error stays below a microsecond or so.
 *
 * The map lives in memory shared with readers, which may be other processes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_EVRING_CLOCK_H
#define VMSCOPE_EVRING_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef enum ClockKind {
    CLOCK_KIND_NS = 0,      /* a stamp is ns of CLOCK_MONOTONIC */
    CLOCK_KIND_TSC = 1,     /* a stamp is a time stamp counter value */
} ClockKind;

/* One instant on all clocks. */
typedef struct ClockTriple {
    uint64_t monotonic_ns;
    uint64_t realtime_ns;
    uint64_t stamp;         /* TSC, or ns again when that is the stamp */
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

/* The keeper's own memory of past readings: what the rate is taken from. */
typedef struct ClockKeeper {
    ClockTriple far;        /* 30 to 60 s ago once it runs that long */
    ClockTriple near;       /* 0 to 30 s ago */
} ClockKeeper;

/**
 * clock_map_init - begin a map with its first segment
 * @map: zeroed memory
 * @kind: what a stamp is
 * @keeper: begun here, for clock_map_steer()
 * @earlier: an earlier reading, to learn the TSC's rate from; the longer ago
 *           the better (10 ms give 5 ppm); ignored for CLOCK_KIND_NS
 * @now: where the map begins
 */
void clock_map_init(ClockMap *map, ClockKind kind, ClockKeeper *keeper,
                    const ClockTriple *earlier, const ClockTriple *now);

/**
 * clock_map_steer - add a segment when the map has drifted off
 * @map: a map this thread alone writes
 * @keeper: as begun by clock_map_init()
 * @now: a fresh reading
 *
 * Call it 10 ms after clock_map_init() and then about once a second: a
 * difference is made up for over one second.  It adds nothing while the map
 * is within 100 ns of the true clock.
 */
void clock_map_steer(ClockMap *map, ClockKeeper *keeper,
                     const ClockTriple *now);

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
 * clock_stamp - the time now, as a stamp
 * @kind: what a stamp is
 *
 * Costs one RDTSC, or one clock_gettime().
 */

static inline uint64_t clock_stamp(ClockKind kind)
{
#if defined(__x86_64__)
    if (__builtin_expect(kind == CLOCK_KIND_TSC, 1)) {
        return __builtin_ia32_rdtsc();
    }
#endif
    (void)kind;
    return clock_now_ns();
}

#endif
