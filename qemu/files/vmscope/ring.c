/*
 * vmscope: the ring of one trace, from its memory to its end; see ring.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/coroutine.h"
#include "block/aio.h"
#include "base/thread.h"
#include "recorder/keeper-thread.h"
#include "file.h"
#include "ring.h"

typedef struct RingWork {
    VmscopeRing *ring;
    const char *file;
    VmscopeRingFill *fill;
    void *opaque;
    Error *err;
    Coroutine *co;              /* waits for it, or NULL */
} RingWork;

static void ring_close_fdset(int fd)
{
    qemu_close(fd);
}

static RingMemory *ring_new_memory(RingWork *work)
{
    RingPlace place = { .what = "ring-file", .path = work->file };
    RingMemory *memory;
    Err err;

    if (work->file && vmscope_file_is_fdset(work->file)) {
        place.close = ring_close_fdset;
        place.fd = qemu_open(work->file, O_RDWR, &work->err);
        if (place.fd < 0) {
            return NULL;
        }
    }
    memory = ring_memory_new(&place, work->ring->size, &err);
    if (!memory) {
        vmscope_error(&err, &work->err);
    }
    return memory;
}

static void ring_make(RingWork *work)
{
    VmscopeRing *ring = work->ring;
    Err err;

    ring->memory = ring_new_memory(work);
    if (!ring->memory) {
        return;
    }
    ring->mem = ring_memory_start(ring->memory);
    if (!ring_memory_populate(ring->memory, &err)) {
        goto fail;
    }
    ring->ring = work->fill(work->opaque);
    if (!ring->ring) {
        err_set(&err, ERR_NOMEM, "no memory to trace with");
        goto fail;
    }
    ring->head_copy = g_memdup2(ring->mem, offsetof(EvringHeader, clock));
    /* A file has its name when nothing can go wrong any more. */
    if (keeper_thread_keep(&ring->keeper, &err) &&
        ring_memory_publish(ring->memory, &err)) {
        return;
    }
    keeper_thread_leave(&ring->keeper);

fail:
    vmscope_error(&err, &work->err);
    ring_memory_free(ring->memory);
    ring->memory = NULL;
    ring->mem = NULL;
}

static void *ring_thread(void *opaque)
{
    RingWork *work = opaque;

    ring_make(work);
    aio_co_wake(work->co);
    return NULL;
}

bool vmscope_ring_prepare(VmscopeRing *ring, const char *file, size_t size,
                          VmscopeRingFill *fill, void *opaque, Error **errp)
{
    RingWork work = {
        .ring = ring,
        .file = file,
        .fill = fill,
        .opaque = opaque,
    };
    Err err;

    ring->size = size;
    ring->is_file = file != NULL;
    if (file) {
        vmscope_guard_init();
        guard_thread();
    }
    if (qemu_in_coroutine()) {
        work.co = qemu_coroutine_self();
        if (!thread_start("vmscope-ring", ring_thread, &work, &err)) {
            return vmscope_error(&err, errp);
        }
        qemu_coroutine_yield();
    } else {
        ring_make(&work);
    }
    error_propagate(errp, work.err);
    return ring->mem != NULL;
}

/* Whoever reads what is left of the file is told that no more will come. */
bool vmscope_ring_check(VmscopeRing *ring, const ClockSource *source)
{
    EvringHeader *header = ring->mem;
    Err why;

    if (ring->why_lost) {
        return false;
    }
    if (!ring_memory_is_lost(ring->memory)) {
        /* Less is of a ring that has just begun anew; the next check tells. */
        qatomic_set(&ring->seen, MAX(ring->seen,
                                     evring_head(ring->ring) +
                                     evring_dropped(ring->ring)));
        return false;
    }
    ring_memory_end_lost(ring->memory, clock_stamp(source), &why);
    qatomic_set(&ring->lost, ring->seen);
    memcpy(header, ring->head_copy, offsetof(EvringHeader, clock));
    keeper_thread_republish(&ring->keeper);
    qatomic_set(&ring->why_lost, g_intern_string(why.text));
    return true;
}

void vmscope_ring_end(VmscopeRing *ring)
{
    keeper_thread_leave(&ring->keeper);
}

void vmscope_ring_free(VmscopeRing *ring)
{
    ring_memory_free(ring->memory);
    g_free(ring->head_copy);
}

/*
 * What was dropped was to be recorded, and is not in the ring either.  When
 * the memory was lost and nobody has noticed yet, it is as it was last seen.
 */
void vmscope_ring_count(VmscopeRing *ring, uint64_t *recorded,
                        uint64_t *overwritten)
{
    uint64_t lost = qatomic_read(&ring->lost);
    uint64_t seen = qatomic_read(&ring->seen);
    uint64_t dropped = evring_dropped(ring->ring);
    uint64_t gone = lost + evring_oldest(ring->ring) - 1 + dropped;
    uint64_t all = lost + evring_head(ring->ring) + dropped;

    if (!lost && all < seen) {
        *recorded = seen;
        *overwritten = seen;
        return;
    }
    if (!lost) {
        qatomic_set(&ring->seen, all);
    }
    *recorded = all;
    *overwritten = MIN(gone, all);
}
