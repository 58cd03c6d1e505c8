/*
 * record-ring: one of QEMU's ring files, followed into a recording.
 *
 * Every number the ring gave out ends as an event in the recording or in a
 * count of lost ones.  Who turned the trace on, and when to look, is for
 * record.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_RING_H
#define VMSCOPE_RECORD_RING_H

#include "record/paths.h"
#include "source/ring-file.h"
#include "tracefile/write.h"

typedef struct RecordRing {
    uint32_t contents;          /* TRACE_SCHED or TRACE_IRQ */
    RingFile file;
    uint64_t next;              /* number to be read */
    unsigned tries;             /* looks at it that found it being written */
    uint64_t last_ns;           /* of the newest event read */
    TraceLost lost;             /* not yet written; count 0: none */
    uint64_t n_events;
    uint64_t n_lost;
    uint32_t n_objects;         /* of the tables, written so far */
    uint32_t n_guests;
    RecordPaths *paths;         /* is shown the switches; NULL: nobody is */
} RecordRing;

/**
 * record_ring_open - begin to follow a ring file
 * @contents: what must be in it
 *
 * Returns: false with a sentence; else ring->file is ended with
 *          ring_file_close()
 */
bool record_ring_open(RecordRing *ring, uint32_t contents, const char *path,
                      Err *err);

/**
 * record_ring_begin - from when on there are events
 * @begin: one instant on both clocks; from the header, or of the oldest event
 *         when the ring has gone round
 */
void record_ring_begin(RecordRing *ring, ClockTriple *begin);

/* A new file has begun: the tables must be told of again. */
void record_ring_again(RecordRing *ring);

/**
 * record_ring_drain - hand on what had come at the last look
 * @last: nothing more will come, so do not wait for records half written
 *
 * Returns: false with a sentence when the recording could not be written
 */
bool record_ring_drain(RecordRing *ring, TraceWriter *writer, bool last,
                       Err *err);

/**
 * record_ring_tell_end - write that nothing is known from @ns on
 *
 * For one that ended before the recording does.  Call it after the last
 * record_ring_drain().
 */
bool record_ring_tell_end(const RecordRing *ring, TraceWriter *writer,
                          uint64_t ns, Err *err);

#endif
