/*
 * irqlog/store: see store.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/store.h"

#include <string.h>

static EvringShape shape_for(uint64_t entries, unsigned max_backtrace)
{
    EvringShape shape = {
        .content = EVRING_CONTENT_IRQ,
        .entries = entries,
        .n_words = IRQLOG_WORD_BACKTRACE + max_backtrace,
        .tables_size = sizeof(IrqlogTables),
    };

    return shape;
}

uint64_t irqlog_store_size(uint64_t entries, unsigned max_backtrace)
{
    EvringShape shape = shape_for(entries, max_backtrace);

    return evring_file_size(&shape);
}

/* Sets what this process derives from the header. */
static void store_view(IrqlogStore *store, EvringHeader *header,
                       const ClockMap *map)
{
    store->header = header;
    store->tables = (IrqlogTables *)((char *)header + header->tables_offset);
    store->map = map;
    store->max_backtrace = header->n_words - IRQLOG_WORD_BACKTRACE;
}

void irqlog_store_begin_anew(IrqlogStore *store)
{
    /* Offset 0 means "none". */
    store->heap_used = 1;
    atomic_store_explicit(&store->tables->heap_used, 1, memory_order_relaxed);
}

void irqlog_store_init(IrqlogStore *store, void *mem, uint64_t entries,
                       unsigned max_backtrace, const RecorderRun *run,
                       ClockKeeper *keeper, const ClockReading *earlier)
{
    EvringShape shape = shape_for(entries, max_backtrace);
    EvringHeader *header = mem;

    recorder_begin(header, &shape, run, &store->ring, &store->clock, keeper,
                   earlier);
    store_view(store, header, &keeper->map);
    irqlog_store_begin_anew(store);
    evring_file_publish(header);
}

bool irqlog_store_attach(IrqlogStore *store, const void *mem, uint64_t size,
                         Err *err)
{
    EvringHeader *header = (EvringHeader *)mem;

    if (!recorder_attach(header, size, EVRING_CONTENT_IRQ, "interrupts",
                         sizeof(IrqlogTables), IRQLOG_WORD_BACKTRACE,
                         IRQLOG_WORD_BACKTRACE + IRQLOG_BACKTRACE_MAX,
                         &store->ring, err)) {
        return false;
    }
    store_view(store, header, &header->clock);
    return true;
}

/* A string's place in the heap; 0 when it has no room or there is none. */
static uint32_t add_string(IrqlogStore *store, const char *string)
{
    IrqlogTables *tables = store->tables;
    uint32_t used = store->heap_used;
    size_t len;

    if (!string) {
        return 0;
    }
    len = strnlen(string, IRQLOG_NAME_MAX);
    if (len + 1 > IRQLOG_HEAP_SIZE - used) {
        return 0;
    }
    memcpy(tables->heap + used, string, len);
    tables->heap[used + len] = '\0';
    store->heap_used = used + (uint32_t)len + 1;
    atomic_store_explicit(&tables->heap_used, store->heap_used,
                          memory_order_relaxed);
    return used;
}

/* Counts never exceed their table, whatever the memory says. */
static uint32_t read_count(const _Atomic uint32_t *count, uint32_t max)
{
    /* Pairs with the release in each add: entries first. */
    uint32_t n = atomic_load_explicit(count, memory_order_acquire);

    return n < max ? n : max;
}

/* NULL when the offset is none, or leads nowhere. */
static const char *get_string(const IrqlogStore *store, uint32_t offset)
{
    const char *heap = store->tables->heap;

    if (offset == 0 || offset >= IRQLOG_HEAP_SIZE ||
        !memchr(heap + offset, '\0', IRQLOG_HEAP_SIZE - offset)) {
        return NULL;
    }
    return heap + offset;
}

static const char *get_late_string(const IrqlogStore *store,
                                   const _Atomic uint32_t *where)
{
    /* Pairs with the release in name_once(). */
    return get_string(store, atomic_load_explicit(where,
                                                  memory_order_acquire));
}

