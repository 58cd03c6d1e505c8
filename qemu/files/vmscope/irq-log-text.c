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
#include "qapi/error.h"
#include "base/thread.h"
#include "irqlog/writer.h"
#include "process/process.h"
#include "process/symbols.h"
#include "file.h"
#include "irq-log.h"

/* How long to sleep when the ring gave nothing, and when it gave little. */
#define IDLE_MS 50
#define BUSY_MS 5

typedef struct TextWriter {
    IrqLogSession *session;
    IrqlogWriter writer;
    unsigned long long objects_seen;
} TextWriter;

static bool text_is_stopping(const TextWriter *w)
{
    return qatomic_load_acquire(&w->session->stop);
}

/* What the status says; this thread alone changes it. */
static void text_publish_lost(TextWriter *w)
{
    qatomic_set(&w->session->text_lost, w->writer.stream.text_lost);
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
    irqlog_writer_objects(&w->writer);
}

static void text_tell(void *opaque, const char *error)
{
    IrqLogSession *session = opaque;

    /* Whoever reads the status may still have the last one. */
    qatomic_set(&session->text_error, g_intern_string(error));
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
    switch (irq_log_file_reopen(&session->file, &next,
                                session->opts->log_file, &err)) {
    case 1:
        irqlog_writer_switch(&w->writer, &next, BUSY_MS);
        text_publish_lost(w);
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
    irqlog_stream_begin_anew(&w->writer.stream, session->base.ring.lost);
    text_publish_lost(w);
}

static void text_follow(TextWriter *w)
{
    IrqLogSession *session = w->session;
    bool text = session->file.fd >= 0;

    while (!text_is_stopping(w)) {
        uint64_t n = 0;

        if (vmscope_ring_check(&session->base.ring, &session->store.clock)) {
            text_begin_anew(w);
        }
        if (text) {
            text_reopen(w);
            n = irqlog_writer_drain(&w->writer, 0);
            text_publish_lost(w);
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
    if (session->file.fd >= 0) {
        irqlog_writer_finish(&w->writer, session->base.ring.lost);
        text_publish_lost(w);
        /* Its lock goes with it: the next run may have the same file. */
        irqlog_file_close(&session->file);
    }
    qatomic_store_release(&session->base.done, true);
}

static void *text_thread(void *opaque)
{
    TextWriter *w = opaque;
    IrqLogSession *session = w->session;

    rcu_register_thread();
    if (session->base.ring.is_file) {
        guard_thread();
    }
    if (session->file.fd >= 0) {
        irqlog_writer_begin(&w->writer);
    }
    text_put_objects(w);
    process_load_symbols();
    text_follow(w);
    text_settle(w);
    rcu_unregister_thread();

    irqlog_writer_deinit(&w->writer);
    g_free(w);
    irq_log_put(session);
    return NULL;
}

bool irq_log_writer_start(IrqLogSession *session, Error **errp)
{
    TextWriter *w = g_new0(TextWriter, 1);
    Err err;

    w->session = session;
    if (!irqlog_writer_init(&w->writer, &session->store, &session->file,
                            session->opts->log_file,
                            session->opts->text_limit, text_tell, session)) {
        error_setg(errp, "no memory to write text with");
        g_free(w);
        return false;
    }
    irq_log_ref(session);
    if (!thread_start("irq-log", text_thread, w, &err)) {
        irq_log_put(session);
        irqlog_writer_deinit(&w->writer);
        g_free(w);
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
