/*
 * tracefile/write: see write.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/write.h"

#include "tracefile/header.h"
#include "tracefile/pack.h"
#include "tracefile/path.h"
#include "tracefile/write-thread.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAYLOAD_SIZE = 64 * 1024,
    /* Bytes that one entry of any chunk takes at most. */
    ENTRY_MAX = 4096,
    THREAD_CELLS = 4 * TRACE_MAX_THREADS,
};

/* A chunk that is being filled. */
typedef struct Chunk {
    uint16_t kind;
    uint32_t entries;
    uint64_t last_ns;
    uint64_t last_seq;
    Packer pack;
    uint8_t bytes[TRACE_CHUNK_HEADER_SIZE + PAYLOAD_SIZE];
} Chunk;

/* The last switch of a vCPU. */
typedef struct Last {
    bool known;
    uint16_t id;            /* of its thread; 0: told of no more */
    SchedlogEvent event;
} Last;

struct TraceWriter {
    TraceSink sink;
    uint64_t load_base;
    uint64_t bytes;         /* handed on */
    uint32_t n_chunks;
    TraceEnd totals;        /* of what was handed on; lost as it was told */
    uint32_t generation;    /* of thread ids */
    uint32_t n_threads;
    Chunk threads, sched, lines, devices, host_threads, objects, irq, host;
    Chunk ticks, paths, vectors;
    Chunk other;
    WriteThread thread[TRACE_MAX_THREADS + 1];
    uint16_t cells[THREAD_CELLS];       /* ids by hash; 0: free */
    bool line_known[IRQLOG_MAX_LINES];
    IrqlogLineInfo line[IRQLOG_MAX_LINES];
    bool host_thread_known[IRQLOG_MAX_THREADS];
    IrqlogThreadInfo host_thread[IRQLOG_MAX_THREADS];
    Last last[TRACE_MAX_VCPUS];
};

static void chunk_clear(Chunk *chunk, TraceChunkKind kind)
{
    chunk->kind = kind;
    chunk->entries = 0;
    chunk->last_ns = 0;
    chunk->last_seq = 0;
    chunk->pack.p = chunk->bytes + TRACE_CHUNK_HEADER_SIZE;
    chunk->pack.end = chunk->bytes + sizeof(chunk->bytes);
    chunk->pack.full = false;
}

static void clear_chunks(TraceWriter *writer)
{
    chunk_clear(&writer->threads, TRACE_CHUNK_THREADS);
    chunk_clear(&writer->sched, TRACE_CHUNK_SCHED);
    chunk_clear(&writer->lines, TRACE_CHUNK_LINES);
    chunk_clear(&writer->devices, TRACE_CHUNK_DEVICES);
    chunk_clear(&writer->host_threads, TRACE_CHUNK_HOST_THREADS);
    chunk_clear(&writer->objects, TRACE_CHUNK_OBJECTS);
    chunk_clear(&writer->irq, TRACE_CHUNK_IRQ);
    chunk_clear(&writer->host, TRACE_CHUNK_HOST);
    chunk_clear(&writer->ticks, TRACE_CHUNK_TICKS);
    chunk_clear(&writer->paths, TRACE_CHUNK_PATHS);
    chunk_clear(&writer->vectors, TRACE_CHUNK_VECTORS);
}

TraceWriter *trace_writer_new(const TraceSink *sink)
{
    TraceWriter *writer = calloc(1, sizeof(*writer));

    if (writer) {
        writer->sink = *sink;
        clear_chunks(writer);
    }
    return writer;
}

void trace_writer_free(TraceWriter *writer)
{
    free(writer);
}

uint64_t trace_writer_bytes(const TraceWriter *writer)
{
    return writer->bytes +
           (uint64_t)(writer->sched.pack.p - writer->sched.bytes) +
           (uint64_t)(writer->irq.pack.p - writer->irq.bytes) +
           (uint64_t)(writer->host.pack.p - writer->host.bytes) +
           (uint64_t)(writer->ticks.pack.p - writer->ticks.bytes) +
           (uint64_t)(writer->paths.pack.p - writer->paths.bytes) +
           (uint64_t)(writer->vectors.pack.p - writer->vectors.bytes);
}

static bool hand_on(TraceWriter *writer, const void *bytes, size_t len,
                    Err *err)
{
    if (!writer->sink.write(writer->sink.opaque, bytes, len, err)) {
        return false;
    }
    writer->bytes += len;
    return true;
}