uint32_t irqlog_store_add_line(IrqlogStore *store, const IrqlogLineInfo *line,
                               uint64_t parent)
{
    IrqlogTables *tables = store->tables;
    uint32_t id = read_count(&tables->n_lines, IRQLOG_MAX_LINES);
    IrqlogLineEntry *entry = &tables->lines[id];

    if (id == IRQLOG_MAX_LINES) {
        return IRQLOG_NO_LINE;
    }
    entry->irq = line->irq;
    entry->handler = line->handler;
    entry->opaque = line->opaque;
    entry->parent = parent;
    entry->n = line->n;
    entry->kind = line->kind;
    irqlog_store_name_line(store, id, line->path, line->driven_by,
                           line->owner);
    irqlog_store_set_device(store, id, line->device);
    /* Pairs with the acquire in read_count(): entry first. */
    atomic_store_explicit(&tables->n_lines, id + 1, memory_order_release);
    return id;
}

void irqlog_store_refuse_line(IrqlogStore *store)
{
    atomic_fetch_add_explicit(&store->tables->lines_refused, 1,
                              memory_order_relaxed);
}

uint32_t irqlog_store_lines_refused(const IrqlogStore *store)
{
    return atomic_load_explicit(&store->tables->lines_refused,
                                memory_order_relaxed);
}

/* Returns: false when there was a string and no room for it. */
static bool name_once(IrqlogStore *store, _Atomic uint32_t *where,
                      const char *string)
{
    uint32_t offset = add_string(store, string);

    if (offset) {
        /* Pairs with the acquire in get_string(): bytes first. */
        atomic_store_explicit(where, offset, memory_order_release);
    }
    return offset || !string;
}

void irqlog_store_name_line(IrqlogStore *store, uint32_t id, const char *path,
                            const char *driven_by, const char *owner)
{
    IrqlogLineEntry *entry = &store->tables->lines[id];
    bool whole = name_once(store, &entry->path, path);

    whole &= name_once(store, &entry->driven_by, driven_by);
    whole &= name_once(store, &entry->owner, owner);
    /* A line counts once, however many of its names are missing. */
    if (!whole && !(atomic_fetch_or_explicit(&entry->flags,
                                             IRQLOG_LINE_CUT_OFF,
                                             memory_order_relaxed) &
                    IRQLOG_LINE_CUT_OFF)) {
        irqlog_store_refuse_line(store);
    }
}

/* The pins of a device come one behind the other: they share its name. */
void irqlog_store_set_device(IrqlogStore *store, uint32_t id,
                             const char *device)
{
    IrqlogLineEntry *entry = &store->tables->lines[id];
    const char *before = id ? get_late_string(store, &entry[-1].device) : NULL;

    if (device && before && !strcmp(before, device)) {
        atomic_store_explicit(&entry->device,
                              atomic_load_explicit(&entry[-1].device,
                                                   memory_order_relaxed),
                              memory_order_release);
    } else {
        name_once(store, &entry->device, device);
    }
}

uint32_t irqlog_store_add_thread(IrqlogStore *store,
                                 const IrqlogThreadInfo *thread)
{
    IrqlogTables *tables = store->tables;
    uint32_t id = read_count(&tables->n_threads, IRQLOG_MAX_THREADS);
    IrqlogThreadEntry *entry = &tables->threads[id];

    if (id == IRQLOG_MAX_THREADS) {
        return IRQLOG_NO_THREAD;
    }
    entry->tid = thread->tid;
    entry->name = add_string(store, thread->name);
    name_once(store, &entry->role, thread->role);
    /* Pairs with the acquire in read_count(): entry first. */
    atomic_store_explicit(&tables->n_threads, id + 1, memory_order_release);
    return id;
}

void irqlog_store_name_thread(IrqlogStore *store, uint32_t id,
                              const char *role)
{
    name_once(store, &store->tables->threads[id].role, role);
}

