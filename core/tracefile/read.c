/*
 * tracefile/read: see read.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/read.h"

#include "tracefile/pack.h"
#include "tracefile/path.h"
#include "tracefile/read-chunk.h"

#include <stdlib.h>
#include <string.h>

#define UNKNOWN "(unknown)"

/* A guest thread as a chunk told of it; has 0 and thread 0: it did not. */
typedef struct Thread {
    uint64_t thread;
    uint64_t process;
    uint32_t pid, tid;
    uint32_t has;
    uint32_t generation;    /* of ids; what is of another is forgotten */
    char image[SCHEDLOG_IMAGE_SIZE];
    char name[SCHEDLOG_NAME_SIZE];
} Thread;

/* Strings are this reader's own; NULL: there is none. */
typedef struct Line {
    bool known;
    IrqlogLineInfo info;
    char *path;
    char *driven_by;
    char *owner;
    char *device;
} Line;

typedef struct HostThread {
    IrqlogThreadInfo info;
    char *name;
    char *role;
} HostThread;

/* The chunk that is being read. */
typedef struct ChunkIn {
    uint32_t kind;
    Unpacker from;
    bool begun;             /* its first event was read */
    uint64_t last_ns;
    uint64_t last_seq;
} ChunkIn;

struct TraceReader {
    uint32_t contents;
    TraceInfo info;
    TraceChunks chunks;
    uint32_t generation;    /* of thread ids */
    ChunkIn chunk;
    IrqlogLineInfo unknown_line;
    IrqlogThreadInfo unknown_thread;
    Thread thread[TRACE_MAX_THREADS + 1];
    Line line[IRQLOG_MAX_LINES];
    HostThread host_thread[IRQLOG_MAX_THREADS];
    char text[4][TRACE_STRING_MAX + 1];
};

TraceReader *trace_reader_new(const TraceSource *source, uint32_t contents,
                              Err *err)
{
    TraceReader *reader = calloc(1, sizeof(*reader));

    if (!reader) {
        err_set(err, ERR_NOMEM, "out of memory");
        return NULL;
    }
    reader->chunks.source = *source;
    reader->contents = contents;
    reader->unknown_line.kind = IRQLOG_SOFTWARE;
    reader->unknown_line.path = UNKNOWN;
    reader->unknown_thread.name = "";
    if (!trace_chunks_begin(&reader->chunks, &reader->info, err)) {
        trace_reader_free(reader);
        return NULL;
    }
    return reader;
}

void trace_reader_free(TraceReader *reader)
{
    size_t i;

    if (!reader) {
        return;
    }
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        free(reader->line[i].path);
        free(reader->line[i].driven_by);
        free(reader->line[i].owner);
        free(reader->line[i].device);
    }
    for (i = 0; i < IRQLOG_MAX_THREADS; i++) {
        free(reader->host_thread[i].name);
        free(reader->host_thread[i].role);
    }
    free(reader);
}

const TraceInfo *trace_reader_info(const TraceReader *reader)
{
    return &reader->info;
}

const TraceReadStats *trace_reader_stats(const TraceReader *reader)
{
    return &reader->chunks.stats;
}

/* What chunks tell of threads, lines and the like. */

static void take_generation(TraceReader *reader, Unpacker *from)
{
    reader->generation = (uint32_t)unpack_number(from);
}

static void take_thread(TraceReader *reader, Unpacker *from)
{
    uint64_t id = unpack_number(from);
    Thread thread;

    memset(&thread, 0, sizeof(thread));
    thread.generation = reader->generation;
    thread.has = (uint32_t)unpack_number(from) & TRACE_THREAD_BITS;
    thread.thread = unpack_fixed64(from);
    if (thread.has & SCHEDLOG_HAS_PROCESS) {
        thread.process = unpack_fixed64(from);
    }
    if (thread.has & SCHEDLOG_HAS_IDS) {
        thread.pid = (uint32_t)unpack_number(from);
        thread.tid = (uint32_t)unpack_number(from);
    }
    if (thread.has & SCHEDLOG_HAS_IMAGE) {
        unpack_string(from, thread.image, sizeof(thread.image));
    }
    if (thread.has & SCHEDLOG_HAS_NAME) {
        unpack_string(from, thread.name, sizeof(thread.name));
    }
    if (id == 0 || id > TRACE_MAX_THREADS) {
        from->bad = true;
    }
    if (!from->bad) {
        reader->thread[id] = thread;
    }
}

