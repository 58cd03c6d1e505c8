/*
 * recorder/memory: where a ring lies.
 *
 * Anonymous memory, or a file mapped by whoever wants to read it.  What is
 * in it is for those who asked for it.
 *
 * A file is made beside its name and takes the name when the ring in it is
 * complete.  While somebody writes to it, it is locked: that is how others,
 * and another ring of the same process, know that it is in use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_MEMORY_H
#define VMSCOPE_RECORDER_MEMORY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where it shall be. */
typedef struct RingPlace {
    const char *what;           /* what the file is named for, as in errors */
    const char *path;           /* NULL: no file */
    int fd;                     /* an open file that is used as it is, and */
    void (*close)(int fd);      /* how it is closed; NULL: one is made at
                                   the path, and fd is not looked at */
} RingPlace;

typedef struct RingMemory RingMemory;

/**
 * ring_memory_new - zeroed memory for a ring
 * @place: strings are copied; fd is closed in any case
 * @size: bytes
 *
 * A file that is made has another name until ring_memory_publish(); all its
 * blocks are there.  guard_init() was called before.
 *
 * Context: any thread.  Returns: freed with ring_memory_free(); NULL with an
 * error, and then nothing that was there has changed
 */
RingMemory *ring_memory_new(const RingPlace *place, size_t size, Err *err);

/* Its start, page aligned. */
void *ring_memory_start(const RingMemory *memory);

/**
 * ring_memory_populate - have all pages there before anybody writes
 * @memory: all of it is zero
 *
 * Context: a thread that may take some 100 ms; it becomes a guarded one.
 *
 * Returns: false with an error
 */
bool ring_memory_populate(RingMemory *memory, Err *err);

/**
 * ring_memory_publish - let a ring's file have its name
 * @memory: the ring in it is complete
 *
 * An old ring file gets ".old" added to its name; nothing else is touched.
 *
 * Returns: false with an error, and then all is as before
 */
bool ring_memory_publish(RingMemory *memory, Err *err);

/**
 * ring_memory_is_lost - is the file there no more?
 *
 * The memory is other memory then, which was zeroed; see guard.h.
 *
 * Context: any thread; costs a load.
 */
bool ring_memory_is_lost(const RingMemory *memory);

/**
 * ring_memory_end_lost - of a file that was lost: say why, and to its readers
 *                        that no more will come
 * @end_stamp: written to what is left of it, with the state of a ring that was
 *             stopped
 * @why: receives a sentence
 */
void ring_memory_end_lost(RingMemory *memory, uint64_t end_stamp, Err *why);

void ring_memory_free(RingMemory *memory);

#endif