static void fill_chunk_header(TraceWriter *writer, Chunk *chunk, size_t len)
{
    const uint8_t *payload = chunk->bytes + TRACE_CHUNK_HEADER_SIZE;
    Packer to = {
        .p = chunk->bytes,
        .end = chunk->bytes + TRACE_CHUNK_HEADER_SIZE,
    };

    pack_fixed32(&to, TRACE_CHUNK_MARKER);
    pack_fixed32(&to, chunk->kind);
    pack_fixed32(&to, (uint32_t)len);
    pack_fixed32(&to, writer->n_chunks);
    pack_fixed32(&to, pack_crc32(payload, len));
    pack_fixed32(&to, pack_crc32(chunk->bytes, 20));
}

/* Hand a chunk on, when there is anything in it. */
static bool flush_chunk(TraceWriter *writer, Chunk *chunk, Err *err)
{
    size_t len = (size_t)(chunk->pack.p - chunk->bytes);

    if (chunk->entries == 0) {
        return true;
    }
    fill_chunk_header(writer, chunk, len - TRACE_CHUNK_HEADER_SIZE);
    if (!hand_on(writer, chunk->bytes, len, err)) {
        return false;
    }
    writer->n_chunks++;
    chunk_clear(chunk, chunk->kind);
    return true;
}

static bool flush_sched(TraceWriter *writer, Err *err)
{
    uint32_t events = writer->sched.entries;

    if (!flush_chunk(writer, &writer->paths, err) ||
        !flush_chunk(writer, &writer->threads, err) ||
        !flush_chunk(writer, &writer->sched, err)) {
        return false;
    }
    writer->totals.sched_events += events;
    return true;
}

static bool flush_irq(TraceWriter *writer, Err *err)
{
    uint32_t events = writer->irq.entries;

    if (!flush_chunk(writer, &writer->objects, err) ||
        !flush_chunk(writer, &writer->host_threads, err) ||
        !flush_chunk(writer, &writer->lines, err) ||
        !flush_chunk(writer, &writer->devices, err) ||
        !flush_chunk(writer, &writer->irq, err)) {
        return false;
    }
    writer->totals.irq_events += events;
    return true;
}

bool trace_writer_flush(TraceWriter *writer, Err *err)
{
    /* First, so that what a message is sent to is known when it comes. */
    return flush_chunk(writer, &writer->vectors, err) &&
           flush_sched(writer, err) && flush_irq(writer, err) &&
           flush_chunk(writer, &writer->host, err) &&
           flush_chunk(writer, &writer->ticks, err);
}

/* See to room for one more entry. */
static bool make_room(TraceWriter *writer, Chunk *chunk, Err *err)
{
    return chunk->pack.end - chunk->pack.p >= ENTRY_MAX ||
           flush_chunk(writer, chunk, err);
}

/* Threads. */

static void forget_threads(TraceWriter *writer)
{
    size_t i;

    writer->generation++;
    writer->n_threads = 0;
    memset(writer->cells, 0, sizeof(writer->cells));
    for (i = 0; i < TRACE_MAX_VCPUS; i++) {
        writer->last[i].id = 0;
    }
}

/* Which ids a chunk speaks of stands in front of its entries. */
static void pack_generation(TraceWriter *writer, Chunk *chunk)
{
    if (chunk->entries == 0) {
        pack_number(&chunk->pack, writer->generation);
    }
}

static bool add_thread(TraceWriter *writer, const WriteThread *thread,
                       size_t cell, uint32_t *id, Err *err)
{
    if (!make_room(writer, &writer->threads, err)) {
        return false;
    }
    *id = ++writer->n_threads;
    writer->thread[*id] = *thread;
    writer->cells[cell] = (uint16_t)*id;
    pack_generation(writer, &writer->threads);
    write_thread_pack(&writer->threads.pack, *id, thread);
    writer->threads.entries++;
    return true;
}

