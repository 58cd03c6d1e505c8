/*
 * trace-input: a recording, its events in the order of time.
 *
 * Reads the file twice at once, for switches and for interrupts, and gives
 * the earlier event of the two: memory does not grow with the file.  Events
 * that are missing without the file saying so, because it is damaged, become
 * lost ones: their numbers tell.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACE_INPUT_H
#define VMSCOPE_TRACE_INPUT_H

#include "base/err.h"
#include "tracefile/read.h"

typedef struct TraceInput {
    const char *path;       /* borrowed */
    int fd;
    uint64_t size;
    TraceReader *reader[2];
    TraceItem item[2];
    bool ready[2];          /* the item is the next one of its reader */
    bool over[2];
    uint64_t expected[2];   /* number of the next event; 0: not known */
    uint64_t last_ns[2];    /* time of the last one */
    TraceItem made;         /* lost events that were not told of */
    uint64_t n_made;        /* events in all of those */
    int given;              /* whose item was given last; -1: nobody's */
    bool has_end;
    TraceEnd end;
} TraceInput;

/**
 * trace_input_open - open a recording
 * @path: borrowed until trace_input_close()
 */
bool trace_input_open(TraceInput *input, const char *path, Err *err);
void trace_input_close(TraceInput *input);

const TraceInfo *trace_input_info(const TraceInput *input);

/**
 * trace_input_next - the next item
 *
 * Of the items without an event each comes once; the end is not among them
 * but in input->end.
 *
 * Returns: borrowed until the next call; NULL at the end
 */
const TraceItem *trace_input_next(TraceInput *input);

/* Time of an item; of one without an event, 0. */
uint64_t trace_item_ns(const TraceItem *item);

/* What of the file could not be read, so far. */
const TraceReadStats *trace_input_stats(const TraceInput *input);

/* Say on standard error what of the file could not be read. */
void trace_input_tell_damage(const TraceInput *input);

#endif
