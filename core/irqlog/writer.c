/*
 * irqlog/writer: see writer.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Text is handed to the system in pieces of about this size. */
#define BUFFER_SIZE (256 * 1024)

/* A pipe takes this much without blocking once it is writable (POSIX). */
#define PIPE_CHUNK 4096

/* After this long without room for it, text at the end of a run is given up. */
#define FINISH_MS 2000

bool irqlog_writer_init(IrqlogWriter *w, const IrqlogStore *store,
                        IrqlogFile *file, const char *path, uint64_t limit,
                        void (*tell)(void *opaque, const char *error),
                        void *opaque)
{
    size_t chunk = limit / 8 < BUFFER_SIZE ? (size_t)(limit / 8) : BUFFER_SIZE;
    char *buffer = malloc(chunk + IRQLOG_STREAM_ROOM);

    if (!buffer) {
        return false;
    }
    w->file = file;
    w->path = path;
    w->limit = limit;
    w->chunk = chunk;
    w->done = 0;
    w->tell = tell;
    w->opaque = opaque;
    irqlog_stream_init(&w->stream, store, buffer);
    return true;
}

void irqlog_writer_deinit(IrqlogWriter *w)
{
    free(w->stream.buffer);
}

/* Waits for room, for at most @ms. */
static bool writer_is_writable(const IrqlogWriter *w, int ms)
{
    struct pollfd fd = { .fd = w->file->fd, .events = POLLOUT };

    return w->file->regular || poll(&fd, 1, ms) == 1;
}

static bool writer_write_some(IrqlogWriter *w)
{
    size_t left = w->stream.used - w->done;
    ssize_t n;

    if (!w->file->regular && left > PIPE_CHUNK) {
        left = PIPE_CHUNK;
    }
    n = write(w->file->fd, w->stream.buffer + w->done, left);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            w->tell(w->opaque, strerror(errno));
        }
        return false;
    }
    w->tell(w->opaque, NULL);
    w->done += (size_t)n;
    w->file->size += (uint64_t)n;
    return true;
}

static bool writer_flush(IrqlogWriter *w, int ms)
{
    while (w->done < w->stream.used) {
        if (!writer_is_writable(w, ms) || !writer_write_some(w)) {
            return false;
        }
    }
    w->stream.used = 0;
    w->stream.events = 0;
    w->done = 0;
    return true;
}

/* For a piece, and for what its last event brings with it. */
static bool writer_has_room(const IrqlogWriter *w)
{
    return !w->file->regular || w->file->size + 2 * w->chunk <= w->limit;
}

/*
 * Called between two pieces, so that each file has whole events.
 *
 * Returns: false when the file is as long as it may be, and must stay
 */
static bool writer_make_room(IrqlogWriter *w)
{
    Err err;

    if (writer_has_room(w)) {
        return true;
    }
    if (!w->file->rotates) {
        w->tell(w->opaque, "text-limit is reached, and this file is not the "
                "IRQ log's to rename");
        return false;
    }
    if (!irqlog_file_rotate(w->file, w->path, &err)) {
        w->tell(w->opaque, err.text);
        return false;
    }
    irqlog_stream_begin_file(&w->stream);
    return true;
}

void irqlog_writer_begin(IrqlogWriter *w)
{
    /* When it makes room, that is in a new file, which it begins. */
    if (writer_has_room(w) || !writer_make_room(w)) {
        irqlog_stream_begin_file(&w->stream);
    }
    writer_flush(w, 0);
}

void irqlog_writer_objects(IrqlogWriter *w)
{
    while (w->file->fd >= 0 && irqlog_stream_object(&w->stream)) {
        writer_flush(w, 0);
    }
}

uint64_t irqlog_writer_drain(IrqlogWriter *w, int ms)
{
    uint64_t first = w->stream.next;

    while ((w->stream.used < w->chunk || writer_flush(w, ms)) &&
           (w->stream.used || writer_make_room(w)) &&
           irqlog_stream_event(&w->stream)) {
        /* again */
    }
    writer_flush(w, ms);
    return w->stream.next - first;
}

void irqlog_writer_switch(IrqlogWriter *w, const IrqlogFile *next, int ms)
{
    if (!writer_flush(w, ms)) {
        irqlog_stream_drop(&w->stream);
        w->done = 0;
    }
    irqlog_file_close(w->file);
    *w->file = *next;
    w->tell(w->opaque, NULL);
    irqlog_stream_begin_file(&w->stream);
}

void irqlog_writer_finish(IrqlogWriter *w, uint64_t before)
{
    IrqlogStream *stream = &w->stream;
    uint64_t head = evring_head(&stream->store->ring);

    irqlog_writer_drain(w, FINISH_MS);
    if (w->done < stream->used) {
        irqlog_stream_lose(stream, stream->events);
        irqlog_stream_lose(stream, head + 1 - stream->next);
        return;
    }
    irqlog_stream_end(stream, before);
    writer_flush(w, FINISH_MS);
}