/* The id of an event's thread, told of now if it was not before. */
static bool find_thread(TraceWriter *writer, const SchedlogEvent *event,
                        uint32_t *id, Err *err)
{
    WriteThread thread;
    size_t cell;

    write_thread_of(event, &thread);
    for (cell = write_thread_hash(&thread) % THREAD_CELLS; writer->cells[cell];
         cell = (cell + 1) % THREAD_CELLS) {
        *id = writer->cells[cell];
        if (!memcmp(&writer->thread[*id], &thread, sizeof(thread))) {
            return true;
        }
    }
    if (writer->n_threads < TRACE_MAX_THREADS) {
        return add_thread(writer, &thread, cell, id, err);
    }
    /* Ids begin anew behind all events that use the old ones. */
    if (!flush_sched(writer, err)) {
        return false;
    }
    forget_threads(writer);
    return add_thread(writer, &thread,
                      write_thread_hash(&thread) % THREAD_CELLS, id, err);
}

/* Switches. */

static const Last *last_of(const TraceWriter *writer, unsigned vcpu)
{
    return vcpu < TRACE_MAX_VCPUS && writer->last[vcpu].known ?
           &writer->last[vcpu] : NULL;
}

/* The id of the thread that ran before, when it is the one we know of. */
static uint32_t find_old(const TraceWriter *writer,
                         const SchedlogEvent *event)
{
    const Last *last = last_of(writer, event->vcpu);

    if (!last || last->event.thread != event->old_thread) {
        return 0;
    }
    if (event->has & SCHEDLOG_HAS_OLD_IDS &&
        (!(last->event.has & SCHEDLOG_HAS_IDS) ||
         last->event.pid != event->old_pid ||
         last->event.tid != event->old_tid)) {
        return 0;
    }
    return last->id;
}

static void pack_old(Packer *to, const SchedlogEvent *event, uint32_t old)
{
    if (event->has & SCHEDLOG_HAS_OLD) {
        pack_number(to, old);
        if (!old) {
            pack_fixed64(to, event->old_thread);
        }
        if (!old && event->has & SCHEDLOG_HAS_OLD_IDS) {
            pack_number(to, event->old_pid);
            pack_number(to, event->old_tid);
        }
    }
    if (event->has & SCHEDLOG_HAS_OLD_STATE) {
        pack_u8(to, event->old_state);
    }
    if (event->has & SCHEDLOG_HAS_OLD_WAIT_REASON) {
        pack_u8(to, event->old_wait_reason);
    }
    if (event->has & SCHEDLOG_HAS_OLD_PRIORITY) {
        pack_u8(to, (uint8_t)event->old_priority);
    }
}

static void pack_new(Packer *to, const SchedlogEvent *event)
{
    if (event->has & SCHEDLOG_HAS_ATTACHED) {
        pack_fixed64(to, event->attached);
    }
    if (event->has & SCHEDLOG_HAS_STATE) {
        pack_u8(to, event->state);
    }
    if (event->has & SCHEDLOG_HAS_PRIORITY) {
        pack_u8(to, (uint8_t)event->priority);
    }
    if (event->has & SCHEDLOG_HAS_MISSED) {
        pack_number(to, event->missed);
    }
    if (event->has & SCHEDLOG_HAS_SWITCHES) {
        pack_number(to, event->switches);
    }
    if (event->has & SCHEDLOG_HAS_WAIT_TIME) {
        pack_number(to, event->wait_time);
    }
}

/* Time and number of an event, as steps from the last one's. */
static void pack_step(Chunk *chunk, uint64_t time_ns, uint64_t seq)
{
    if (chunk->entries == 0) {
        pack_fixed64(&chunk->pack, time_ns);
        pack_number(&chunk->pack, seq);
    } else {
        pack_signed(&chunk->pack, (int64_t)(time_ns - chunk->last_ns));
        pack_number(&chunk->pack, seq - chunk->last_seq);
    }
    chunk->last_ns = time_ns;
    chunk->last_seq = seq;
    chunk->entries++;
}

static void pack_sched(TraceWriter *writer, const SchedlogEvent *event,
                       uint32_t id, uint32_t old)
{
    Chunk *chunk = &writer->sched;
    Packer *to = &chunk->pack;

    pack_generation(writer, chunk);
    pack_step(chunk, event->time_ns, event->seq);
    pack_number(to, event->has & TRACE_SWITCH_BITS);
    pack_number(to, (uint64_t)event->vcpu << 2 | event->origin);
    pack_number(to, id);
    pack_new(to, event);
    pack_old(to, event, old);
}

static void remember(TraceWriter *writer, const SchedlogEvent *event,
                     uint32_t id)
{
    Last *last;

    if (event->vcpu < TRACE_MAX_VCPUS) {
        last = &writer->last[event->vcpu];
        last->known = true;
        last->id = (uint16_t)id;
        last->event = *event;
    }
}

