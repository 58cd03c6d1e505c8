/*
 * tracefile/format: what a recording says, as its writer and reader share it.
 *
 * The layout of docs/formats/trace-v1.md: a header, then chunks that each
 * carry their own checksums, so that a file whose writer was killed is
 * readable up to its last whole chunk, and one that was damaged around the
 * damage; trace-v2.md says what is different since.  Where the bytes lie is
 * for the embedder; what events mean for schedlog/ and irqlog/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_FORMAT_H
#define VMSCOPE_TRACEFILE_FORMAT_H

#include "irqlog/event.h"
#include "irqlog/store.h"
#include "schedlog/store.h"

#define TRACE_MAGIC "vmstrace"      /* without its NUL, the first 8 bytes */

enum {
    TRACE_VERSION = 2,          /* written; older ones are read too */
    TRACE_HEADER_SIZE = 2048,
    TRACE_CHUNK_HEADER_SIZE = 24,
    TRACE_CHUNK_MARKER = 0x4b434d56,    /* "VMCK" */
    TRACE_CHUNK_MAX = 1 << 20,          /* bytes of payload */
    /* Ids of guest threads are 1 to this; used again once all are taken. */
    TRACE_MAX_THREADS = 16384,
    TRACE_MAX_VCPUS = 4096,
    TRACE_STRING_MAX = 1000,            /* bytes kept of any string */
    TRACE_PATH_MAX = 1023,              /* bytes of an image's path */
};

typedef enum TraceChunkKind {
    TRACE_CHUNK_THREADS = 1,
    TRACE_CHUNK_SCHED = 2,
    TRACE_CHUNK_LINES = 3,
    TRACE_CHUNK_HOST_THREADS = 4,
    TRACE_CHUNK_OBJECTS = 5,
    TRACE_CHUNK_IRQ = 6,
    TRACE_CHUNK_LOST = 7,
    TRACE_CHUNK_GUEST = 8,
    TRACE_CHUNK_MARK = 9,
    TRACE_CHUNK_END = 10,
    TRACE_CHUNK_RUNNING = 11,
    TRACE_CHUNK_HOST = 12,
    TRACE_CHUNK_DEVICES = 13,
    TRACE_CHUNK_TICKS = 14,
    TRACE_CHUNK_PATHS = 15,
    TRACE_CHUNK_VECTORS = 16,
    TRACE_CHUNK_LAST = TRACE_CHUNK_VECTORS,
} TraceChunkKind;

/* Bits: which traces a recording holds, or a reader wants. */
enum {
    TRACE_SCHED = 1,
    TRACE_IRQ = 2,
};

/* What the header says. */
typedef struct TraceInfo {
    unsigned version;           /* writer: ignored */
    uint32_t contents;          /* TRACE_SCHED, TRACE_IRQ */
    uint32_t n_vcpus;           /* 0: not known */
    uint64_t monotonic_ns;      /* when this file began: one instant */
    uint64_t realtime_ns;
    uint64_t tsc;               /* 0: the host has none */
    uint64_t load_base;         /* load bias of QEMU's program */
    uint32_t pid;               /* QEMU's */
    uint32_t poll_hz;
    bool exact;                 /* exact mode was asked for */
    uint32_t part;              /* of a rotated recording, from 1 */
    char build_id[48];          /* of QEMU's program, hexadecimal */
    char exe[512];
    char qemu_version[64];
    char vm_name[128];
    char options[512];          /* the command line of the recording */
    bool past_log_known;        /* the next was asked of QEMU */
    char past_log[640];         /* interrupts it did not see: a way a line */
} TraceInfo;

/* Events that were overwritten before they were read. */
typedef struct TraceLost {
    uint32_t contents;          /* TRACE_SCHED or TRACE_IRQ */
    uint64_t count;
    uint64_t first_seq;
    uint64_t from_ns;           /* last event before; 0: there is none */
    uint64_t to_ns;             /* first one after; 0: there is none */
} TraceLost;

/* Figures of an instant; up to it the recording is complete. */
typedef struct TraceMark {
    uint64_t time_ns;
    uint64_t sched_dropped;     /* found their ring busy; have no number */
    uint64_t irq_dropped;
    uint32_t lines_refused;     /* lines that found their table full */
    bool exact;                 /* no missed switch is known of */
} TraceMark;

