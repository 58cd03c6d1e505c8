/*
 * tracefile/read-chunk: the whole chunks of a recording, one by one.
 *
 * Steps over damage, and counts it.  What is in a chunk is for read.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_READ_CHUNK_H
#define VMSCOPE_TRACEFILE_READ_CHUNK_H

#include "tracefile/read.h"

enum { TRACE_SEARCH_SIZE = 64 * 1024 };

typedef struct TraceChunks {
    TraceSource source;         /* set before, the rest zeroes */
    TraceReadStats stats;
    uint64_t offset;            /* of the next chunk */
    uint32_t next_number;
    uint32_t kind;              /* of the chunk in payload */
    size_t len;                 /* of it */
    uint8_t payload[TRACE_CHUNK_MAX];
    uint8_t search[TRACE_SEARCH_SIZE];
} TraceChunks;

/* Read the header.  Returns: false with a sentence. */
bool trace_chunks_begin(TraceChunks *chunks, TraceInfo *info, Err *err);

/* The next whole chunk, into payload; false when there is none. */
bool trace_chunks_next(TraceChunks *chunks);

#endif
