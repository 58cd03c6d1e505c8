/*
 * irq-feed: the IRQ log of a QEMU, as it grows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_FEED_H
#define VMSCOPE_IRQ_FEED_H

#include "source/irq-entry.h"
#include "source/qmp.h"

typedef struct IrqNumber {
    bool given;
    int64_t value;
} IrqNumber;

/* Which entries are wanted; QEMU itself leaves out the others. */
typedef struct IrqFilter {
    IrqNumber line;
    IrqNumber tid;
    const char *path;           /* NULL: any */
    const char *kind;           /* NULL: any */
} IrqFilter;

/*
 * Called for each entry, and with NULL and how many were lost before it.
 *
 * Returns: false when that is enough: no more are handed on or asked for, and
 * the next call of the feed goes on behind this one
 */
typedef bool IrqTaker(void *opaque, const IrqEntry *entry,
                      const json_t *object, uint64_t lost);

typedef struct IrqFeed {
    Qmp *qmp;
    const IrqFilter *filter;    /* NULL: all */
    json_t *status;             /* the newest; never NULL once begun */
    uint64_t after;             /* number of the last entry looked at */
    uint64_t settled;           /* entries recorded one look earlier */
    uint64_t gone;              /* with a filter: overwritten, and told */
    bool enough;                /* the taker wants no more of this look */
} IrqFeed;

/**
 * irq_feed_begin - begin behind the newest entry
 *
 * Returns: false with a sentence; irq_feed_end() is due all the same
 */
bool irq_feed_begin(IrqFeed *feed, Qmp *qmp, const IrqFilter *filter,
                    Err *err);

/**
 * irq_feed_next - what came since, oldest first
 *
 * With a filter, those that were lost may not have been wanted.
 *
 * Returns: false with a sentence
 */
bool irq_feed_next(IrqFeed *feed, IrqTaker *take, void *opaque, Err *err);

/**
 * irq_feed_sample - at most one page of what came since, the newest
 * @whole: receives whether that is all
 *
 * For rates, at a bounded cost.
 */
bool irq_feed_sample(IrqFeed *feed, IrqTaker *take, void *opaque,
                     bool *whole, Err *err);

/* Pass over what came since. */
bool irq_feed_skip(IrqFeed *feed, Err *err);

/**
 * irq_feed_last - the newest @n entries there are; for the beginning
 *
 * Fetched page by page, and by two passes where a filter does not let
 * numbers tell where they begin.
 */
bool irq_feed_last(IrqFeed *feed, uint32_t n, IrqTaker *take, void *opaque,
                   Err *err);

void irq_feed_end(IrqFeed *feed);

bool irq_feed_is_on(const IrqFeed *feed);
uint64_t irq_feed_recorded(const IrqFeed *feed);
uint64_t irq_feed_now_ns(const IrqFeed *feed);

#endif