bool trace_writer_sched(TraceWriter *writer, const SchedlogEvent *given,
                        Err *err)
{
    SchedlogEvent event = *given;
    uint32_t id;

    if (!(event.has & SCHEDLOG_HAS_OLD)) {
        event.has &= ~(uint32_t)SCHEDLOG_HAS_OLD_IDS;
    }
    event.origin &= 3;
    if (!find_thread(writer, &event, &id, err)) {
        return false;
    }
    if (writer->sched.pack.end - writer->sched.pack.p < ENTRY_MAX &&
        !flush_sched(writer, err)) {
        return false;
    }
    pack_sched(writer, &event, id, find_old(writer, &event));
    remember(writer, &event, id);
    return true;
}

/* Who runs where, for a file that begins in the middle of it all. */
static bool write_running(TraceWriter *writer, Err *err)
{
    Chunk *chunk = &writer->other;
    uint32_t id;
    size_t i;

    chunk_clear(chunk, TRACE_CHUNK_RUNNING);
    for (i = 0; i < TRACE_MAX_VCPUS; i++) {
        if (!writer->last[i].known) {
            continue;
        }
        if (!find_thread(writer, &writer->last[i].event, &id, err) ||
            !make_room(writer, chunk, err)) {
            return false;
        }
        writer->last[i].id = (uint16_t)id;
        pack_generation(writer, chunk);
        pack_number(&chunk->pack, i);
        pack_number(&chunk->pack, id);
        pack_fixed64(&chunk->pack, writer->last[i].event.time_ns);
        chunk->entries++;
    }
    return flush_chunk(writer, &writer->threads, err) &&
           flush_chunk(writer, chunk, err);
}

bool trace_writer_begin(TraceWriter *writer, const TraceInfo *info, Err *err)
{
    uint8_t header[TRACE_HEADER_SIZE];

    writer->load_base = info->load_base;
    writer->bytes = 0;
    writer->n_chunks = 0;
    memset(&writer->totals, 0, sizeof(writer->totals));
    memset(writer->line_known, 0, sizeof(writer->line_known));
    memset(writer->host_thread_known, 0, sizeof(writer->host_thread_known));
    clear_chunks(writer);
    forget_threads(writer);
    trace_header_pack(header, info);
    return hand_on(writer, header, sizeof(header), err) &&
           write_running(writer, err);
}

/* Interrupts. */

/* 1: there is one; 0: there is none. */
static void pack_optional(Packer *to, const char *text)
{
    pack_u8(to, text != NULL);
    if (text) {
        pack_string(to, text);
    }
}

static bool same_line(const IrqlogLineInfo *a, const IrqlogLineInfo *b)
{
    return a->irq == b->irq && a->handler == b->handler &&
           a->opaque == b->opaque && a->n == b->n && a->kind == b->kind &&
           a->path == b->path && a->driven_by == b->driven_by &&
           a->owner == b->owner && a->device == b->device;
}

/* In a chunk of its own: readers of before step over it. */
static void pack_device(TraceWriter *writer, uint32_t id, const char *device)
{
    pack_number(&writer->devices.pack, id);
    pack_string(&writer->devices.pack, device);
    writer->devices.entries++;
}

bool trace_writer_line(TraceWriter *writer, uint32_t id,
                       const IrqlogLineInfo *line, Err *err)
{
    Packer *to = &writer->lines.pack;

    if (id >= IRQLOG_MAX_LINES ||
        (writer->line_known[id] && same_line(&writer->line[id], line))) {
        return true;
    }
    if (!make_room(writer, &writer->lines, err) ||
        !make_room(writer, &writer->devices, err)) {
        return false;
    }
    writer->line_known[id] = true;
    writer->line[id] = *line;
    pack_number(to, id);
    pack_fixed64(to, line->irq);
    pack_fixed64(to, line->handler);
    pack_fixed64(to, line->opaque);
    pack_signed(to, line->n);
    pack_u8(to, (uint8_t)line->kind);
    pack_string(to, line->path);
    pack_optional(to, line->driven_by);
    pack_optional(to, line->owner);
    writer->lines.entries++;
    if (line->device) {
        pack_device(writer, id, line->device);
    }
    return true;
}

static bool same_thread(const IrqlogThreadInfo *a, const IrqlogThreadInfo *b)
{
    return a->tid == b->tid && a->name == b->name && a->role == b->role;
}

