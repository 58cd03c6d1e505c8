/*
 * A small recording with every kind of item in it, in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_TRACEFILE_SAMPLE_H
#define TEST_TRACEFILE_SAMPLE_H

#include "tracefile/read.h"
#include "tracefile/write.h"

#include <glib.h>

/* A sink and a source in one. */
typedef struct Memory {
    GByteArray *bytes;
    unsigned writes;
    size_t limit;           /* a write beyond it fails; 0: none */
    GArray *ends;           /* size_t: length of the file after each write */
} Memory;

void memory_init(Memory *memory);
void memory_clear(Memory *memory);
TraceSink memory_sink(Memory *memory);
TraceSource memory_source(Memory *memory);

extern const TraceInfo sample_info;

/* Switch number @seq of the sample: a variety of members. */
void sample_sched(uint64_t seq, SchedlogEvent *event);
void sample_irq(uint64_t seq, IrqlogEvent *event, uint32_t *line,
                uint32_t *thread);

/* Write the whole sample, from begin to end; @n events of each kind. */
void sample_write(TraceWriter *writer, unsigned n);

/* What a reader gives, a line an item, with all members. */
char *sample_dump(Memory *memory, uint32_t contents, TraceReadStats *stats);

#endif