bool irqlog_store_add_object(IrqlogStore *store,
                             const IrqlogObjectInfo *object)
{
    IrqlogTables *tables = store->tables;
    uint32_t id = read_count(&tables->n_objects, IRQLOG_MAX_OBJECTS);
    IrqlogObjectEntry *entry = &tables->objects[id];

    if (id == IRQLOG_MAX_OBJECTS) {
        return false;
    }
    entry->load_base = object->load_base;
    entry->start = object->start;
    entry->end = object->end;
    entry->build_id = add_string(store, object->build_id);
    entry->file = add_string(store, object->file);
    /* Pairs with the acquire in read_count(): entry first. */
    atomic_store_explicit(&tables->n_objects, id + 1, memory_order_release);
    return true;
}

void irqlog_store_stop(IrqlogStore *store)
{
    recorder_stop(store->header, &store->clock);
}

bool irqlog_store_line(const IrqlogStore *store, uint32_t id,
                       IrqlogLineInfo *line)
{
    const IrqlogLineEntry *entry;

    if (id >= irqlog_store_n_lines(store)) {
        return false;
    }
    entry = &store->tables->lines[id];
    line->irq = entry->irq;
    line->handler = entry->handler;
    line->opaque = entry->opaque;
    line->n = entry->n;
    line->kind = entry->kind < IRQLOG_KIND_COUNT ? entry->kind :
                                                   IRQLOG_SOFTWARE;
    line->path = get_late_string(store, &entry->path);
    if (!line->path) {
        line->path = atomic_load_explicit(&entry->flags,
                                          memory_order_relaxed) &
                     IRQLOG_LINE_CUT_OFF ? IRQLOG_UNKNOWN : IRQLOG_ANONYMOUS;
    }
    line->driven_by = get_late_string(store, &entry->driven_by);
    line->owner = get_late_string(store, &entry->owner);
    line->device = get_late_string(store, &entry->device);
    return true;
}

bool irqlog_store_thread(const IrqlogStore *store, uint32_t id,
                         IrqlogThreadInfo *thread)
{
    const IrqlogThreadEntry *entry;

    if (id >= irqlog_store_n_threads(store)) {
        return false;
    }
    entry = &store->tables->threads[id];
    thread->tid = entry->tid;
    thread->name = get_string(store, entry->name);
    if (!thread->name) {
        thread->name = "";
    }
    thread->role = get_late_string(store, &entry->role);
    return true;
}

bool irqlog_store_object(const IrqlogStore *store, uint32_t id,
                         IrqlogObjectInfo *object)
{
    const IrqlogObjectEntry *entry;

    if (id >= irqlog_store_n_objects(store)) {
        return false;
    }
    entry = &store->tables->objects[id];
    object->load_base = entry->load_base;
    object->start = entry->start;
    object->end = entry->end;
    object->build_id = get_string(store, entry->build_id);
    if (!object->build_id) {
        object->build_id = "";
    }
    object->file = get_string(store, entry->file);
    if (!object->file) {
        object->file = "";
    }
    return true;
}

uint32_t irqlog_store_n_lines(const IrqlogStore *store)
{
    return read_count(&store->tables->n_lines, IRQLOG_MAX_LINES);
}

uint32_t irqlog_store_n_threads(const IrqlogStore *store)
{
    return read_count(&store->tables->n_threads, IRQLOG_MAX_THREADS);
}

uint32_t irqlog_store_n_objects(const IrqlogStore *store)
{
    return read_count(&store->tables->n_objects, IRQLOG_MAX_OBJECTS);
}

void irqlog_store_run(const IrqlogStore *store, IrqlogRun *run)
{
    const EvringHeader *header = store->header;

    memset(run, 0, sizeof(*run));
    run->format = header->version;
    run->pid = header->pid;
    run->load_base = header->load_base;
    run->monotonic_ns = header->begin.monotonic_ns;
    run->realtime_ns = header->begin.realtime_ns;
    memcpy(run->build_id, header->build_id, sizeof(run->build_id) - 1);
    memcpy(run->exe, header->exe, sizeof(run->exe) - 1);
}

static void unpack_backtrace(const IrqlogStore *store, const uint64_t *words,
                             IrqlogEvent *event)
{
    unsigned n = words[IRQLOG_WORD_IDS] >> 56;
    unsigned i;

    event->n_backtrace = n < store->max_backtrace ? n : store->max_backtrace;
    for (i = 0; i < event->n_backtrace; i++) {
        event->backtrace[i] = words[IRQLOG_WORD_BACKTRACE + i];
    }
}