/*
 * How the host let a vCPU's thread run between two moments; what is neither
 * of the two figures it was blocked, as an idle vCPU is.  Time on a CPU is as
 * of the host's last tick, and waiting counts when it ends: either may be
 * some milliseconds late, and longer than the span in which it is told of.
 */
typedef struct TraceHost {
    uint32_t vcpu;
    uint64_t from_ns;
    uint64_t to_ns;
    uint64_t run_ns;            /* on a CPU of the host */
    uint64_t wait_ns;           /* could have run, but had no CPU */
} TraceHost;

/* Windows' ticks of a CPU, by what the clock interrupted. */
typedef enum TraceTick {
    TRACE_TICK_USER,
    TRACE_TICK_KERNEL,          /* a thread in it */
    TRACE_TICK_DPC,
    TRACE_TICK_INTERRUPT,
    TRACE_TICK_IDLE,
    TRACE_N_TICKS,
} TraceTick;

/*
 * Where a vCPU's time went between two moments, by Windows' own counters.
 * They know nothing of time that the host took away.
 */
typedef struct TraceTicks {
    uint32_t vcpu;
    uint64_t from_ns;
    uint64_t to_ns;
    uint64_t tick_ns;           /* how long one is; 0: not known */
    uint32_t ticks[TRACE_N_TICKS];
    uint32_t interrupts;        /* events, not ticks */
    uint32_t dpcs;
} TraceTicks;

/*
 * Where the image of a process lies.  Windows gives addresses and ids of
 * processes again: the three together tell which one is meant.
 */
typedef struct TracePath {
    uint64_t process;           /* address of its EPROCESS */
    uint32_t pid;
    char image[SCHEDLOG_IMAGE_SIZE];    /* ImageFileName, any bytes; "": none */
    char path[TRACE_PATH_MAX + 1];      /* UTF-8, as Windows has it */
} TracePath;

enum { TRACE_DRIVERS_SIZE = 160 };

/*
 * Which of the guest's drivers serve an interrupt vector of a vCPU.  A vector
 * that is told of again had other drivers before.
 */
typedef struct TraceVector {
    uint32_t vcpu;
    uint8_t vector;
    bool has_apic_id;           /* the next is known */
    uint32_t apic_id;           /* of the vCPU: what a message is sent to */
    char drivers[TRACE_DRIVERS_SIZE];   /* UTF-8, with ", " between them */
} TraceVector;

typedef enum TraceEndReason {
    TRACE_END_ASKED = 1,        /* by the user */
    TRACE_END_DURATION = 2,
    TRACE_END_COMMAND = 3,      /* the command has ended */
    TRACE_END_ROTATED = 4,      /* another part follows */
    TRACE_END_QEMU_GONE = 5,
    TRACE_END_STOPPED = 6,      /* somebody turned the trace off */
    TRACE_END_WRITE = 7,        /* the file could not be written */
    TRACE_END_RING_LOST = 8,    /* the ring file was cut short */
} TraceEndReason;

typedef struct TraceEnd {
    TraceEndReason reason;
    uint64_t time_ns;
    uint64_t sched_events;      /* in this file */
    uint64_t irq_events;
    uint64_t sched_lost;
    uint64_t irq_lost;
} TraceEnd;

/* What a SchedlogEvent says of the thread, not of the switch. */
enum {
    TRACE_THREAD_BITS = SCHEDLOG_HAS_PROCESS | SCHEDLOG_HAS_IDS |
                        SCHEDLOG_HAS_IMAGE | SCHEDLOG_HAS_NAME |
                        SCHEDLOG_NAME_CUT | SCHEDLOG_IDLE,
    TRACE_SWITCH_BITS = SCHEDLOG_HAS_ATTACHED | SCHEDLOG_HAS_STATE |
                        SCHEDLOG_HAS_PRIORITY | SCHEDLOG_HAS_MISSED |
                        SCHEDLOG_HAS_OLD | SCHEDLOG_HAS_OLD_IDS |
                        SCHEDLOG_HAS_OLD_STATE |
                        SCHEDLOG_HAS_OLD_WAIT_REASON |
                        SCHEDLOG_HAS_OLD_PRIORITY |
                        SCHEDLOG_HAS_SWITCHES | SCHEDLOG_HAS_WAIT_TIME |
                        SCHEDLOG_IDLE_UNKNOWN,
};

_Static_assert((TRACE_THREAD_BITS | TRACE_SWITCH_BITS) == SCHEDLOG_HAS_ALL,
               "each bit is kept with the thread or with the switch");

#endif