/* NULL when there is none; @buf is of TRACE_STRING_MAX + 1 bytes. */
static const char *unpack_optional(Unpacker *from, char *buf)
{
    if (!unpack_u8(from)) {
        return NULL;
    }
    unpack_string(from, buf, TRACE_STRING_MAX + 1);
    return buf;
}

static const char *replace(char **to, const char *text)
{
    free(*to);
    *to = text ? strdup(text) : NULL;
    return *to;
}

static void set_line(Line *line, const IrqlogLineInfo *info)
{
    line->known = true;
    line->info = *info;
    line->info.path = replace(&line->path, info->path);
    if (!line->info.path) {
        line->info.path = UNKNOWN;
    }
    line->info.driven_by = replace(&line->driven_by, info->driven_by);
    line->info.owner = replace(&line->owner, info->owner);
    line->info.device = replace(&line->device, NULL);
}

static void take_line(TraceReader *reader, Unpacker *from)
{
    uint64_t id = unpack_number(from);
    IrqlogLineInfo info = {};
    uint8_t kind;

    info.irq = unpack_fixed64(from);
    info.handler = unpack_fixed64(from);
    info.opaque = unpack_fixed64(from);
    info.n = (int32_t)unpack_signed(from);
    kind = unpack_u8(from);
    info.kind = kind < IRQLOG_KIND_COUNT ? (IrqlogKind)kind : IRQLOG_SOFTWARE;
    unpack_string(from, reader->text[0], sizeof(reader->text[0]));
    info.path = reader->text[0];
    info.driven_by = unpack_optional(from, reader->text[1]);
    info.owner = unpack_optional(from, reader->text[2]);
    if (id >= IRQLOG_MAX_LINES) {
        from->bad = true;
    }
    if (!from->bad) {
        set_line(&reader->line[id], &info);
    }
}

static void take_device(TraceReader *reader, Unpacker *from)
{
    uint64_t id = unpack_number(from);
    Line *line;

    unpack_string(from, reader->text[0], sizeof(reader->text[0]));
    if (id >= IRQLOG_MAX_LINES) {
        from->bad = true;
    }
    /* The chunk that told of the line may be damaged. */
    if (!from->bad && reader->line[id].known) {
        line = &reader->line[id];
        line->info.device = replace(&line->device, reader->text[0]);
    }
}

static void take_host_thread(TraceReader *reader, Unpacker *from)
{
    uint64_t id = unpack_number(from);
    uint32_t tid = (uint32_t)unpack_number(from);
    const char *role;
    HostThread *thread;

    unpack_string(from, reader->text[0], sizeof(reader->text[0]));
    role = unpack_optional(from, reader->text[1]);
    if (id >= IRQLOG_MAX_THREADS) {
        from->bad = true;
    }
    if (from->bad) {
        return;
    }
    thread = &reader->host_thread[id];
    thread->info.tid = tid;
    thread->info.name = replace(&thread->name, reader->text[0]);
    thread->info.role = replace(&thread->role, role);
}

/* The rest of a chunk, entry by entry. */
static void take_all(TraceReader *reader,
                     void (*take)(TraceReader *reader, Unpacker *from))
{
    Unpacker *from = &reader->chunk.from;

    while (from->p < from->end && !from->bad) {
        take(reader, from);
    }
}

/* Events. */

static void unpack_step(ChunkIn *chunk, uint64_t *time_ns, uint64_t *seq)
{
    if (!chunk->begun) {
        chunk->last_ns = unpack_fixed64(&chunk->from);
        chunk->last_seq = unpack_number(&chunk->from);
        chunk->begun = true;
    } else {
        chunk->last_ns += (uint64_t)unpack_signed(&chunk->from);
        chunk->last_seq += unpack_number(&chunk->from);
    }
    *time_ns = chunk->last_ns;
    *seq = chunk->last_seq;
}

static const Thread *thread_by_id(const TraceReader *reader, uint64_t id)
{
    if (id > TRACE_MAX_THREADS ||
        reader->thread[id].generation != reader->generation) {
        id = 0;
    }
    return &reader->thread[id];
}

