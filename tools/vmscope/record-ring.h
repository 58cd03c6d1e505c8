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

#include "tracefile/write.h"

typedef struct RecordRing {
    uint32_t contents;          /* TRACE_SCHED or TRACE_IRQ */
    void *mem;
    uint64_t size;
    EvringHeader *header;
    Evring ring;
    union {
        SchedlogStore sched;
        IrqlogStore irq;
    };
    uint64_t next;              /* number to be read */
    unsigned tries;             /* looks at it that found it being written */
    uint64_t last_ns;           /* of the newest event read */
    TraceLost lost;             /* not yet written; count 0: none */
    uint64_t n_events;
    uint64_t n_lost;
    uint32_t n_objects;         /* of the tables, written so far */
    uint32_t n_guests;
} RecordRing;

/**
 * record_ring_open - map a ring file
 * @contents: what must be in it
 *
 * Returns: false with a sentence; else it is ended with record_ring_close()
 */
bool record_ring_open(RecordRing *ring, uint32_t contents, const char *path,
                      Err *err);
void record_ring_close(RecordRing *ring);

/**
 * record_ring_begin - from when on there are events
 * @begin: one instant on both clocks; from the header, or of the oldest event
 *         when the ring has gone round
 */
void record_ring_begin(const RecordRing *ring, ClockTriple *begin);

/* A new file has begun: the tables must be told of again. */
void record_ring_again(RecordRing *ring);

/**
 * record_ring_drain - hand on what has come
 * @last: nothing more will come, so do not wait for records half written
 *
 * Returns: false with a sentence when the recording could not be written
 */
bool record_ring_drain(RecordRing *ring, TraceWriter *writer, bool last,
                       Err *err);

/* Whether its writer has stopped it. */
bool record_ring_stopped(const RecordRing *ring);

/* When it was stopped; 0 when it was not. */
uint64_t record_ring_end_ns(const RecordRing *ring);

/* Whether the process that writes it has ended. */
bool record_ring_orphaned(const RecordRing *ring);

#endif
