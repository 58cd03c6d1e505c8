/*
 * sched-feed: the scheduler trace of a QEMU, interval by interval.
 *
 * Entries are read from QEMU's ring file where it has one that can be read
 * here; else they are fetched page by page from where the last interval ended.
 * What was overwritten before it could be read is counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SCHED_FEED_H
#define VMSCOPE_SCHED_FEED_H

#include "source/qmp.h"
#include "source/ring-file.h"
#include "shared/shares.h"

typedef struct SchedFeed {
    Qmp *qmp;
    Shares shares;
    json_t *status;             /* the newest; never NULL once begun */
    uint64_t after;             /* number of the last entry taken */
    bool behind;                /* there is more than could be fetched */
    RingFile ring;              /* header NULL: none is followed */
    uint64_t pending;           /* number last found half written */
} SchedFeed;

/**
 * sched_feed_begin - learn who runs now, and begin an interval
 *
 * Returns: false with a sentence; sched_feed_end() is due all the same
 */
bool sched_feed_begin(SchedFeed *feed, Qmp *qmp, Err *err);

/**
 * sched_feed_next - end the interval that lasts until now
 *
 * feed->shares then says what was in it; the next call begins another one.
 *
 * Returns: false with a sentence
 */
bool sched_feed_next(SchedFeed *feed, Err *err);

void sched_feed_end(SchedFeed *feed);

/* Time of the newest status, on CLOCK_MONOTONIC of QEMU's host. */
uint64_t sched_feed_now_ns(const SchedFeed *feed);

/* Whether the last interval came from QEMU's ring file. */
bool sched_feed_from_ring(const SchedFeed *feed);

/* Its state, in the words of QMP. */
const char *sched_feed_state(const SchedFeed *feed);

#endif