static void set_thread(SchedlogEvent *event, const Thread *thread)
{
    event->has |= thread->has;
    event->thread = thread->thread;
    event->process = thread->process;
    event->pid = thread->pid;
    event->tid = thread->tid;
    memcpy(event->image, thread->image, sizeof(event->image));
    memcpy(event->name, thread->name, sizeof(event->name));
}

static void unpack_new(Unpacker *from, SchedlogEvent *event)
{
    if (event->has & SCHEDLOG_HAS_ATTACHED) {
        event->attached = unpack_fixed64(from);
    }
    if (event->has & SCHEDLOG_HAS_STATE) {
        event->state = unpack_u8(from);
    }
    if (event->has & SCHEDLOG_HAS_PRIORITY) {
        event->priority = (int8_t)unpack_u8(from);
    }
    if (event->has & SCHEDLOG_HAS_MISSED) {
        event->missed = (uint32_t)unpack_number(from);
    }
    if (event->has & SCHEDLOG_HAS_SWITCHES) {
        event->switches = (uint32_t)unpack_number(from);
    }
    if (event->has & SCHEDLOG_HAS_WAIT_TIME) {
        event->wait_time = (uint32_t)unpack_number(from);
    }
}

/* Who ran before: by id, or else in full. */
static void unpack_old_thread(const TraceReader *reader, Unpacker *from,
                              SchedlogEvent *event)
{
    uint64_t id = unpack_number(from);
    const Thread *old = thread_by_id(reader, id);

    if (id) {
        event->old_thread = old->thread;
        if (event->has & SCHEDLOG_HAS_OLD_IDS) {
            event->old_pid = old->pid;
            event->old_tid = old->tid;
        }
        return;
    }
    event->old_thread = unpack_fixed64(from);
    if (event->has & SCHEDLOG_HAS_OLD_IDS) {
        event->old_pid = (uint32_t)unpack_number(from);
        event->old_tid = (uint32_t)unpack_number(from);
    }
}

static void unpack_old(const TraceReader *reader, Unpacker *from,
                       SchedlogEvent *event)
{
    if (event->has & SCHEDLOG_HAS_OLD) {
        unpack_old_thread(reader, from, event);
    }
    if (event->has & SCHEDLOG_HAS_OLD_STATE) {
        event->old_state = unpack_u8(from);
    }
    if (event->has & SCHEDLOG_HAS_OLD_WAIT_REASON) {
        event->old_wait_reason = unpack_u8(from);
    }
    if (event->has & SCHEDLOG_HAS_OLD_PRIORITY) {
        event->old_priority = (int8_t)unpack_u8(from);
    }
    /* An id that was not told of says nothing, nor does a zero. */
    if (!event->old_thread) {
        event->has &= ~(uint32_t)(SCHEDLOG_HAS_OLD | SCHEDLOG_HAS_OLD_IDS);
    }
}

static void set_vcpu(Unpacker *from, SchedlogEvent *event, uint64_t vcpu)
{
    if (vcpu >= TRACE_MAX_VCPUS) {
        from->bad = true;
    }
    event->vcpu = (uint16_t)vcpu;
}

static void take_sched(TraceReader *reader, TraceItem *item)
{
    ChunkIn *chunk = &reader->chunk;
    Unpacker *from = &chunk->from;
    SchedlogEvent *event = &item->sched;
    uint64_t place;
    uint64_t id;

    item->type = TRACE_ITEM_SCHED;
    memset(event, 0, sizeof(*event));
    if (!chunk->begun) {
        take_generation(reader, from);
    }
    unpack_step(chunk, &event->time_ns, &event->seq);
    event->has = (uint32_t)unpack_number(from) & TRACE_SWITCH_BITS;
    place = unpack_number(from);
    set_vcpu(from, event, place >> 2);
    event->origin = place & 3;
    if (event->origin > SCHEDLOG_EXACT) {
        from->bad = true;
    }
    id = unpack_number(from);
    unpack_new(from, event);
    unpack_old(reader, from, event);
    set_thread(event, thread_by_id(reader, id));
}

static void take_running(TraceReader *reader, TraceItem *item)
{
    ChunkIn *chunk = &reader->chunk;
    Unpacker *from = &chunk->from;
    SchedlogEvent *event = &item->sched;

    item->type = TRACE_ITEM_RUNNING;
    memset(event, 0, sizeof(*event));
    if (!chunk->begun) {
        take_generation(reader, from);
        chunk->begun = true;
    }
    set_vcpu(from, event, unpack_number(from));
    set_thread(event, thread_by_id(reader, unpack_number(from)));
    event->time_ns = unpack_fixed64(from);
}

