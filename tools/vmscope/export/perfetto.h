/*
 * perfetto: what the files of the exporter for Perfetto share.
 *
 * A packet is built in perfetto->packet, with perfetto->body, part and inner
 * for messages inside.  Field numbers are those of the messages named beside
 * them.
 *
 * Source: github.com/google/perfetto, protos/perfetto/trace/: trace.proto,
 * trace_packet.proto, clock_snapshot.proto, etw/etw.proto, etw/etw_event.proto,
 * etw/etw_event_bundle.proto, track_event/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_EXPORT_PERFETTO_H
#define VMSCOPE_EXPORT_PERFETTO_H

#include "export/export.h"
#include "export/proto.h"

enum {                                  /* TracePacket */
    PACKET_CLOCK_SNAPSHOT = 6,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_TRACK_DESCRIPTOR = 60,
    PACKET_ETW_EVENTS = 95,
};

/* What a track descriptor has said of a process or a thread. */
typedef struct PerfettoTold {
    uint64_t uuid;              /* 0: nothing yet */
    uint64_t process_uuid;      /* of a thread */
    uint64_t names;             /* hashed */
    uint32_t pid;
    uint32_t tid;               /* of a thread */
} PerfettoTold;

typedef struct PerfettoWho {
    PerfettoTold *threads;      /* by index, as in TraceWho */
    size_t n_threads;
    size_t threads_room;
    PerfettoTold *processes;
    size_t n_processes;
    size_t processes_room;
    Map tid_owner;              /* tid: index + 1 of the thread told last */
    Map pid_owner;              /* pid: the same of the process */
    uint64_t n_uuids;
    bool told_nobody[TRACE_MAX_VCPUS];
} PerfettoWho;

typedef struct Perfetto {
    Proto packet;
    Proto body;
    Proto part;
    Proto inner;
    PerfettoWho who;
    uint32_t running[TRACE_MAX_VCPUS];  /* tid that was written last */
    bool seen[TRACE_MAX_VCPUS];         /* running is one */
    uint64_t *told_line;        /* IRQLOG_MAX_LINES + 1 */
    bool told_lost;
    bool told_host[TRACE_MAX_VCPUS];
    bool told_ticks[TRACE_MAX_VCPUS];
    bool refused;               /* vCPUs that Perfetto has no room for */
} Perfetto;

/*
 * Tracks; a line's is LINE + id, one of processes and threads WHO + number,
 * the one of a vCPU's waiting WAIT + its number, those of its ticks TICKS +
 * eight times its number + what was interrupted.
 */
#define PERFETTO_TRACK_INTERRUPTS 1
#define PERFETTO_TRACK_LOST 2
#define PERFETTO_TRACK_HOST 3
#define PERFETTO_TRACK_ALL_TICKS 4
#define PERFETTO_TRACK_LINE ((uint64_t)1 << 32)
#define PERFETTO_TRACK_WHO ((uint64_t)2 << 32)
#define PERFETTO_TRACK_WAIT ((uint64_t)3 << 32)
#define PERFETTO_TRACK_TICKS ((uint64_t)4 << 32)

void perfetto_begin_packet(Perfetto *p, uint64_t ns);

/* Write it, unless it became too large. */
void perfetto_end_packet(Export *export);

/**
 * perfetto_tell_thread - say who a thread is, where that is not known yet
 * @index: of the thread; 0: nobody is known to run on @vcpu
 * @ns: of the switch to it
 *
 * Returns: the thread id that stands for it in a switch at @ns
 */
uint32_t perfetto_tell_thread(Export *export, unsigned vcpu, uint32_t index,
                              uint64_t ns);

void perfetto_who_free(PerfettoWho *who);

#endif
