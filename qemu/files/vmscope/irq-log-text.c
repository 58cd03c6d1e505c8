/*
 * IRQ log: the thread that writes the text
 *
 * It follows the ring as any reader does, and counts what it missed.  It also
 * settles the session once it is off.  It takes no lock
 * of QEMU's, so nothing waits for a slow disk or a full pipe but itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <poll.h>
#include "qapi/error.h"
#include "qemu/units.h"
#include "base/thread.h"
#include "irqlog/stream.h"
#include "process/process.h"
#include "process/symbols.h"
#include "file.h"
#include "irq-log.h"

/* Text is handed to the system in pieces of about this size. */
#define BUFFER_SIZE (256 * KiB)

/* A pipe takes this much without blocking once it is writable (POSIX). */
#define PIPE_CHUNK 4096

/* How long to sleep when the ring gave nothing, and when it gave little. */
#define IDLE_MS 50
#define BUSY_MS 5

/* After this long without room for it, text at the end of a run is given up. */
#define DRAIN_MS 2000

typedef struct TextWriter {
    IrqLogSession *session;
    IrqlogFile *file;           /* the session's */
    IrqlogStream stream;
    size_t chunk;               /* bytes that are written at once */
    size_t done;                /* of those in the buffer, already written */
    unsigned long long objects_seen;
} TextWriter;

static bool text_is_stopping(const TextWriter *w)
{
    return qatomic_load_acquire(&w->session->stop);
}

/* Waits for room, for at most @ms. */
static bool text_is_writable(const TextWriter *w, int ms)
{
    struct pollfd fd = { .fd = w->file->fd, .events = POLLOUT };

    return w->file->regular || poll(&fd, 1, ms) == 1;
}

static bool text_write_some(TextWriter *w)
{
    size_t left = w->stream.used - w->done;
    ssize_t n = write(w->file->fd, w->stream.buffer + w->done,
                      w->file->regular ? left : MIN(left, PIPE_CHUNK));

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            qatomic_set(&w->session->text_error, strerror(errno));
        }
        return false;
    }
    qatomic_set(&w->session->text_error, NULL);
    w->done += n;
    w->file->size += n;
    return true;
}

/*
 * What cannot be written stays in the buffer, and events stay in the ring
 * until it is full: a disk that gets room again loses nothing.
 */
static bool text_flush(TextWriter *w, int ms)
{
    while (w->done < w->stream.used) {
        if (!text_is_writable(w, ms) || !text_write_some(w)) {
            return false;
        }
    }
    w->stream.used = 0;
    w->stream.events = 0;
    w->done = 0;
    return true;
}

/* What the status says; this thread alone changes it. */
static void text_publish_lost(TextWriter *w)
{
    qatomic_set(&w->session->text_lost, w->stream.text_lost);
}

static bool text_count_object(const ProcessObject *object, void *opaque)
{
    return false;
}

static bool text_add_object(const ProcessObject *object, void *opaque)
{
    IrqLogSession *session = opaque;
    IrqlogObjectInfo add = {
        .load_base = object->load_base,
        .start = object->start,
        .end = object->end,
        .build_id = object->build_id,
        .file = object->file,
    };
    IrqlogObjectInfo known;
    uint32_t i;

    for (i = 0; irqlog_store_object(&session->store, i, &known); i++) {
        if (known.start == object->start && !strcmp(known.file,
                                                    object->file)) {
            return true;
        }
    }
    return irqlog_store_add_object(&session->store, &add);
}

void irq_log_add_objects(IrqLogSession *session)
{
    process_objects(text_add_object, session);
}

/* Modules are loaded while QEMU runs, and can raise interrupts too. */
static void text_put_objects(TextWriter *w)
{
    IrqLogSession *session = w->session;
    unsigned long long seen = process_objects(text_count_object, NULL);

    if (seen != w->objects_seen) {
        w->objects_seen = seen;
        qemu_mutex_lock(&session->tables_lock);
        irq_log_add_objects(session);
        qemu_mutex_unlock(&session->tables_lock);
    }
    while (w->file->fd >= 0 && irqlog_stream_object(&w->stream)) {
        text_flush(w, 0);
    }
}

static void text_set_error(TextWriter *w, const char *text)
{
    /* Whoever reads the status may still have the last one. */
    qatomic_set(&w->session->text_error, g_intern_string(text));
}

/* For a piece, and for what its last event brings with it. */
static bool text_has_room(const TextWriter *w)
{
    return !w->file->regular ||
           w->file->size + 2 * w->chunk <= w->session->opts->text_limit;
}

/*
 * Called between two pieces, so that each file has whole events.
 *
 * Returns: false when the file is as long as it may be, and must stay
 */
static bool text_make_room(TextWriter *w)
{
    const IrqLogOptions *opts = w->session->opts;
    Err err;

    if (text_has_room(w)) {
        return true;
    }
    if (!w->file->rotates) {
        text_set_error(w, "text-limit is reached, and this file is not the IRQ "
                       "log's to rename");
        return false;
    }
    if (!irqlog_file_rotate(w->file, opts->log_file, &err)) {
        text_set_error(w, err.text);
        return false;
    }
    irqlog_stream_begin_file(&w->stream);
    return true;
}

/* Returns: how many events were taken from the ring. */
static uint64_t text_drain(TextWriter *w, int ms)
{
    uint64_t first = w->stream.next;

    while ((w->stream.used < w->chunk || text_flush(w, ms)) &&
           (w->stream.used || text_make_room(w)) &&
           irqlog_stream_event(&w->stream)) {
        /* again */
    }
    text_publish_lost(w);
    text_flush(w, ms);
    return w->stream.next - first;
}

