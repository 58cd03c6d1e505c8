/*
 * irqlog/store: the memory in which interrupts are kept.
 *
 * One ring of records, and beside it the tables a record refers to: lines,
 * threads, mapped programs, and their names.  All of it is plain memory
 * without pointers, so a file of it can be read by another process, while it
 * is written or after the writer was killed.  Finding a line's entry in the
 * hot path is index.h's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_STORE_H
#define VMSCOPE_IRQLOG_STORE_H

#include "base/err.h"
#include "recorder/file.h"
#include "recorder/keeper.h"
#include "irqlog/event.h"

#include <stddef.h>

enum {
    IRQLOG_MAX_LINES = 4096,
    IRQLOG_MAX_THREADS = 1024,
    IRQLOG_MAX_OBJECTS = 256,
    IRQLOG_HEAP_SIZE = 512 * 1024,
    IRQLOG_NAME_MAX = 1000,   /* bytes kept of a string; the rest is cut */
    /* What an id is when its table is full; readers say "(unknown)". */
    IRQLOG_NO_LINE = IRQLOG_MAX_LINES,
    IRQLOG_NO_THREAD = IRQLOG_MAX_THREADS,
};

/* Strings are offsets into the heap; 0 is none. */
typedef struct IrqlogLineEntry {
    uint64_t irq;
    uint64_t handler;
    uint64_t opaque;
    uint64_t parent;            /* QOM parent object; tells a rename */
    int32_t n;
    uint32_t kind;
    _Atomic uint32_t path;      /* may be filled in after the entry */
    _Atomic uint32_t driven_by;
    _Atomic uint32_t owner;
    _Atomic uint32_t flags;
    _Atomic uint32_t device;    /* 0 in a file of before there were any */
    uint32_t reserved;
} IrqlogLineEntry;

enum {
    IRQLOG_LINE_CUT_OFF = 1,    /* the heap had no room for a name of it */
};

typedef struct IrqlogThreadEntry {
    uint32_t tid;
    uint32_t name;
    _Atomic uint32_t role;      /* may be filled in after the entry */
    uint32_t reserved;
} IrqlogThreadEntry;

typedef struct IrqlogObjectEntry {
    uint64_t load_base;
    uint64_t start;
    uint64_t end;
    uint32_t build_id;
    uint32_t file;
} IrqlogObjectEntry;

/* An entry is complete before the count takes it in. */
typedef struct IrqlogTables {
    _Atomic uint32_t n_lines;
    _Atomic uint32_t n_threads;
    _Atomic uint32_t n_objects;
    _Atomic uint32_t heap_used;
    _Atomic uint32_t lines_refused;     /* table or heap had no room */
    uint32_t reserved[11];
    IrqlogLineEntry lines[IRQLOG_MAX_LINES];
    IrqlogThreadEntry threads[IRQLOG_MAX_THREADS];
    IrqlogObjectEntry objects[IRQLOG_MAX_OBJECTS];
    char heap[IRQLOG_HEAP_SIZE];
} IrqlogTables;

/* Words of a record; see docs/formats/ring-v1.md. */
enum {
    IRQLOG_WORD_STAMP,
    IRQLOG_WORD_CALLER,
    IRQLOG_WORD_LEVEL_TID,      /* tid in bits 0-31, level in 32-63 */
    IRQLOG_WORD_IDS,            /* line 0-31, thread 32-47, depth 48-55,
                                   frames 56-63 */
    IRQLOG_WORD_MSI_ADDRESS,
    IRQLOG_WORD_MSI_DATA,       /* data 0-31, flags 32-39 */
    IRQLOG_WORD_BACKTRACE,
};

enum {
    IRQLOG_FLAG_MSI = 1,        /* a message, with address and data */
    IRQLOG_FLAG_LOCKED = 2,     /* the big QEMU lock was held */
};

