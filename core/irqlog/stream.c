/*
 * irqlog/stream: see stream.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/stream.h"

#include <string.h>

static void stream_tell_again(IrqlogStream *stream)
{
    stream->objects_told = 0;
    memset(stream->lines_told, 0, sizeof(stream->lines_told));
    memset(stream->threads_told, 0, sizeof(stream->threads_told));
}

void irqlog_stream_init(IrqlogStream *stream, const IrqlogStore *store,
                        char *buffer)
{
    memset(stream, 0, sizeof(*stream));
    stream->store = store;
    stream->buffer = buffer;
    stream->next = 1;
}

void irqlog_stream_begin_file(IrqlogStream *stream)
{
    char head[IRQLOG_TEXT_MAX];
    IrqlogRun run;
    size_t n;

    irqlog_store_run(stream->store, &run);
    run.format = IRQLOG_TEXT_FORMAT;
    n = irqlog_print_run(head, &run);
    memmove(stream->buffer + n, stream->buffer, stream->used);
    memcpy(stream->buffer, head, n);
    stream->used += n;
    stream_tell_again(stream);
}

bool irqlog_stream_object(IrqlogStream *stream)
{
    IrqlogObjectInfo object;

    if (!irqlog_store_object(stream->store, stream->objects_told, &object)) {
        return false;
    }
    stream->used += irqlog_print_object(stream->buffer + stream->used,
                                        &object);
    stream->objects_told++;
    return true;
}

void irqlog_stream_lose(IrqlogStream *stream, uint64_t n)
{
    stream->lost += n;
    stream->text_lost += n;
}

void irqlog_stream_drop(IrqlogStream *stream)
{
    irqlog_stream_lose(stream, stream->events);
    stream->used = 0;
    stream->events = 0;
}

static void stream_put_lost(IrqlogStream *stream)
{
    if (stream->lost) {
        stream->used += irqlog_print_lost(stream->buffer + stream->used,
                                          stream->lost);
        stream->lost = 0;
    }
}

/* The device is known at once, what is around it some time later. */
enum { LINE_DEVICE = 1, LINE_ALL = 3 };

static void stream_put_line(IrqlogStream *stream, uint32_t id)
{
    IrqlogLineInfo line;
    uint8_t known;

    if (id >= IRQLOG_MAX_LINES || stream->lines_told[id] == LINE_ALL ||
        !irqlog_store_line(stream->store, id, &line)) {
        return;
    }
    known = line.driven_by || line.owner ? LINE_ALL :
            line.device ? LINE_DEVICE : 0;
    if (known == stream->lines_told[id]) {
        return;
    }
    stream->lines_told[id] = known;
    stream->used += irqlog_print_line(stream->buffer + stream->used, &line);
}

static void stream_put_thread(IrqlogStream *stream, uint32_t id)
{
    IrqlogThreadInfo thread;

    if (id >= IRQLOG_MAX_THREADS || stream->threads_told[id] ||
        !irqlog_store_thread(stream->store, id, &thread)) {
        return;
    }
    stream->threads_told[id] = true;
    stream->used += irqlog_print_thread(stream->buffer + stream->used,
                                        &thread);
}

static void stream_put_event(IrqlogStream *stream, const IrqlogEvent *event,
                             uint32_t line, uint32_t thread)
{
    stream_put_lost(stream);
    stream_put_thread(stream, thread);
    stream_put_line(stream, line);
    stream->used += irqlog_print_event(stream->buffer + stream->used, event);
    stream->events++;
}

/* Events that found the ring busy are lost between two that did not. */
static void stream_take_dropped(IrqlogStream *stream)
{
    uint64_t dropped = evring_dropped(&stream->store->ring);

    if (dropped != stream->dropped) {
        irqlog_stream_lose(stream, dropped - stream->dropped);
        stream->dropped = dropped;
    }
}

bool irqlog_stream_event(IrqlogStream *stream)
{
    uint64_t oldest = evring_oldest(&stream->store->ring);
    IrqlogEvent event;
    uint32_t line;
    uint32_t thread;

    stream_take_dropped(stream);
    if (stream->next < oldest) {
        irqlog_stream_lose(stream, oldest - stream->next);
        stream->next = oldest;
    }
    switch (irqlog_store_event_ids(stream->store, stream->next, &event, &line,
                                   &thread)) {
    case EVRING_OK:
        stream_put_event(stream, &event, line, thread);
        break;
    case EVRING_OVERWRITTEN:
        irqlog_stream_lose(stream, 1);
        break;
    default:
        return false;
    }
    stream->next++;
    return true;
}

void irqlog_stream_end(IrqlogStream *stream, uint64_t before)
{
    uint64_t head = evring_head(&stream->store->ring);

    irqlog_stream_lose(stream, head + 1 - stream->next);
    stream->next = head + 1;
    stream_put_lost(stream);
    stream->used += irqlog_print_disabled(stream->buffer + stream->used,
                                          before + head + stream->dropped,
                                          stream->text_lost);
}

void irqlog_stream_begin_anew(IrqlogStream *stream, uint64_t given_out)
{
    if (given_out >= stream->next) {
        irqlog_stream_lose(stream, given_out + 1 - stream->next);
    }
    stream->next = 1;
    stream->dropped = 0;
    stream_tell_again(stream);
}
