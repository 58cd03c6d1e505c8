/*
 * vmscope: the ring of one trace, from its memory to its end
 *
 * What both traces do with a ring whatever is recorded in it: make its memory
 * where nobody waits for that, keep its clock, and go on in memory when its
 * file is lost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_RING_H
#define VMSCOPE_RING_H

#include "recorder/file.h"
#include "recorder/keeper.h"
#include "recorder/memory.h"
#include "guard.h"

typedef struct VmscopeRing {
    RingMemory *memory;
    void *mem;                  /* its start */
    size_t size;
    bool is_file;
    ClockKeeper keeper;

    /* Of the thread that checks it; others read the figures, atomically. */
    const Evring *ring;         /* in the memory; a store's */
    void *head_copy;            /* of the header's constant part */
    uint64_t seen;              /* numbers given out, at the last check */
    uint64_t lost;              /* records that went with the file */
    const char *why_lost;       /* interned; NULL: it is not */
} VmscopeRing;

/**
 * VmscopeRingFill - make the store in a ring's memory
 * @opaque: as given to vmscope_ring_prepare()
 *
 * Context: not under the BQL, when called in a coroutine.
 *
 * Returns: the store's ring, which must not move; NULL when there is no memory
 */
typedef const Evring *VmscopeRingFill(void *opaque);

/**
 * vmscope_ring_prepare: make a ring, and its file
 * @ring: zeroed; ended with vmscope_ring_free(), also after an error
 * @file: to keep it in, from vmscope_file_name(), or NULL
 * @size: bytes
 * @fill: called when all of the memory is there, so that nobody who records
 *        waits for a page
 *
 * When it returns, the file has its name and the clock is kept.  In a
 * coroutine all that takes place in another thread, and the coroutine sleeps.
 *
 * Context: main loop, under the BQL.  Returns: false with an error
 */
bool vmscope_ring_prepare(VmscopeRing *ring, const char *file, size_t size,
                          VmscopeRingFill *fill, void *opaque, Error **errp);

/**
 * vmscope_ring_check: see whether the ring's file was lost
 * @source: who stamps
 *
 * Then the ring goes on in memory, empty, with numbers from 1; header and
 * clock are written there anew, its tables are the caller's to fill.
 *
 * Context: one thread at a time, often; not the main loop's.
 *
 * Returns: true once, when it was
 */
bool vmscope_ring_check(VmscopeRing *ring, const ClockSource *source);

/* Its clock is kept no longer.  Context: as vmscope_ring_check(). */
void vmscope_ring_end(VmscopeRing *ring);
void vmscope_ring_free(VmscopeRing *ring);

/**
 * vmscope_ring_count: how much there was
 * @recorded: all that was ever to be recorded
 * @overwritten: what of that is there no more
 *
 * What a file held that was lost is counted as of the last look at it, by
 * vmscope_ring_check() or here.  Context: any guarded thread.
 */
void vmscope_ring_count(VmscopeRing *ring, uint64_t *recorded,
                        uint64_t *overwritten);

#endif