/* One process's view of a store; plain values. */
typedef struct IrqlogStore {
    EvringHeader *header;
    IrqlogTables *tables;
    Evring ring;
    ClockSource clock;          /* the writer's */
    const ClockMap *map;        /* what stamps mean */
    unsigned max_backtrace;     /* frames a record has room for */
    uint32_t heap_used;         /* the writer's; of the memory, others write */
} IrqlogStore;

/* One call, as the hook saw it. */
typedef struct IrqlogCall {
    uint64_t caller;
    int32_t level;
    uint32_t tid;
    uint32_t line;
    uint16_t thread;
    uint8_t depth;
    uint8_t n_backtrace;        /* at most the store's max_backtrace */
    uint8_t flags;
    uint32_t msi_data;
    uint64_t msi_address;
    const uint64_t *backtrace;  /* @n_backtrace addresses */
} IrqlogCall;

/**
 * irqlog_store_size - bytes of memory for a store
 * @entries: from evring_round_entries()
 * @max_backtrace: frames, at most IRQLOG_BACKTRACE_MAX
 */
uint64_t irqlog_store_size(uint64_t entries, unsigned max_backtrace);

/**
 * irqlog_store_init - make a store in new memory
 * @store: filled in
 * @mem: irqlog_store_size() zeroed bytes, page aligned; stays the caller's
 * @entries: as given to irqlog_store_size()
 * @max_backtrace: as given to irqlog_store_size()
 * @run: what the header says of the process
 * @keeper: begun, for keeper_look(); lives as long as the store is used, and
 *          the store must not move
 * @earlier: an earlier reading of the host's clocks
 */
void irqlog_store_init(IrqlogStore *store, void *mem, uint64_t entries,
                       unsigned max_backtrace, const RecorderRun *run,
                       ClockKeeper *keeper, const ClockReading *earlier);

/**
 * irqlog_store_attach - read a store that somebody else writes or wrote
 * @store: filled in
 * @mem: the bytes, page aligned; anything may be in them, but nobody may
 *       change them meanwhile: of a file, the image of recorder/reader.h
 * @size: how many
 * @err: says why they are no store this reader can read
 *
 * Returns: true when the store may be read with the functions below
 */
bool irqlog_store_attach(IrqlogStore *store, const void *mem, uint64_t size,
                         Err *err);

/**
 * irqlog_store_add_line - a new line, for records to refer to
 * @line: strings are copied; a path of NULL is filled in later
 * @parent: the QOM parent's address
 *
 * Context: one thread at a time; the caller sees to it.  As in all adds.
 *
 * A line whose path has no room in the heap is added without it, and counts
 * as refused.
 *
 * Returns: its id; IRQLOG_NO_LINE when the table is full, and then
 *          irqlog_store_refuse_line() is for the caller to call
 */
uint32_t irqlog_store_add_line(IrqlogStore *store, const IrqlogLineInfo *line,
                               uint64_t parent);

/**
 * irqlog_store_refuse_line - count a line that is not in the table
 *
 * Context: any thread.
 */
void irqlog_store_refuse_line(IrqlogStore *store);

/**
 * irqlog_store_lines_refused - lines for which, or for whose names, there was
 * no room
 */
uint32_t irqlog_store_lines_refused(const IrqlogStore *store);

/**
 * irqlog_store_name_line - say what was not known when the line was added
 * @id: from irqlog_store_add_line()
 * @path: NULL leaves it as it is; so do the others
 */
void irqlog_store_name_line(IrqlogStore *store, uint32_t id, const char *path,
                            const char *driven_by, const char *owner);

/**
 * irqlog_store_set_device - say which device a line belongs to
 * @device: as in IrqlogLineInfo; NULL leaves it as it is
 *
 * Context: as the adds.  Without room in the heap there is none; the line
 * does not count as refused for that.
 */
void irqlog_store_set_device(IrqlogStore *store, uint32_t id,
                             const char *device);

uint32_t irqlog_store_add_thread(IrqlogStore *store,
                                 const IrqlogThreadInfo *thread);
void irqlog_store_name_thread(IrqlogStore *store, uint32_t id,
                              const char *role);

