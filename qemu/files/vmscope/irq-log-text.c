/*
 * IRQ log: the thread that writes the text
 *
 * It follows the ring as any reader does, and counts what it missed.  It also
 * keeps the clock, and settles the session once it is off.  It takes no lock
 * of QEMU's, so nothing waits for a slow disk or a full pipe but itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <poll.h>
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "irqlog/text.h"
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

/* When the clock is looked at for the first time, and later. */
#define FIRST_STEER_NS 10000000
#define NEXT_STEER_NS 1000000000

typedef struct TextWriter {
    IrqLogSession *session;
    uint64_t next;              /* number of the next event */
    uint64_t lost;              /* since the last that was written */
    uint64_t dropped;           /* of the ring's, already counted */
    uint64_t events;            /* in the buffer */
    bool regular;               /* never blocks for long */
    size_t used;                /* bytes in the buffer */
    size_t done;                /* of those, already written */
    bool *lines_told;
    bool *threads_told;
    unsigned long long objects_seen;
    uint32_t objects_told;
    uint64_t steer_ns;
    char *buffer;               /* BUFFER_SIZE + room for a few items */
} TextWriter;

/* Items that may come before an event, and the event itself. */
#define ITEM_ROOM (4 * IRQLOG_TEXT_MAX)

static bool open_qemu_log(IrqLogSession *session, Error **errp)
{
    FILE *log = qemu_log_trylock();

    if (!log) {
        /* -D names a file, but nothing was logged so far. */
        if (!qemu_set_log(LOG_TRACE, errp)) {
            return false;
        }
        log = qemu_log_trylock();
    }
    session->text_fd = fcntl(fileno(log ? log : stderr), F_DUPFD_CLOEXEC, 3);
    qemu_log_unlock(log);
    if (session->text_fd < 0) {
        error_setg_errno(errp, errno, "QEMU's log cannot be written to");
        return false;
    }
    return true;
}

bool irq_log_text_open(IrqLogSession *session, Error **errp)
{
    if (!session->text) {
        return true;
    }
    if (!session->log_file) {
        return open_qemu_log(session, errp);
    }
    session->text_fd = qemu_create(session->log_file,
                                   O_WRONLY | O_APPEND | O_NONBLOCK, 0600,
                                   errp);
    if (session->text_fd < 0) {
        error_prepend(errp, "log-file: ");
        return false;
    }
    return true;
}

static bool stopping(const TextWriter *w)
{
    return qatomic_load_acquire(&w->session->stop);
}

/* Waits for room, for at most @ms. */
static bool writable(const TextWriter *w, int ms)
{
    struct pollfd fd = { .fd = w->session->text_fd, .events = POLLOUT };

    return w->regular || poll(&fd, 1, ms) == 1;
}

static bool write_some(TextWriter *w)
{
    size_t left = w->used - w->done;
    ssize_t n = write(w->session->text_fd, w->buffer + w->done,
                      w->regular ? left : MIN(left, PIPE_CHUNK));

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            qatomic_set(&w->session->text_error, strerror(errno));
        }
        return false;
    }
    qatomic_set(&w->session->text_error, NULL);
    w->done += n;
    return true;
}

/*
 * What cannot be written stays in the buffer, and events stay in the ring
 * until it is full: a disk that gets room again loses nothing.
 */
static bool flush(TextWriter *w, int ms)
{
    while (w->done < w->used) {
        if (!writable(w, ms) || !write_some(w)) {
            return false;
        }
    }
    w->used = 0;
    w->done = 0;
    w->events = 0;
    return true;
}

static void add_lost(TextWriter *w, uint64_t n)
{
    w->lost += n;
    qatomic_set(&w->session->text_lost, w->session->text_lost + n);
}

static void put_lost(TextWriter *w)
{
    if (w->lost) {
        w->used += irqlog_print_lost(w->buffer + w->used, w->lost);
        w->lost = 0;
    }
}

static void put_line(TextWriter *w, uint32_t id)
{
    IrqlogLineInfo line;

    if (id >= IRQLOG_MAX_LINES || w->lines_told[id] ||
        !irqlog_store_line(&w->session->store, id, &line) ||
        !(line.driven_by || line.owner)) {
        return;
    }
    w->lines_told[id] = true;
    w->used += irqlog_print_line(w->buffer + w->used, &line);
}

static void put_thread(TextWriter *w, uint32_t id)
{
    IrqlogThreadInfo thread;

    if (id >= IRQLOG_MAX_THREADS || w->threads_told[id] ||
        !irqlog_store_thread(&w->session->store, id, &thread)) {
        return;
    }
    w->threads_told[id] = true;
    w->used += irqlog_print_thread(w->buffer + w->used, &thread);
}

static bool count_object(const IrqlogObjectInfo *object, void *opaque)
{
    return false;
}

static bool add_object(const IrqlogObjectInfo *object, void *opaque)
{
    IrqLogSession *session = opaque;
    IrqlogObjectInfo known;
    uint32_t i;

    for (i = 0; irqlog_store_object(&session->store, i, &known); i++) {
        if (known.start == object->start && !strcmp(known.file,
                                                    object->file)) {
            return true;
        }
    }
    return irqlog_store_add_object(&session->store, object);
}