bool trace_writer_host_thread(TraceWriter *writer, uint32_t id,
                              const IrqlogThreadInfo *thread, Err *err)
{
    Packer *to = &writer->host_threads.pack;

    if (id >= IRQLOG_MAX_THREADS ||
        (writer->host_thread_known[id] &&
         same_thread(&writer->host_thread[id], thread))) {
        return true;
    }
    if (!make_room(writer, &writer->host_threads, err)) {
        return false;
    }
    writer->host_thread_known[id] = true;
    writer->host_thread[id] = *thread;
    pack_number(to, id);
    pack_number(to, thread->tid);
    pack_string(to, thread->name);
    pack_optional(to, thread->role);
    writer->host_threads.entries++;
    return true;
}

bool trace_writer_object(TraceWriter *writer, const IrqlogObjectInfo *object,
                         Err *err)
{
    Packer *to = &writer->objects.pack;

    if (!make_room(writer, &writer->objects, err)) {
        return false;
    }
    pack_fixed64(to, object->load_base);
    pack_fixed64(to, object->start);
    pack_fixed64(to, object->end);
    pack_string(to, object->build_id);
    pack_string(to, object->file);
    writer->objects.entries++;
    return true;
}

/* Code addresses are near each other and near where QEMU is loaded. */
static void pack_address(TraceWriter *writer, Packer *to, uint64_t address)
{
    pack_signed(to, (int64_t)(address - writer->load_base));
}

static void pack_irq(TraceWriter *writer, const IrqlogEvent *event,
                     uint32_t line, uint32_t thread)
{
    Packer *to = &writer->irq.pack;
    unsigned frames = event->n_backtrace;
    unsigned i;

    frames = frames < IRQLOG_BACKTRACE_MAX ? frames : IRQLOG_BACKTRACE_MAX;
    pack_step(&writer->irq, event->time_ns, event->seq);
    pack_number(to, line);
    pack_number(to, thread);
    pack_number(to, event->tid);
    pack_signed(to, event->level);
    pack_number(to, event->depth);
    pack_number(to, frames << 1 | event->has_msi);
    pack_address(writer, to, event->caller);
    if (event->has_msi) {
        pack_number(to, event->msi_address);
        pack_number(to, event->msi_data);
    }
    for (i = 0; i < frames; i++) {
        pack_address(writer, to, event->backtrace[i]);
    }
}

bool trace_writer_irq(TraceWriter *writer, const IrqlogEvent *event,
                      uint32_t line, uint32_t thread, Err *err)
{
    if (writer->irq.pack.end - writer->irq.pack.p < ENTRY_MAX &&
        !flush_irq(writer, err)) {
        return false;
    }
    pack_irq(writer, event, line, thread);
    return true;
}

/* The host's side. */

bool trace_writer_host(TraceWriter *writer, const TraceHost *host, Err *err)
{
    Chunk *chunk = &writer->host;
    Packer *to = &chunk->pack;

    if (!make_room(writer, chunk, err)) {
        return false;
    }
    if (chunk->entries == 0) {
        pack_fixed64(to, host->to_ns);
    } else {
        pack_signed(to, (int64_t)(host->to_ns - chunk->last_ns));
    }
    chunk->last_ns = host->to_ns;
    pack_number(to, host->vcpu);
    pack_number(to, host->to_ns - host->from_ns);
    pack_number(to, host->run_ns);
    pack_number(to, host->wait_ns);
    chunk->entries++;
    return true;
}

bool trace_writer_ticks(TraceWriter *writer, const TraceTicks *ticks,
                        Err *err)
{
    Chunk *chunk = &writer->ticks;
    Packer *to = &chunk->pack;
    unsigned i;

    if (!make_room(writer, chunk, err)) {
        return false;
    }
    if (chunk->entries == 0) {
        pack_fixed64(to, ticks->to_ns);
    } else {
        pack_signed(to, (int64_t)(ticks->to_ns - chunk->last_ns));
    }
    chunk->last_ns = ticks->to_ns;
    pack_number(to, ticks->vcpu);
    pack_number(to, ticks->to_ns - ticks->from_ns);
    pack_number(to, ticks->tick_ns);
    for (i = 0; i < TRACE_N_TICKS; i++) {
        pack_number(to, ticks->ticks[i]);
    }
    pack_number(to, ticks->interrupts);
    pack_number(to, ticks->dpcs);
    chunk->entries++;
    return true;
}

