/*
 * watchlog/rips: a ring of what vCPUs executed.
 *
 * Records of switches are worth more than samples and are not to be
 * overwritten by them, so these have a ring of their own, in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WATCHLOG_RIPS_H
#define VMSCOPE_WATCHLOG_RIPS_H

#include "recorder/ring.h"
#include "winsched/rip.h"

typedef struct WatchlogRips WatchlogRips;

/* Returns: an empty one for watchlog_rips_free(); NULL without memory */
WatchlogRips *watchlog_rips_new(void);

/* NULL is allowed. */
void watchlog_rips_free(WatchlogRips *rips);

/* Context: any thread; allocates nothing. */
void watchlog_rips_put(WatchlogRips *rips, const WinschedRip *sample);

/* Returns: as evring_read(); sample->seq is @seq. */
EvringRead watchlog_rips_read(const WatchlogRips *rips, uint64_t seq,
                              WinschedRip *sample);

const Evring *watchlog_rips_ring(const WatchlogRips *rips);

#endif
