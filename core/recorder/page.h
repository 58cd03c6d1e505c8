/*
 * recorder/page: a query's page: which records of a ring it has.
 *
 * Whoever asks for records gets as many as a page has room for, and goes on
 * behind them.  Which records match, and what they look like in a reply, is
 * the caller's business; so is what a page may cost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_PAGE_H
#define VMSCOPE_RECORDER_PAGE_H

#include "recorder/ring.h"

#include <stdbool.h>

/* How a scan for a page has ended. */
typedef enum RecorderPageEnd {
    RECORDER_PAGE_WHOLE,        /* full, or all that is there was read */
    RECORDER_PAGE_STOPPED,      /* max_scanned were read, and more are there */
} RecorderPageEnd;

/* Begins as zeroes, but for the first three. */
typedef struct RecorderPage {
    uint64_t max_entries;
    uint64_t max_bytes;
    uint64_t max_scanned;       /* records to read at most */

    uint64_t entries;           /* added */
    uint64_t bytes;
    bool full;
    uint64_t first, last;       /* numbers that were read, each once, though
                                   for the outermost there may have been no
                                   room; last is below first: none was */
} RecorderPage;

/**
 * RecorderPageRead - read a record, and add it to the page when it matches
 * @seq: its number, from 1
 *
 * Returns: as evring_read()
 */
typedef EvringRead RecorderPageRead(void *opaque, uint64_t seq);

/**
 * recorder_page_add - take an entry in
 * @bytes: it has, at most
 *
 * Returns: false when there is no room for it, and then the page is full; the
 *          first always has some
 */
bool recorder_page_add(RecorderPage *page, uint64_t bytes);

/**
 * recorder_page_after - fill a page with what follows a record
 * @ring: where from; may be written meanwhile
 * @after: its number; 0 for all
 *
 * Up to the first record that is still being written: what lies behind it
 * could not be asked for again.  Where the scan is stopped, what was found so
 * far is a page, unless that is nothing.
 *
 * Context: any thread; takes no lock.
 */
RecorderPageEnd recorder_page_after(RecorderPage *page, const Evring *ring,
                                    uint64_t after, RecorderPageRead *read,
                                    void *opaque);

/**
 * recorder_page_newest - fill a page with the newest records
 *
 * From the newest backwards.  What is newest of those that match is known only
 * when the scan was not stopped.
 */
RecorderPageEnd recorder_page_newest(RecorderPage *page, const Evring *ring,
                                     RecorderPageRead *read, void *opaque);

/**
 * recorder_order - in which order two records happened
 * @a_ns, @b_ns: when
 * @a_seq, @b_seq: their numbers, where that was at the same time
 *
 * Returns: below, at or above 0, as for qsort()
 */
static inline int recorder_order(uint64_t a_ns, uint64_t a_seq, uint64_t b_ns,
                                 uint64_t b_seq)
{
    if (a_ns != b_ns) {
        return a_ns < b_ns ? -1 : 1;
    }
    return a_seq < b_seq ? -1 : a_seq > b_seq;
}

#endif
