/*
 * sched-ring: the intervals of a sched-feed from QEMU's ring file.
 *
 * Private to the feed.  A record costs some hundred nanoseconds here, an entry
 * of an answer twenty microseconds, and QEMU is asked for nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SCHED_RING_H
#define VMSCOPE_SCHED_RING_H

#include "source/sched-feed.h"

/* An entry of this interval, or a later number than the last. */
void sched_feed_take(SchedFeed *feed, const SchedEntry *entry);

/**
 * sched_ring_ready - see to it that the ring can be read
 *
 * feed->status says which file it is.  One that is opened anew must have the
 * entry that QEMU answers as its newest: the socket may lead to another host.
 *
 * Returns: false when there is none, or none that can be read from here
 */
bool sched_ring_ready(SchedFeed *feed);

/**
 * sched_ring_take - take in what came until @now_ns
 *
 * Returns: false when the file was lost on the way; what came before is in
 */
bool sched_ring_take(SchedFeed *feed, uint64_t now_ns);

/* Follow none. */
void sched_ring_end(SchedFeed *feed);

#endif