/*
 * The name may lead to another file by now: it was renamed for rotation, or
 * QEMU's log was told to go elsewhere.  What the old one does not take in a
 * moment is lost in the text.
 */
static void text_reopen(TextWriter *w)
{
    IrqLogSession *session = w->session;
    unsigned asked = qatomic_load_acquire(&session->reopen_asked);
    Error *err = NULL;
    IrqlogFile next;

    if (asked == session->reopen_done) {
        return;
    }
    session->reopen_error = NULL;
    switch (irq_log_file_reopen(w->file, &next, session->opts->log_file,
                                &err)) {
    case 1:
        if (!text_flush(w, BUSY_MS)) {
            irqlog_stream_drop(&w->stream);
            text_publish_lost(w);
            w->done = 0;
        }
        irqlog_file_close(w->file);
        *w->file = next;
        qatomic_set(&session->text_error, NULL);
        irqlog_stream_begin_file(&w->stream);
        break;
    case -1:
        session->reopen_error = g_intern_string(error_get_pretty(err));
        error_free(err);
        break;
    }
    /* Pairs with the acquire of who waits: the error first. */
    qatomic_store_release(&session->reopen_done, asked);
}

/*
 * Text that found no room in time is given up; the events still in the ring
 * count as lost in it.
 */
static void text_finish(TextWriter *w)
{
    IrqlogStream *stream = &w->stream;
    uint64_t head = evring_head(&stream->store->ring);

    text_drain(w, DRAIN_MS);
    if (w->done < stream->used) {
        irqlog_stream_lose(stream, stream->events);
        irqlog_stream_lose(stream, head + 1 - stream->next);
        text_publish_lost(w);
        return;
    }
    irqlog_stream_end(stream, w->session->base.ring.lost);
    text_publish_lost(w);
    text_flush(w, DRAIN_MS);
}

/*
 * The file of the ring is lost, and what was in it: the ring begins anew in
 * memory, and all threads and lines are to be told to it again.
 */
static void text_begin_anew(TextWriter *w)
{
    IrqLogSession *session = w->session;
    unsigned i;

    qemu_mutex_lock(&session->tables_lock);
    irqlog_store_begin_anew(&session->store);
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        qatomic_set(&session->levels[i], IRQ_LOG_LEVEL_UNKNOWN);
    }
    session->n_named = 0;
    irq_log_add_objects(session);
    irq_log_new_number(session);
    qemu_mutex_unlock(&session->tables_lock);
    irqlog_stream_begin_anew(&w->stream, session->base.ring.lost);
    text_publish_lost(w);
}

static void text_follow(TextWriter *w)
{
    IrqLogSession *session = w->session;
    bool text = w->file->fd >= 0;

    while (!text_is_stopping(w)) {
        uint64_t n = 0;

        if (vmscope_ring_check(&session->base.ring, &session->store.clock)) {
            text_begin_anew(w);
        }
        if (text) {
            text_reopen(w);
            n = text_drain(w, 0);
        }
        text_put_objects(w);
        if (n <= session->store.ring.mask / 4) {
            qemu_sem_timedwait(&session->wake, n ? BUSY_MS : IDLE_MS);
        }
    }
}

static void text_settle(TextWriter *w)
{
    IrqLogSession *session = w->session;

    /* Whoever was inside a hook when it was taken away is out after this. */
    synchronize_rcu();
    irqlog_store_stop(&session->store);
    vmscope_ring_end(&session->base.ring);
    if (w->file->fd >= 0) {
        text_finish(w);
        /* Its lock goes with it: the next run may have the same file. */
        irqlog_file_close(w->file);
    }
    qatomic_store_release(&session->base.done, true);
}

static void *text_thread(void *opaque)
{
    IrqLogSession *session = opaque;
    TextWriter *w = g_new(TextWriter, 1);

    w->session = session;
    w->file = &session->file;
    w->chunk = MIN(BUFFER_SIZE, session->opts->text_limit / 8);
    w->done = 0;
    w->objects_seen = 0;
    irqlog_stream_init(&w->stream, &session->store,
                       g_malloc(w->chunk + IRQLOG_STREAM_ROOM));
    rcu_register_thread();
    if (session->base.ring.is_file) {
        guard_thread();
    }
    if (w->file->fd >= 0) {
        /* When it makes room, that is in a new file, which it begins. */
        if (text_has_room(w) || !text_make_room(w)) {
            irqlog_stream_begin_file(&w->stream);
        }
        text_flush(w, 0);
    }
    text_put_objects(w);
    process_load_symbols();
    text_follow(w);
    text_settle(w);
    rcu_unregister_thread();

    g_free(w->stream.buffer);
    g_free(w);
    irq_log_put(session);
    return NULL;
}

bool irq_log_writer_start(IrqLogSession *session, Error **errp)
{
    Err err;

    irq_log_ref(session);
    if (!thread_start("irq-log", text_thread, session, &err)) {
        irq_log_put(session);
        return vmscope_error(&err, errp);
    }
    return true;
}

void irq_log_writer_stop(IrqLogSession *session)
{
    qatomic_store_release(&session->stop, true);
    qemu_sem_post(&session->wake);
}

unsigned irq_log_writer_reopen(IrqLogSession *session)
{
    unsigned asked = session->reopen_asked + 1;

    qatomic_store_release(&session->reopen_asked, asked);
    qemu_sem_post(&session->wake);
    return asked;
}