/* Returns: false when the table is full. */
bool irqlog_store_add_object(IrqlogStore *store,
                             const IrqlogObjectInfo *object);

/**
 * irqlog_store_stop - nothing more will be recorded
 */
void irqlog_store_stop(IrqlogStore *store);

/**
 * irqlog_store_begin_anew - its memory was lost, and is zeroed memory now
 *
 * The header is the caller's to restore.  Context: as the adds.
 */
void irqlog_store_begin_anew(IrqlogStore *store);

/**
 * irqlog_store_event - read one event
 * @seq: from 1
 * @event: filled in when the answer is EVRING_OK; its strings live as long as
 *         the store's memory
 *
 * Context: any thread; takes no lock.
 */
EvringRead irqlog_store_event(const IrqlogStore *store, uint64_t seq,
                              IrqlogEvent *event);

/**
 * irqlog_store_event_ids - the same, with the table entries it refers to
 * @line: receives the line's id
 * @thread: receives the thread's id
 */
EvringRead irqlog_store_event_ids(const IrqlogStore *store, uint64_t seq,
                                  IrqlogEvent *event, uint32_t *line,
                                  uint32_t *thread);

/* What an event is asked for by filters, but for names. */
typedef struct IrqlogBrief {
    uint32_t tid;
    uint32_t line;              /* id; IRQLOG_NO_LINE and more: none */
    int32_t n;
    IrqlogKind kind;
} IrqlogBrief;

/**
 * irqlog_store_brief - read of one event what it can be filtered by
 * @seq: from 1
 * @brief: filled in when the answer is EVRING_OK
 *
 * Far quicker than the whole event.  Context: any thread; takes no lock.
 */
EvringRead irqlog_store_brief(const IrqlogStore *store, uint64_t seq,
                              IrqlogBrief *brief);

/**
 * irqlog_store_run - what the header says of the run
 */
void irqlog_store_run(const IrqlogStore *store, IrqlogRun *run);

/* Counts, and entries by id; false for an id that is not there. */
uint32_t irqlog_store_n_lines(const IrqlogStore *store);
uint32_t irqlog_store_n_threads(const IrqlogStore *store);
uint32_t irqlog_store_n_objects(const IrqlogStore *store);
bool irqlog_store_line(const IrqlogStore *store, uint32_t id,
                       IrqlogLineInfo *line);
bool irqlog_store_thread(const IrqlogStore *store, uint32_t id,
                         IrqlogThreadInfo *thread);
bool irqlog_store_object(const IrqlogStore *store, uint32_t id,
                         IrqlogObjectInfo *object);

/**
 * irqlog_store_record - keep one call; the hot path
 *
 * Context: any thread; no lock, no system call (but where the stamp is one).
 */
static inline void irqlog_store_record(const IrqlogStore *store,
                                       const IrqlogCall *call)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&store->ring, &seq);
    unsigned i;

    if (__builtin_expect(!slot, 0)) {
        return;
    }
    /*
     * The stamp is read after the number was given, by the same thread: with
     * one writer, numbers and stamps rise together.
     */
    evring_put(slot, IRQLOG_WORD_STAMP, clock_stamp(&store->clock));
    evring_put(slot, IRQLOG_WORD_CALLER, call->caller);
    evring_put(slot, IRQLOG_WORD_LEVEL_TID,
               (uint64_t)(uint32_t)call->level << 32 | call->tid);
    evring_put(slot, IRQLOG_WORD_IDS,
               (uint64_t)call->n_backtrace << 56 |
               (uint64_t)call->depth << 48 | (uint64_t)call->thread << 32 |
               call->line);
    evring_put(slot, IRQLOG_WORD_MSI_ADDRESS, call->msi_address);
    evring_put(slot, IRQLOG_WORD_MSI_DATA,
               (uint64_t)call->flags << 32 | call->msi_data);
    for (i = 0; i < call->n_backtrace; i++) {
        evring_put(slot, IRQLOG_WORD_BACKTRACE + i, call->backtrace[i]);
    }
    evring_commit(slot, seq);
}

#endif