bool trace_writer_path(TraceWriter *writer, const TracePath *path, Err *err)
{
    if (!make_room(writer, &writer->paths, err)) {
        return false;
    }
    trace_path_pack(&writer->paths.pack, path);
    writer->paths.entries++;
    return true;
}

bool trace_writer_vector(TraceWriter *writer, const TraceVector *vector,
                         Err *err)
{
    Chunk *chunk = &writer->vectors;
    Packer *to = &chunk->pack;

    if (!make_room(writer, chunk, err)) {
        return false;
    }
    pack_number(to, vector->vcpu);
    pack_u8(to, vector->vector);
    pack_number(to, vector->has_apic_id ? vector->apic_id + UINT64_C(1) : 0);
    pack_string(to, vector->drivers);
    chunk->entries++;
    return true;
}

/* The rest: chunks of one entry, written at once. */

static bool write_other(TraceWriter *writer, Err *err)
{
    writer->other.entries = 1;
    return trace_writer_flush(writer, err) &&
           flush_chunk(writer, &writer->other, err);
}

bool trace_writer_lost(TraceWriter *writer, const TraceLost *lost, Err *err)
{
    Packer *to = &writer->other.pack;

    chunk_clear(&writer->other, TRACE_CHUNK_LOST);
    pack_u8(to, (uint8_t)lost->contents);
    pack_number(to, lost->count);
    pack_number(to, lost->first_seq);
    pack_fixed64(to, lost->from_ns);
    pack_fixed64(to, lost->to_ns);
    if (lost->contents == TRACE_SCHED) {
        writer->totals.sched_lost += lost->count;
    } else {
        writer->totals.irq_lost += lost->count;
    }
    return write_other(writer, err);
}

bool trace_writer_guest(TraceWriter *writer, const SchedlogGuest *guest,
                        uint64_t since_ns, Err *err)
{
    Packer *to = &writer->other.pack;
    uint32_t n = guest->n_offsets;
    uint32_t i;

    n = n < SCHEDLOG_MAX_OFFSETS ? n : SCHEDLOG_MAX_OFFSETS;
    chunk_clear(&writer->other, TRACE_CHUNK_GUEST);
    pack_fixed64(to, since_ns);
    pack_fixed64(to, guest->kernel_base);
    pack_number(to, guest->kernel_size);
    pack_number(to, guest->kernel_timestamp);
    pack_number(to, guest->build);
    pack_number(to, n);
    for (i = 0; i < n; i++) {
        pack_string(to, guest->offsets[i].name);
        pack_signed(to, guest->offsets[i].value);
        pack_string(to, guest->offsets[i].source);
    }
    return write_other(writer, err);
}

bool trace_writer_mark(TraceWriter *writer, const TraceMark *mark, Err *err)
{
    Packer *to = &writer->other.pack;

    chunk_clear(&writer->other, TRACE_CHUNK_MARK);
    pack_fixed64(to, mark->time_ns);
    pack_number(to, mark->sched_dropped);
    pack_number(to, mark->irq_dropped);
    pack_number(to, mark->lines_refused);
    pack_u8(to, mark->exact);
    return write_other(writer, err);
}

static void fill_end(TraceWriter *writer, TraceEndReason reason,
                     uint64_t time_ns)
{
    Packer *to = &writer->other.pack;

    chunk_clear(&writer->other, TRACE_CHUNK_END);
    pack_u8(to, (uint8_t)reason);
    pack_fixed64(to, time_ns);
    pack_number(to, writer->totals.sched_events);
    pack_number(to, writer->totals.irq_events);
    pack_number(to, writer->totals.sched_lost);
    pack_number(to, writer->totals.irq_lost);
}

bool trace_writer_end(TraceWriter *writer, TraceEndReason reason,
                      uint64_t time_ns, Err *err)
{
    /* Before the totals are written. */
    if (!trace_writer_flush(writer, err)) {
        return false;
    }
    fill_end(writer, reason, time_ns);
    return write_other(writer, err);
}

bool trace_writer_end_bare(TraceWriter *writer, TraceEndReason reason,
                           uint64_t time_ns, Err *err)
{
    writer->totals.sched_lost += writer->sched.entries;
    writer->totals.irq_lost += writer->irq.entries;
    clear_chunks(writer);
    fill_end(writer, reason, time_ns);
    return write_other(writer, err);
}
