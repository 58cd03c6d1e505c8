/*
 * record-ring: see record-ring.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/ring.h"

#include <string.h>

/* Looks at a record that is being written, before it counts as lost. */
enum { PENDING_TRIES = 50 };

bool record_ring_open(RecordRing *ring, uint32_t contents, const char *path,
                      Err *err)
{
    memset(ring, 0, sizeof(*ring));
    ring->contents = contents;
    if (!ring_file_open(&ring->file, contents == TRACE_SCHED ?
                        EVRING_CONTENT_SCHED : EVRING_CONTENT_IRQ, path,
                        err)) {
        return false;
    }
    ring->next = evring_oldest(&ring->file.ring);
    return true;
}

/* Any event, whatever the ring holds; only its time matters to callers. */
static EvringRead read_time(const RecordRing *ring, uint64_t seq,
                            uint64_t *time_ns)
{
    SchedlogEvent sched;
    IrqlogEvent irq;
    EvringRead result;

    if (ring->contents == TRACE_SCHED) {
        result = schedlog_store_event(&ring->file.sched, seq, &sched);
        *time_ns = result == EVRING_OK ? sched.time_ns : 0;
    } else {
        result = irqlog_store_event(&ring->file.irq, seq, &irq);
        *time_ns = result == EVRING_OK ? irq.time_ns : 0;
    }
    return result;
}

void record_ring_begin(RecordRing *ring, ClockTriple *begin)
{
    uint64_t time_ns;
    Err ignored;

    *begin = ring->file.header->begin;
    if (ring->next > 1 &&
        ring_file_fetch(&ring->file, ring->next, &ignored) &&
        read_time(ring, ring->next, &time_ns) == EVRING_OK) {
        begin->realtime_ns += time_ns - begin->monotonic_ns;
        begin->monotonic_ns = time_ns;
    }
}

bool record_ring_tell_end(const RecordRing *ring, TraceWriter *writer,
                          uint64_t ns, Err *err)
{
    TraceLost none = { .contents = ring->contents, .first_seq = ring->next,
                       .from_ns = ns };

    return trace_writer_lost(writer, &none, err);
}

/* Tables. */

void record_ring_again(RecordRing *ring)
{
    ring->n_objects = 0;
    if (ring->n_guests) {
        ring->n_guests--;       /* the newest kernel once more */
    }
}

static bool tell_objects(RecordRing *ring, TraceWriter *writer, Err *err)
{
    const IrqlogStore *store = &ring->file.irq;
    IrqlogObjectInfo object;

    for (; ring->n_objects < irqlog_store_n_objects(store);
         ring->n_objects++) {
        if (irqlog_store_object(store, ring->n_objects, &object) &&
            !trace_writer_object(writer, &object, err)) {
            return false;
        }
    }
    return true;
}

/* All lines and threads: some are named after their first event. */
static bool tell_lines(RecordRing *ring, TraceWriter *writer, Err *err)
{
    const IrqlogStore *store = &ring->file.irq;
    uint32_t n_lines = irqlog_store_n_lines(store);
    uint32_t n_threads = irqlog_store_n_threads(store);
    IrqlogLineInfo line;
    IrqlogThreadInfo thread;
    uint32_t id;

    for (id = 0; id < n_lines; id++) {
        if (irqlog_store_line(store, id, &line) &&
            !trace_writer_line(writer, id, &line, err)) {
            return false;
        }
    }
    for (id = 0; id < n_threads; id++) {
        if (irqlog_store_thread(store, id, &thread) &&
            !trace_writer_host_thread(writer, id, &thread, err)) {
            return false;
        }
    }
    return true;
}

static bool tell_guests(RecordRing *ring, TraceWriter *writer, Err *err)
{
    const SchedlogStore *store = &ring->file.sched;
    SchedlogGuest guest;
    uint32_t n = atomic_load_explicit(&store->tables->n_guests,
                                      memory_order_acquire);

    if (n - ring->n_guests > SCHEDLOG_MAX_GUESTS) {
        ring->n_guests = n - SCHEDLOG_MAX_GUESTS;
    }
    for (; ring->n_guests < n; ring->n_guests++) {
        if (schedlog_store_guest(store, n - 1 - ring->n_guests, &guest) &&
            !trace_writer_guest(writer, &guest,
                                clock_map_ns(&ring->file.header->clock,
                                             guest.since_stamp), err)) {
            return false;
        }
    }
    return true;
}