/* Modules are loaded while QEMU runs, and can raise interrupts too. */
static void put_objects(TextWriter *w)
{
    IrqLogSession *session = w->session;
    unsigned long long seen = vmscope_process_objects(count_object, NULL);
    IrqlogObjectInfo object;

    if (seen != w->objects_seen) {
        w->objects_seen = seen;
        qemu_mutex_lock(&session->tables_lock);
        vmscope_process_objects(add_object, session);
        qemu_mutex_unlock(&session->tables_lock);
    }
    while (session->text_fd >= 0 &&
           irqlog_store_object(&session->store, w->objects_told, &object)) {
        w->used += irqlog_print_object(w->buffer + w->used, &object);
        w->objects_told++;
        flush(w, 0);
    }
}

static void put_event(TextWriter *w, const IrqlogEvent *event, uint32_t line,
                      uint32_t thread)
{
    put_lost(w);
    put_thread(w, thread);
    put_line(w, line);
    w->used += irqlog_print_event(w->buffer + w->used, event);
    w->events++;
}

/* Events that found the ring busy are lost between two that did not. */
static void take_dropped(TextWriter *w)
{
    uint64_t dropped = irqlog_store_dropped(&w->session->store);

    if (dropped != w->dropped) {
        add_lost(w, dropped - w->dropped);
        w->dropped = dropped;
    }
}

/* Returns: false when there is nothing more to read now. */
static bool take_event(TextWriter *w)
{
    const IrqlogStore *store = &w->session->store;
    uint64_t oldest = evring_oldest(&store->ring);
    IrqlogEvent event;
    uint32_t line;
    uint32_t thread;

    take_dropped(w);
    if (w->next < oldest) {
        add_lost(w, oldest - w->next);
        w->next = oldest;
    }
    switch (irqlog_store_event_ids(store, w->next, &event, &line, &thread)) {
    case EVRING_OK:
        put_event(w, &event, line, thread);
        break;
    case EVRING_OVERWRITTEN:
        add_lost(w, 1);
        break;
    default:
        return false;
    }
    w->next++;
    return true;
}

/* Returns: how many events were taken from the ring. */
static uint64_t drain(TextWriter *w, int ms)
{
    uint64_t first = w->next;

    while (w->used < BUFFER_SIZE || flush(w, ms)) {
        if (!take_event(w)) {
            break;
        }
    }
    flush(w, ms);
    return w->next - first;
}

static void keep_clock(TextWriter *w)
{
    IrqLogSession *session = w->session;
    ClockTriple now;

    if (clock_now_ns() < w->steer_ns) {
        return;
    }
    clock_read_triple(session->store.clock, &now);
    clock_map_steer(&session->store.header->clock, &session->keeper, &now);
    w->steer_ns = now.monotonic_ns + NEXT_STEER_NS;
}

static void put_run(TextWriter *w)
{
    IrqlogRun run;

    irqlog_store_run(&w->session->store, &run);
    run.format = IRQLOG_TEXT_FORMAT;
    w->used += irqlog_print_run(w->buffer + w->used, &run);
    flush(w, 0);
}

/*
 * Text that found no room in time is given up; the events still in the ring
 * count as lost in it.
 */
static void finish_text(TextWriter *w)
{
    IrqLogSession *session = w->session;
    uint64_t head = evring_head(&session->store.ring);

    drain(w, DRAIN_MS);
    if (w->done < w->used) {
        add_lost(w, w->events);
        return;
    }
    add_lost(w, head + 1 - w->next);
    put_lost(w);
    w->used += irqlog_print_disabled(w->buffer + w->used, head + w->dropped,
                                     session->text_lost);
    flush(w, DRAIN_MS);
}

static void follow(TextWriter *w)
{
    IrqLogSession *session = w->session;
    bool text = session->text_fd >= 0;

    while (!stopping(w)) {
        uint64_t n = text ? drain(w, 0) : 0;

        put_objects(w);
        keep_clock(w);
        if (n <= session->store.ring.mask / 4) {
            qemu_sem_timedwait(&session->wake, n ? BUSY_MS : IDLE_MS);
        }
    }
}

static void settle(TextWriter *w)
{
    IrqLogSession *session = w->session;

    /* Whoever was inside a hook when it was taken away is out after this. */
    synchronize_rcu();
    if (session->text_fd >= 0) {
        finish_text(w);
    }
    irqlog_store_stop(&session->store);
    qatomic_store_release(&session->writer_done, true);
}

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void *writer_thread(void *opaque)
{
    IrqLogSession *session = opaque;
    TextWriter w = {
        .session = session,
        .next = 1,
        .regular = is_regular(session->text_fd),
        .lines_told = g_new0(bool, IRQLOG_MAX_LINES),
        .threads_told = g_new0(bool, IRQLOG_MAX_THREADS),
        .steer_ns = clock_now_ns() + FIRST_STEER_NS,
        .buffer = g_malloc(BUFFER_SIZE + ITEM_ROOM),
    };

    rcu_register_thread();
    /* So that no interrupt is the first to touch a page of the ring. */
    vmscope_memory_populate(session->mem, session->mem_size);
    if (session->text_fd >= 0) {
        put_run(&w);
    }
    put_objects(&w);
    vmscope_symbols_load();
    follow(&w);
    settle(&w);
    rcu_unregister_thread();

    g_free(w.buffer);
    g_free(w.threads_told);
    g_free(w.lines_told);
    irq_log_put(session);
    return NULL;
}

void irq_log_writer_start(IrqLogSession *session)
{
    irq_log_ref(session);
    qemu_thread_create(&session->writer, "irq-log", writer_thread, session,
                       QEMU_THREAD_DETACHED);
}

void irq_log_writer_stop(IrqLogSession *session)
{
    qatomic_store_release(&session->stop, true);
    qemu_sem_post(&session->wake);
}