static uint64_t unpack_address(const TraceReader *reader, Unpacker *from)
{
    return reader->info.load_base + (uint64_t)unpack_signed(from);
}

static void set_irq_line(const TraceReader *reader, uint64_t id,
                         TraceItem *item)
{
    IrqlogEvent *event = &item->irq;
    const IrqlogLineInfo *line = &reader->unknown_line;

    item->line = IRQLOG_NO_LINE;
    if (id < IRQLOG_MAX_LINES && reader->line[id].known) {
        item->line = (uint32_t)id;
        line = &reader->line[id].info;
    }
    item->line_info = line;
    event->irq = line->irq;
    event->handler = line->handler;
    event->opaque = line->opaque;
    event->n = line->n;
    event->kind = line->kind;
    event->path = line->path;
}

static void set_host_thread(const TraceReader *reader, uint64_t id,
                            TraceItem *item)
{
    item->host_thread = &reader->unknown_thread;
    if (id < IRQLOG_MAX_THREADS && reader->host_thread[id].name) {
        item->host_thread = &reader->host_thread[id].info;
    }
}

static void unpack_msi(Unpacker *from, IrqlogEvent *event)
{
    event->has_msi = true;
    event->msi_address = unpack_number(from);
    event->msi_data = (uint32_t)unpack_number(from);
    event->kind = IRQLOG_MSI;
    event->n = event->msi_data & 0xff;
    event->requester = event->path;
}

static void unpack_frames(const TraceReader *reader, Unpacker *from,
                          IrqlogEvent *event, uint64_t n)
{
    unsigned i;

    if (n > IRQLOG_BACKTRACE_MAX) {
        from->bad = true;
        return;
    }
    event->n_backtrace = (unsigned)n;
    for (i = 0; i < event->n_backtrace; i++) {
        event->backtrace[i] = unpack_address(reader, from);
    }
}

static void take_irq(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;
    IrqlogEvent *event = &item->irq;
    uint64_t flags;

    item->type = TRACE_ITEM_IRQ;
    memset(event, 0, sizeof(*event));
    unpack_step(&reader->chunk, &event->time_ns, &event->seq);
    set_irq_line(reader, unpack_number(from), item);
    set_host_thread(reader, unpack_number(from), item);
    event->tid = (uint32_t)unpack_number(from);
    event->level = (int32_t)unpack_signed(from);
    event->depth = (unsigned)unpack_number(from) & 0xff;
    flags = unpack_number(from);
    event->caller = unpack_address(reader, from);
    if (flags & 1) {
        unpack_msi(from, event);
    }
    unpack_frames(reader, from, event, flags >> 1);
}

/* The rest. */

static void take_object(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;
    IrqlogObjectInfo *object = &item->object;

    item->type = TRACE_ITEM_OBJECT;
    object->load_base = unpack_fixed64(from);
    object->start = unpack_fixed64(from);
    object->end = unpack_fixed64(from);
    unpack_string(from, reader->text[0], sizeof(reader->text[0]));
    unpack_string(from, reader->text[1], sizeof(reader->text[1]));
    object->build_id = reader->text[0];
    object->file = reader->text[1];
}

static void take_lost(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;

    item->type = TRACE_ITEM_LOST;
    item->lost.contents = unpack_u8(from);
    item->lost.count = unpack_number(from);
    item->lost.first_seq = unpack_number(from);
    item->lost.from_ns = unpack_fixed64(from);
    item->lost.to_ns = unpack_fixed64(from);
}

static void unpack_offsets(Unpacker *from, SchedlogGuest *guest)
{
    uint64_t n = unpack_number(from);
    SchedlogOffset *offset;
    uint32_t i;

    if (n > SCHEDLOG_MAX_OFFSETS) {
        from->bad = true;
        return;
    }
    guest->n_offsets = (uint32_t)n;
    for (i = 0; i < guest->n_offsets; i++) {
        offset = &guest->offsets[i];
        unpack_string(from, offset->name, sizeof(offset->name));
        offset->value = (int32_t)unpack_signed(from);
        unpack_string(from, offset->source, sizeof(offset->source));
    }
}