static bool tell_tables(RecordRing *ring, TraceWriter *writer, Err *err)
{
    if (ring->contents == TRACE_SCHED) {
        return tell_guests(ring, writer, err);
    }
    return tell_objects(ring, writer, err) && tell_lines(ring, writer, err);
}

/* Events. */

static bool tell_line_and_thread(RecordRing *ring, TraceWriter *writer,
                                 uint32_t line_id, uint32_t thread_id,
                                 Err *err)
{
    IrqlogLineInfo line;
    IrqlogThreadInfo thread;

    if (irqlog_store_line(&ring->file.irq, line_id, &line) &&
        !trace_writer_line(writer, line_id, &line, err)) {
        return false;
    }
    return !irqlog_store_thread(&ring->file.irq, thread_id, &thread) ||
           trace_writer_host_thread(writer, thread_id, &thread, err);
}

static bool write_irq(RecordRing *ring, TraceWriter *writer,
                      const IrqlogEvent *event, uint32_t line,
                      uint32_t thread, Err *err)
{
    return tell_line_and_thread(ring, writer, line, thread, err) &&
           trace_writer_irq(writer, event, line, thread, err);
}

/* An event, as the ring's content has it. */
typedef struct Event {
    SchedlogEvent sched;
    IrqlogEvent irq;
    uint32_t line;
    uint32_t thread;
    uint64_t time_ns;
} Event;

static EvringRead read_event(const RecordRing *ring, Event *event)
{
    EvringRead result;

    if (ring->contents == TRACE_SCHED) {
        result = schedlog_store_event(&ring->file.sched, ring->next,
                                      &event->sched);
        event->time_ns = event->sched.time_ns;
    } else {
        result = irqlog_store_event_ids(&ring->file.irq, ring->next,
                                        &event->irq, &event->line,
                                        &event->thread);
        event->time_ns = event->irq.time_ns;
    }
    return result;
}

static bool write_lost(RecordRing *ring, TraceWriter *writer, uint64_t to_ns,
                       Err *err)
{
    if (!ring->lost.count) {
        return true;
    }
    ring->lost.contents = ring->contents;
    ring->lost.from_ns = ring->last_ns;
    ring->lost.to_ns = to_ns;
    if (!trace_writer_lost(writer, &ring->lost, err)) {
        return false;
    }
    ring->lost.count = 0;
    return true;
}

static bool write_event(RecordRing *ring, TraceWriter *writer,
                        const Event *event, Err *err)
{
    bool written;

    if (!write_lost(ring, writer, event->time_ns, err)) {
        return false;
    }
    written = ring->contents == TRACE_SCHED ?
              trace_writer_sched(writer, &event->sched, err) :
              write_irq(ring, writer, &event->irq, event->line,
                        event->thread, err);
    if (ring->paths && ring->contents == TRACE_SCHED) {
        record_paths_see(ring->paths, &event->sched);
    }
    if (written) {
        ring->last_ns = event->time_ns;
        ring->n_events++;
    }
    return written;
}

/* Give up numbers up to, and without, @until. */
static void lose(RecordRing *ring, uint64_t until)
{
    if (!ring->lost.count) {
        ring->lost.first_seq = ring->next;
    }
    ring->lost.count += until - ring->next;
    ring->n_lost += until - ring->next;
    ring->next = until;
}

/* What cannot be read: false when it may be read later. */
static bool pass_over(RecordRing *ring, EvringRead why, bool last)
{
    uint64_t oldest = evring_oldest(&ring->file.ring);

    if (why == EVRING_PENDING && !last && ++ring->tries < PENDING_TRIES) {
        return false;
    }
    ring->tries = 0;
    lose(ring, oldest > ring->next ? oldest : ring->next + 1);
    return true;
}

bool record_ring_drain(RecordRing *ring, TraceWriter *writer, bool last,
                       Err *err)
{
    /* What comes meanwhile is for the next time, so that this ends. */
    uint64_t head = evring_head(&ring->file.ring);
    Event event;
    EvringRead result;
    Err lost;

    while (ring->next <= head && !ring->file.lost) {
        if (!ring_file_fetch(&ring->file, ring->next, &lost)) {
            break;      /* ring_file_look() says so; what was read is kept */
        }
        result = read_event(ring, &event);
        if (result != EVRING_OK) {
            if (!pass_over(ring, result, last)) {
                break;
            }
            continue;
        }
        if (!write_event(ring, writer, &event, err)) {
            return false;
        }
        ring->tries = 0;
        ring->next++;
    }
    if (last && !write_lost(ring, writer, 0, err)) {
        return false;
    }
    return tell_tables(ring, writer, err);
}
