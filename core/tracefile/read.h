/*
 * tracefile/read: a recording, item by item, whatever its bytes.
 *
 * A file may have been cut anywhere, damaged, or made to do harm: chunks that
 * are not whole are left out and counted, and nothing in a file makes the
 * reader fail otherwise or take more memory.  Events of one kind come in the
 * order of their numbers; bringing both kinds into the order of time is for
 * the caller, who may use two readers for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_READ_H
#define VMSCOPE_TRACEFILE_READ_H

#include "base/err.h"
#include "tracefile/format.h"

#include <sys/types.h>

/* The embedder's half. */
typedef struct TraceSource {
    /* Copy bytes at @offset; fewer only at the end; negative: it failed. */
    ssize_t (*read)(void *opaque, uint64_t offset, void *buf, size_t len);
    void *opaque;
} TraceSource;

typedef enum TraceItemType {
    TRACE_ITEM_SCHED,       /* sched; stamp is 0 */
    TRACE_ITEM_RUNNING,     /* sched: who ran where when the file began */
    TRACE_ITEM_IRQ,         /* irq, line, host_thread */
    TRACE_ITEM_LOST,        /* lost */
    TRACE_ITEM_OBJECT,      /* object */
    TRACE_ITEM_GUEST,       /* guest and since_ns */
    TRACE_ITEM_MARK,        /* mark */
    TRACE_ITEM_END,         /* end */
    TRACE_ITEM_HOST,        /* host */
    TRACE_ITEM_TICKS,       /* ticks */
    TRACE_ITEM_PATH,        /* path */
    TRACE_ITEM_VECTOR,      /* vector */
} TraceItemType;

/*
 * What is borrowed lives until the next item is asked for.  Strings end in a
 * NUL, and may otherwise be any bytes.
 */
typedef struct TraceItem {
    TraceItemType type;
    union {
        SchedlogEvent sched;
        IrqlogEvent irq;
        TraceLost lost;
        IrqlogObjectInfo object;
        SchedlogGuest guest;
        TraceMark mark;
        TraceEnd end;
        TraceHost host;
        TraceTicks ticks;
        TracePath path;
        TraceVector vector;
    };
    uint32_t line;          /* id of the event's line; IRQLOG_NO_LINE: none */
    const IrqlogLineInfo *line_info;            /* never NULL */
    const IrqlogThreadInfo *host_thread;        /* never NULL */
    uint64_t since_ns;
} TraceItem;

typedef struct TraceReadStats {
    uint64_t bytes_skipped;     /* of damaged chunks, and between chunks */
    uint64_t chunks_missing;    /* by their numbers */
    uint64_t chunks_malformed;  /* whole, but what is in them is not right */
    uint64_t chunks_unknown;    /* of a kind this reader does not know */
    bool cut;                   /* the last chunk is not whole */
    bool ended;                 /* the writer finished the file */
    bool failed;                /* the source did; what came before counts */
} TraceReadStats;

/* Opaque.  Some 4 MiB. */
typedef struct TraceReader TraceReader;

/**
 * trace_reader_new - open a recording
 * @source: copied
 * @contents: TRACE_SCHED, TRACE_IRQ: events of others are left out
 * @err: says why it is none that this reader can read
 *
 * Returns: the reader, freed with trace_reader_free()
 */
TraceReader *trace_reader_new(const TraceSource *source, uint32_t contents,
                              Err *err);
void trace_reader_free(TraceReader *reader);

/**
 * trace_reader_info - what the header says
 *
 * Returns: borrowed; strings as in TraceItem
 */
const TraceInfo *trace_reader_info(const TraceReader *reader);

/**
 * trace_reader_next - the next item
 *
 * Returns: false at the end of what can be read
 */
bool trace_reader_next(TraceReader *reader, TraceItem *item);

const TraceReadStats *trace_reader_stats(const TraceReader *reader);

#endif
