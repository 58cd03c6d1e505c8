/*
 * tracefile/write: a recording, written as events come.
 *
 * Memory is constant whatever the length.  Each call of the embedder's write
 * function is given the header or one whole chunk, so a file is readable when
 * writing ends between any two of them.  When to flush, how files rotate and
 * where events come from is for the embedder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_WRITE_H
#define VMSCOPE_TRACEFILE_WRITE_H

#include "base/err.h"
#include "tracefile/format.h"

/* The embedder's half: takes all of @len bytes, or sets @err. */
typedef struct TraceSink {
    bool (*write)(void *opaque, const void *bytes, size_t len, Err *err);
    void *opaque;
} TraceSink;

/* Opaque.  Functions that return false have set @err, and the file is over. */
typedef struct TraceWriter TraceWriter;

/**
 * trace_writer_new - a writer without a file yet
 * @sink: copied
 *
 * Returns: the writer, freed with trace_writer_free(); NULL without memory
 */
TraceWriter *trace_writer_new(const TraceSink *sink);
void trace_writer_free(TraceWriter *writer);

/**
 * trace_writer_begin - begin a file
 * @info: what its header says
 *
 * Nothing that was written into an earlier file is referred to in this one.
 * Who ran where at its end is written first, where that is known.
 */
bool trace_writer_begin(TraceWriter *writer, const TraceInfo *info, Err *err);

/**
 * trace_writer_sched - add a thread switch
 * @event: its stamp is ignored; seq is greater than the last one's
 */
bool trace_writer_sched(TraceWriter *writer, const SchedlogEvent *event,
                        Err *err);

/**
 * trace_writer_irq - add an interrupt
 * @event: seq is greater than the last one's
 * @line: id of its line, as in trace_writer_line()
 * @thread: id of the thread that raised it
 */
bool trace_writer_irq(TraceWriter *writer, const IrqlogEvent *event,
                      uint32_t line, uint32_t thread, Err *err);

/**
 * trace_writer_line - say what a line is
 * @id: below IRQLOG_MAX_LINES; others are ignored
 * @line: strings must stay where they are, unchanged, until the file ends
 *
 * Writes nothing when it says what it said before.  A line should be told of
 * before its first event, and again when more is known of it.
 */
bool trace_writer_line(TraceWriter *writer, uint32_t id,
                       const IrqlogLineInfo *line, Err *err);
bool trace_writer_host_thread(TraceWriter *writer, uint32_t id,
                              const IrqlogThreadInfo *thread, Err *err);

bool trace_writer_object(TraceWriter *writer, const IrqlogObjectInfo *object,
                         Err *err);

/* Events that are missing; goes behind all events added so far. */
bool trace_writer_lost(TraceWriter *writer, const TraceLost *lost, Err *err);

/* A kernel was found; @since_ns says from when on. */
bool trace_writer_guest(TraceWriter *writer, const SchedlogGuest *guest,
                        uint64_t since_ns, Err *err);

/**
 * trace_writer_host - how a vCPU's thread was let run
 * @host: others of one vCPU come in the order of time
 */
bool trace_writer_host(TraceWriter *writer, const TraceHost *host, Err *err);

/**
 * trace_writer_ticks - where a vCPU's time went, by Windows
 * @ticks: others of one vCPU come in the order of time
 */
bool trace_writer_ticks(TraceWriter *writer, const TraceTicks *ticks,
                        Err *err);

/**
 * trace_writer_path - where the image of a process lies
 * @path: of a process that has run, or may run later
 *
 * Written before the switches that are buffered.
 */
bool trace_writer_path(TraceWriter *writer, const TracePath *path, Err *err);

/**
 * trace_writer_vector - which drivers serve a vector of a vCPU
 * @vector: its drivers may be told of before or behind the interrupts
 */
bool trace_writer_vector(TraceWriter *writer, const TraceVector *vector,
                         Err *err);

/* Flushes, too. */
bool trace_writer_mark(TraceWriter *writer, const TraceMark *mark, Err *err);

/* Hand on what is buffered. */
bool trace_writer_flush(TraceWriter *writer, Err *err);

/**
 * trace_writer_end - flush and finish the file
 */
bool trace_writer_end(TraceWriter *writer, TraceEndReason reason,
                      uint64_t time_ns, Err *err);

/**
 * trace_writer_end_bare - try to finish a file after writing has failed
 *
 * What was not written yet is left out, and counted as lost.
 */
bool trace_writer_end_bare(TraceWriter *writer, TraceEndReason reason,
                           uint64_t time_ns, Err *err);

/* Bytes of this file so far, what is buffered included. */
uint64_t trace_writer_bytes(const TraceWriter *writer);

#endif