static void unpack_msi(const uint64_t *words, IrqlogEvent *event)
{
    event->has_msi = true;
    event->kind = IRQLOG_MSI;
    event->msi_address = words[IRQLOG_WORD_MSI_ADDRESS];
    event->msi_data = (uint32_t)words[IRQLOG_WORD_MSI_DATA];
    event->requester = event->path;
    event->n = irqlog_message_vector(event->msi_data);
}

static void unpack(const IrqlogStore *store, const uint64_t *words,
                   IrqlogEvent *event)
{
    IrqlogLineInfo line = { .kind = IRQLOG_SOFTWARE, .path = IRQLOG_UNKNOWN };

    irqlog_store_line(store, (uint32_t)words[IRQLOG_WORD_IDS], &line);
    event->time_ns = clock_map_ns(store->map, words[IRQLOG_WORD_STAMP]);
    event->caller = words[IRQLOG_WORD_CALLER];
    event->tid = (uint32_t)words[IRQLOG_WORD_LEVEL_TID];
    event->level = (int32_t)(words[IRQLOG_WORD_LEVEL_TID] >> 32);
    event->depth = words[IRQLOG_WORD_IDS] >> 48 & 0xff;
    event->n = line.n;
    event->kind = line.kind;
    event->irq = line.irq;
    event->handler = line.handler;
    event->opaque = line.opaque;
    event->path = line.path;
    event->has_msi = false;
    event->msi_address = 0;
    event->msi_data = 0;
    event->requester = NULL;
    unpack_backtrace(store, words, event);
    if (words[IRQLOG_WORD_MSI_DATA] >> 32 & IRQLOG_FLAG_MSI) {
        unpack_msi(words, event);
    }
}

EvringRead irqlog_store_brief(const IrqlogStore *store, uint64_t seq,
                              IrqlogBrief *brief)
{
    uint64_t words[IRQLOG_WORD_BACKTRACE];
    EvringRead result = evring_read_first(&store->ring, seq,
                                          IRQLOG_WORD_BACKTRACE, words);
    const IrqlogLineEntry *line;

    if (result != EVRING_OK) {
        return result;
    }
    brief->tid = (uint32_t)words[IRQLOG_WORD_LEVEL_TID];
    brief->line = (uint32_t)words[IRQLOG_WORD_IDS];
    brief->n = 0;
    brief->kind = IRQLOG_SOFTWARE;
    if (words[IRQLOG_WORD_MSI_DATA] >> 32 & IRQLOG_FLAG_MSI) {
        brief->kind = IRQLOG_MSI;
        brief->n = irqlog_message_vector(
            (uint32_t)words[IRQLOG_WORD_MSI_DATA]);
    } else if (brief->line < irqlog_store_n_lines(store)) {
        line = &store->tables->lines[brief->line];
        brief->n = line->n;
        brief->kind = line->kind < IRQLOG_KIND_COUNT ? line->kind :
                                                       IRQLOG_SOFTWARE;
    }
    return EVRING_OK;
}

EvringRead irqlog_store_event_ids(const IrqlogStore *store, uint64_t seq,
                                  IrqlogEvent *event, uint32_t *line,
                                  uint32_t *thread)
{
    uint64_t words[EVRING_MAX_WORDS];
    EvringRead result = evring_read(&store->ring, seq, words);

    if (result == EVRING_OK) {
        event->seq = seq;
        unpack(store, words, event);
        *line = (uint32_t)words[IRQLOG_WORD_IDS];
        *thread = words[IRQLOG_WORD_IDS] >> 32 & 0xffff;
    }
    return result;
}

EvringRead irqlog_store_event(const IrqlogStore *store, uint64_t seq,
                              IrqlogEvent *event)
{
    uint32_t line;
    uint32_t thread;

    return irqlog_store_event_ids(store, seq, event, &line, &thread);
}
