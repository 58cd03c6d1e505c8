/*
 * recorder/keeper: keeps the stamps of one ring true to CLOCK_MONOTONIC.
 *
 * Looked at now and then, it learns how fast the counter runs, steers the map
 * of stamps, and notices when the counter did not go straight on: a suspend in
 * which it went on or was reset, a move of the host to other hardware.  Then
 * the source's offset makes up for the difference, records made since are
 * corrected in the ring, and the rate is learned afresh.  A counter that is
 * not to be trusted any more is left for CLOCK_MONOTONIC.
 *
 * It reads no clock itself: readings are handed in, so a test's clocks do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_KEEPER_H
#define VMSCOPE_RECORDER_KEEPER_H

#include "recorder/clock.h"
#include "recorder/ring.h"

/* One instant, with the stamp it had. */
typedef struct KeeperPoint {
    uint64_t stamp;
    uint64_t monotonic_ns;
    uint64_t raw_ns;
} KeeperPoint;

/* A difference that was made up for. */
typedef struct KeeperBreak {
    int64_t surplus;            /* stamps made since then were so far ahead */
    uint64_t now;               /* what the stamp was to be, when noticed */
    uint64_t rate;              /* until then */
    uint64_t first_seq;         /* records that were made since, */
    uint64_t last_seq;          /* and before it was made up for */
} KeeperBreak;

typedef struct ClockKeeper {
    ClockSource *source;
    ClockMap map;               /* private; what this process reads by */
    ClockMap *shared;           /* a copy for readers of the ring's memory */
    const Evring *ring;         /* NULL: none whose records to correct */

    uint64_t rate;              /* ns a stamp, times 2^32 */
    uint64_t raw_rate;          /* the same of CLOCK_MONOTONIC_RAW */
    uint64_t steady_ns;         /* between two looks when all is steady; less
                                   where a counter jumps without a suspend */
    KeeperPoint last;           /* the look before */
    KeeperPoint fresh;          /* since when the counter went straight on */
    KeeperPoint far;            /* what the rate is taken from: fresh, or */
    KeeperPoint near;           /* 30 to 60 s ago once it runs that long */
    uint64_t asleep_ns;
    uint64_t last_head;         /* records in the ring at that look */
    unsigned settle;            /* looks until it is steady */
    unsigned n_wide;            /* readings left out in a row */
    uint64_t steer_ns;          /* not steered before then */
    unsigned n_breaks;          /* without a suspend, lately */
    uint64_t breaks_ns;         /* since when */
    KeeperBreak last_break;
    bool to_correct;            /* its records, at the next look */
} ClockKeeper;

/**
 * keeper_begin - begin a map and the source of its stamps
 * @keeper: filled in
 * @source: what writers will stamp by; filled in
 * @kind: which counter
 * @shared: the map in the ring's zeroed memory
 * @earlier: an old reading, to learn the rate from; not used when the host has
 *           slept since
 * @before: a reading at least some 200 us ago
 * @now: where the map begins
 */
void keeper_begin(ClockKeeper *keeper, ClockSource *source, ClockKind kind,
                  ClockMap *shared, const ClockReading *earlier,
                  const ClockReading *before, const ClockReading *now);

/* Which counter to read for it now. */
static inline ClockKind keeper_kind(const ClockKeeper *keeper)
{
    return (ClockKind)atomic_load_explicit(&keeper->source->kind,
                                           memory_order_relaxed);
}

/* The ring whose records are to be corrected; their word 0 is the stamp. */
void keeper_set_ring(ClockKeeper *keeper, const Evring *ring);

/**
 * keeper_look - see to the clock
 * @now: a fresh reading, of the source's kind
 *
 * To be called when a suspend ends, and when the answer says.  Context: one
 * thread at a time, whoever it is.
 *
 * Returns: ns until the next look
 */
uint64_t keeper_look(ClockKeeper *keeper, const ClockReading *now);

/**
 * keeper_republish - write the shared map anew, which was lost
 *
 * Context: as keeper_look().
 */
void keeper_republish(ClockKeeper *keeper);

#endif
