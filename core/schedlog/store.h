/*
 * schedlog/store: the memory in which thread switches are kept.
 *
 * One ring for all vCPUs, so that numbers give one order and all vCPUs reach
 * equally far back.  A record says everything itself, names included: threads
 * come and go by thousands, and a table of them would either grow or lie.
 * The layout is docs/formats/ring-v1.md, content 2, with what ring-v2.md
 * changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SCHEDLOG_STORE_H
#define VMSCOPE_SCHEDLOG_STORE_H

#include "base/err.h"
#include "recorder/file.h"
#include "recorder/keeper.h"

enum {
    SCHEDLOG_IMAGE_SIZE = 16,
    SCHEDLOG_NAME_SIZE = 80,
    SCHEDLOG_MAX_OFFSETS = 64,
};

typedef enum SchedlogOrigin {
    SCHEDLOG_EXIT = 0,
    SCHEDLOG_POLL = 1,
    SCHEDLOG_EXACT = 2,
} SchedlogOrigin;

/* Bits of SchedlogEvent.has: which members say something. */
enum {
    SCHEDLOG_HAS_PROCESS = 1 << 0,
    SCHEDLOG_HAS_ATTACHED = 1 << 1,
    SCHEDLOG_HAS_IDS = 1 << 2,
    SCHEDLOG_HAS_IMAGE = 1 << 3,
    SCHEDLOG_HAS_NAME = 1 << 4,
    SCHEDLOG_NAME_CUT = 1 << 5,
    SCHEDLOG_HAS_STATE = 1 << 6,
    SCHEDLOG_HAS_PRIORITY = 1 << 7,
    SCHEDLOG_IDLE = 1 << 8,
    SCHEDLOG_HAS_MISSED = 1 << 9,
    SCHEDLOG_HAS_OLD = 1 << 10,         /* old_thread */
    SCHEDLOG_HAS_OLD_IDS = 1 << 11,
    SCHEDLOG_HAS_OLD_STATE = 1 << 12,
    SCHEDLOG_HAS_OLD_WAIT_REASON = 1 << 13,
    SCHEDLOG_HAS_OLD_PRIORITY = 1 << 14,
    SCHEDLOG_HAS_SWITCHES = 1 << 15,    /* KTHREAD.ContextSwitches */
    SCHEDLOG_HAS_WAIT_TIME = 1 << 16,
    SCHEDLOG_IDLE_UNKNOWN = 1 << 17,    /* it may be the idle thread */
    SCHEDLOG_HAS_ALL = (1 << 18) - 1,   /* all of these */
};

/* Words of a record; see docs/formats/ring-v1.md. */
enum {
    SCHEDLOG_WORD_STAMP,
    SCHEDLOG_WORD_THREAD,
    SCHEDLOG_WORD_PROCESS,
    SCHEDLOG_WORD_ATTACHED,
    SCHEDLOG_WORD_OLD_THREAD,
    SCHEDLOG_WORD_IDS,          /* pid in bits 0-31, tid in 32-63 */
    SCHEDLOG_WORD_OLD_IDS,
    SCHEDLOG_WORD_BYTES,        /* vcpu 0-15, origin 16-23, state 24-31,
                                   priority 32-39, old_state 40-47,
                                   old_wait_reason 48-55, old_priority
                                   56-63 */
    SCHEDLOG_WORD_HAS,          /* missed 0-31, has 32-63 */
    SCHEDLOG_WORD_COUNTS,       /* switches 0-31, wait_time 32-63 */
    SCHEDLOG_WORD_IMAGE,
    SCHEDLOG_WORD_NAME = SCHEDLOG_WORD_IMAGE + SCHEDLOG_IMAGE_SIZE / 8,
    SCHEDLOG_WORD_RESERVED = SCHEDLOG_WORD_NAME + SCHEDLOG_NAME_SIZE / 8,
    SCHEDLOG_N_WORDS,           /* 23: a slot is 192 bytes */
};

/* One switch, as stored and as read; what has does not say is 0 when read. */
typedef struct SchedlogEvent {
    uint64_t seq;               /* by the ring, from 1 */
    uint64_t stamp;             /* writer: the stamp; reader: also time_ns */
    uint64_t time_ns;           /* CLOCK_MONOTONIC; set by the reader */
    uint64_t thread;            /* KTHREAD of who runs now */
    uint64_t process;           /* its owner */
    uint64_t attached;          /* process whose memory it uses */
    uint64_t old_thread;        /* who ran before */
    uint32_t pid, tid;
    uint32_t old_pid, old_tid;
    uint32_t missed;            /* unseen switches since the last entry */
    uint32_t has;
    uint32_t switches;          /* KTHREAD.ContextSwitches */
    uint32_t wait_time;         /* KTHREAD.WaitTime, ticks */
    uint16_t vcpu;
    uint8_t origin;             /* SchedlogOrigin */
    uint8_t state;              /* of the new thread */
    int8_t priority;
    uint8_t old_state;
    uint8_t old_wait_reason;
    int8_t old_priority;
    char image[SCHEDLOG_IMAGE_SIZE];    /* 15 bytes as in the guest, a NUL */
    char name[SCHEDLOG_NAME_SIZE];      /* UTF-8, NUL-terminated */
} SchedlogEvent;

