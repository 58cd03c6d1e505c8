/*
 * irqlog/stream: a ring as text, as it fills.
 *
 * Follows a ring as any reader does: events in the order of their numbers,
 * before each what is needed to understand it and was not told yet, and what
 * was lost.  Where text goes, and when, is the caller's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_STREAM_H
#define VMSCOPE_IRQLOG_STREAM_H

#include "irqlog/store.h"
#include "irqlog/text.h"

/* What one call may add to the buffer: items before an event, and it. */
enum { IRQLOG_STREAM_ROOM = 5 * IRQLOG_TEXT_MAX };

/* Filled in by irqlog_stream_init(); @used goes down as text is taken. */
typedef struct IrqlogStream {
    const IrqlogStore *store;
    char *buffer;               /* the caller's */
    size_t used;                /* bytes in it */
    uint64_t events;            /* whose text is in it */
    uint64_t next;              /* number of the next event */
    uint64_t text_lost;         /* events that are not in the text */
    uint64_t lost;              /* of those, since the last that is */
    uint64_t dropped;           /* of the ring's, already counted */
    uint32_t objects_told;
    uint8_t lines_told[IRQLOG_MAX_LINES];   /* how much of it */
    bool threads_told[IRQLOG_MAX_THREADS];
} IrqlogStream;

/**
 * irqlog_stream_init - begin with a ring's first event
 * @store: the ring's
 * @buffer: has IRQLOG_STREAM_ROOM bytes more than @used before each call
 */
void irqlog_stream_init(IrqlogStream *stream, const IrqlogStore *store,
                        char *buffer);

/**
 * irqlog_stream_begin_file - the text goes to another file from now on
 *
 * A file begins with what is needed to understand the rest; so what was told
 * in the last one is told again.  What is in the buffer comes behind that.
 */
void irqlog_stream_begin_file(IrqlogStream *stream);

/* The next program or library.  Returns: false when there is none. */
bool irqlog_stream_object(IrqlogStream *stream);

/* The next event, or that it was lost.  Returns: false when there is none. */
bool irqlog_stream_event(IrqlogStream *stream);

/* What is in the buffer is not written: its events are lost in the text. */
void irqlog_stream_drop(IrqlogStream *stream);

/* @n more events are not in the text. */
void irqlog_stream_lose(IrqlogStream *stream, uint64_t n);

/**
 * irqlog_stream_end - the last line
 * @before: numbers given out before the ring began anew
 *
 * Events that are in the ring still are lost in the text.
 */
void irqlog_stream_end(IrqlogStream *stream, uint64_t before);

/**
 * irqlog_stream_begin_anew - the ring's memory was lost, with all in it
 * @given_out: numbers it had given out
 *
 * It begins with number 1 again, and all is to be told again.
 */
void irqlog_stream_begin_anew(IrqlogStream *stream, uint64_t given_out);

#endif