static void take_guest(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;
    SchedlogGuest *guest = &item->guest;

    item->type = TRACE_ITEM_GUEST;
    memset(guest, 0, sizeof(*guest));
    item->since_ns = unpack_fixed64(from);
    guest->kernel_base = unpack_fixed64(from);
    guest->kernel_size = (uint32_t)unpack_number(from);
    guest->kernel_timestamp = (uint32_t)unpack_number(from);
    guest->build = (uint32_t)unpack_number(from);
    unpack_offsets(from, guest);
}

static void take_mark(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;

    item->type = TRACE_ITEM_MARK;
    item->mark.time_ns = unpack_fixed64(from);
    item->mark.sched_dropped = unpack_number(from);
    item->mark.irq_dropped = unpack_number(from);
    item->mark.lines_refused = (uint32_t)unpack_number(from);
    item->mark.exact = unpack_u8(from) != 0;
}

static void take_end(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;

    item->type = TRACE_ITEM_END;
    item->end.reason = unpack_u8(from);
    item->end.time_ns = unpack_fixed64(from);
    item->end.sched_events = unpack_number(from);
    item->end.irq_events = unpack_number(from);
    item->end.sched_lost = unpack_number(from);
    item->end.irq_lost = unpack_number(from);
    if (!from->bad) {
        reader->chunks.stats.ended = true;
    }
}

static void take_host(TraceReader *reader, TraceItem *item)
{
    ChunkIn *chunk = &reader->chunk;
    Unpacker *from = &chunk->from;
    TraceHost *host = &item->host;
    uint64_t vcpu;
    uint64_t len;

    item->type = TRACE_ITEM_HOST;
    host->to_ns = chunk->begun ? chunk->last_ns + (uint64_t)unpack_signed(from)
                               : unpack_fixed64(from);
    chunk->begun = true;
    chunk->last_ns = host->to_ns;
    vcpu = unpack_number(from);
    len = unpack_number(from);
    host->run_ns = unpack_number(from);
    host->wait_ns = unpack_number(from);
    host->vcpu = (uint32_t)vcpu;
    host->from_ns = host->to_ns - len;
    from->bad |= vcpu >= TRACE_MAX_VCPUS || len > host->to_ns;
}

static void take_ticks(TraceReader *reader, TraceItem *item)
{
    ChunkIn *chunk = &reader->chunk;
    Unpacker *from = &chunk->from;
    TraceTicks *ticks = &item->ticks;
    uint64_t vcpu;
    uint64_t len;
    unsigned i;

    item->type = TRACE_ITEM_TICKS;
    ticks->to_ns = chunk->begun
        ? chunk->last_ns + (uint64_t)unpack_signed(from)
        : unpack_fixed64(from);
    chunk->begun = true;
    chunk->last_ns = ticks->to_ns;
    vcpu = unpack_number(from);
    len = unpack_number(from);
    ticks->tick_ns = unpack_number(from);
    for (i = 0; i < TRACE_N_TICKS; i++) {
        ticks->ticks[i] = (uint32_t)unpack_number(from);
    }
    ticks->interrupts = (uint32_t)unpack_number(from);
    ticks->dpcs = (uint32_t)unpack_number(from);
    ticks->vcpu = (uint32_t)vcpu;
    ticks->from_ns = ticks->to_ns - len;
    from->bad |= vcpu >= TRACE_MAX_VCPUS || len > ticks->to_ns;
}

static void take_path(TraceReader *reader, TraceItem *item)
{
    item->type = TRACE_ITEM_PATH;
    trace_path_unpack(&reader->chunk.from, &item->path);
}

static void take_vector(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;
    TraceVector *vector = &item->vector;
    uint64_t vcpu = unpack_number(from);
    uint64_t apic;

    item->type = TRACE_ITEM_VECTOR;
    vector->vcpu = (uint32_t)vcpu;
    vector->vector = unpack_u8(from);
    apic = unpack_number(from);
    vector->has_apic_id = apic != 0;
    vector->apic_id = (uint32_t)(apic - 1);
    unpack_string(from, vector->drivers, sizeof(vector->drivers));
    from->bad |= vcpu >= TRACE_MAX_VCPUS || apic > UINT64_C(1) << 32;
}