/* What the tables of the ring say of the guest; written when known. */
typedef struct SchedlogOffset {
    char name[40];
    int32_t value;              /* -1: not known */
    char source[12];
    uint32_t reserved[2];
} SchedlogOffset;

typedef struct SchedlogGuest {
    uint64_t kernel_base;
    uint32_t kernel_size;
    uint32_t kernel_timestamp;
    uint32_t build;             /* 0: no Windows seen yet */
    uint32_t n_offsets;
    uint64_t since_stamp;       /* from when on this holds */
    SchedlogOffset offsets[SCHEDLOG_MAX_OFFSETS];
} SchedlogGuest;

/* A reboot into another kernel makes a new entry; the last one stays. */
enum { SCHEDLOG_MAX_GUESTS = 16 };

typedef struct SchedlogTables {
    _Atomic uint32_t n_guests;  /* ever written; entry k is at k % 16 */
    uint32_t poll_hz;
    _Atomic uint32_t exact;     /* exact mode holds: no known missed switch */
    uint32_t reserved[13];
    SchedlogGuest guests[SCHEDLOG_MAX_GUESTS];
} SchedlogTables;

_Static_assert(sizeof(SchedlogOffset) == 64 && sizeof(SchedlogGuest) == 4128 &&
               sizeof(SchedlogTables) == 64 + 16 * 4128,
               "the tables are a format, not just a struct");

/* One process's view of a store; plain values. */
typedef struct SchedlogStore {
    EvringHeader *header;
    SchedlogTables *tables;
    Evring ring;
    ClockSource clock;          /* the writer's */
    const ClockMap *map;        /* what stamps mean */
} SchedlogStore;

/* What a ring has room for when nobody says: so many for each vCPU ... */
enum { SCHEDLOG_DEFAULT_ENTRIES = 65536 };
/* ... and no more memory than this. */
#define SCHEDLOG_DEFAULT_BYTES (UINT64_C(64) << 20)

/**
 * schedlog_entries - capacity of the ring
 * @per_vcpu: wished for each; 0: the default
 * @n_vcpus: how many there are
 *
 * Returns: a power of two, at most EVRING_MAX_ENTRIES; by default no more than
 *          have room in SCHEDLOG_DEFAULT_BYTES
 */
uint64_t schedlog_entries(uint64_t per_vcpu, unsigned n_vcpus);

/**
 * schedlog_store_size - bytes of memory for a store of @entries
 */
uint64_t schedlog_store_size(uint64_t entries);

/**
 * schedlog_store_init - make a store in new memory
 * @mem: schedlog_store_size() zeroed bytes, page aligned; stays the caller's
 * @entries: a power of two
 * @run: strings are copied
 * @keeper: begun, for keeper_look(); lives as long as the store is used, and
 *          the store must not move
 * @earlier: an earlier reading of the host's clocks
 */
void schedlog_store_init(SchedlogStore *store, void *mem, uint64_t entries,
                         const RecorderRun *run, ClockKeeper *keeper,
                         const ClockReading *earlier);

/**
 * schedlog_store_attach - read a store that somebody else writes or wrote
 * @mem: the bytes, page aligned; anything may be in them, but nobody may
 *       change them meanwhile: of a file, the image of recorder/reader.h
 *
 * Returns: false with a sentence when it is none, damaged or newer
 */
bool schedlog_store_attach(SchedlogStore *store, const void *mem,
                           uint64_t size, Err *err);

/**
 * schedlog_store_add_guest - a kernel was found
 * @guest: copied
 *
 * Context: one thread at a time.
 */
void schedlog_store_add_guest(SchedlogStore *store,
                              const SchedlogGuest *guest);

/**
 * schedlog_store_guest - the newest kernel, or what it was @back before
 * @guest: filled in; its strings are NUL-terminated and printable ASCII even in
 *         a file that lies
 *
 * Context: any thread; takes no lock.
 *
 * Returns: false when there is none, or not any more: the newest 15 are kept
 */
bool schedlog_store_guest(const SchedlogStore *store, unsigned back,
                          SchedlogGuest *guest);

/**
 * schedlog_store_record - keep one switch
 * @event: seq and time_ns are ignored
 *
 * Context: any thread; no lock, no system call, no allocation.
 *
 * Returns: its number; 0 when it was dropped
 */
uint64_t schedlog_store_record(const SchedlogStore *store,
                               const SchedlogEvent *event);

/**
 * schedlog_store_event - read one switch
 * @seq: from 1
 * @event: filled in when the answer is EVRING_OK; strings are NUL-terminated
 *         and the name valid UTF-8 even in a file that lies.  The image may be
 *         any bytes: see base/safe-text.h for showing it
 *
 * Context: any thread; takes no lock.
 */
EvringRead schedlog_store_event(const SchedlogStore *store, uint64_t seq,
                                SchedlogEvent *event);

/**
 * schedlog_store_stop - nothing more will be recorded
 */
void schedlog_store_stop(SchedlogStore *store);

#endif