typedef void ItemFn(TraceReader *reader, TraceItem *item);

static const struct {
    TraceChunkKind kind;
    uint32_t contents;      /* given to who wants any of these */
    ItemFn *take;           /* one item of the chunk */
} item_kinds[] = {
    { TRACE_CHUNK_SCHED, TRACE_SCHED, take_sched },
    { TRACE_CHUNK_RUNNING, TRACE_SCHED, take_running },
    { TRACE_CHUNK_IRQ, TRACE_IRQ, take_irq },
    { TRACE_CHUNK_LOST, TRACE_SCHED | TRACE_IRQ, take_lost },
    { TRACE_CHUNK_OBJECTS, TRACE_SCHED | TRACE_IRQ, take_object },
    { TRACE_CHUNK_GUEST, TRACE_SCHED | TRACE_IRQ, take_guest },
    { TRACE_CHUNK_MARK, TRACE_SCHED | TRACE_IRQ, take_mark },
    { TRACE_CHUNK_END, TRACE_SCHED | TRACE_IRQ, take_end },
    { TRACE_CHUNK_HOST, TRACE_SCHED | TRACE_IRQ, take_host },
    { TRACE_CHUNK_TICKS, TRACE_SCHED | TRACE_IRQ, take_ticks },
    { TRACE_CHUNK_PATHS, TRACE_SCHED, take_path },
    { TRACE_CHUNK_VECTORS, TRACE_SCHED | TRACE_IRQ, take_vector },
};

/* NULL for a chunk without items, or of which none are wanted. */
static ItemFn *find_take(const TraceReader *reader)
{
    size_t i;

    for (i = 0; i < sizeof(item_kinds) / sizeof(*item_kinds); i++) {
        if (item_kinds[i].kind == (TraceChunkKind)reader->chunk.kind &&
            item_kinds[i].contents & reader->contents) {
            return item_kinds[i].take;
        }
    }
    return NULL;
}

static bool is_wanted(const TraceReader *reader, const TraceItem *item)
{
    return item->type != TRACE_ITEM_LOST ||
           (item->lost.contents & reader->contents);
}

/* An item of the chunk at hand; what is wrong ends the chunk. */
static bool next_in_chunk(TraceReader *reader, TraceItem *item)
{
    Unpacker *from = &reader->chunk.from;
    ItemFn *take = find_take(reader);

    while (take && from->p < from->end) {
        take(reader, item);
        if (from->bad) {
            reader->chunks.stats.chunks_malformed++;
            break;
        }
        if (is_wanted(reader, item)) {
            return true;
        }
    }
    from->p = from->end;
    return false;
}

static void take_threads(TraceReader *reader)
{
    take_generation(reader, &reader->chunk.from);
    take_all(reader, take_thread);
}

/* A chunk without items; those with items are left for later. */
static void take_tables(TraceReader *reader)
{
    switch (reader->chunk.kind) {
    case TRACE_CHUNK_THREADS:
        take_threads(reader);
        break;
    case TRACE_CHUNK_LINES:
        take_all(reader, take_line);
        break;
    case TRACE_CHUNK_DEVICES:
        take_all(reader, take_device);
        break;
    case TRACE_CHUNK_HOST_THREADS:
        take_all(reader, take_host_thread);
        break;
    default:
        reader->chunks.stats.chunks_unknown +=
            reader->chunk.kind == 0 ||
            reader->chunk.kind > TRACE_CHUNK_LAST;
        return;
    }
    reader->chunks.stats.chunks_malformed += reader->chunk.from.bad;
    reader->chunk.from.p = reader->chunk.from.end;
}

/* Go to the next chunk; false when there is none. */
static bool begin_chunk(TraceReader *reader)
{
    TraceChunks *chunks = &reader->chunks;

    if (chunks->stats.ended || !trace_chunks_next(chunks)) {
        return false;
    }
    memset(&reader->chunk, 0, sizeof(reader->chunk));
    reader->chunk.kind = chunks->kind;
    reader->chunk.from.p = chunks->payload;
    reader->chunk.from.end = chunks->payload + chunks->len;
    return true;
}

bool trace_reader_next(TraceReader *reader, TraceItem *item)
{
    while (!next_in_chunk(reader, item)) {
        if (!begin_chunk(reader)) {
            return false;
        }
        take_tables(reader);
    }
    return true;
}
