/*
 * export-perfetto: Perfetto's own format, which is a sequence of packets.
 *
 * Switches become Windows' CSwitch events, so that trace_processor fills its
 * tables sched and thread_state; interrupts become instants, a track a line.
 * Field numbers are those of the messages named beside them.  The recording's
 * clock is CLOCK_MONOTONIC; Perfetto takes CLOCK_BOOTTIME for its axis, and
 * is told that both are the same.
 *
 * Source: github.com/google/perfetto, protos/perfetto/trace/: trace.proto,
 * trace_packet.proto, clock_snapshot.proto, etw/etw.proto, etw/etw_event.proto,
 * etw/etw_event_bundle.proto, track_event/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export.h"

#include "common/message.h"
#include "proto.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACE_PACKET = 1 };              /* of Trace */

enum {                                  /* TracePacket */
    PACKET_CLOCK_SNAPSHOT = 6,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_TRACK_DESCRIPTOR = 60,
    PACKET_ETW_EVENTS = 95,
};

enum { CLOCK_REALTIME_ID = 1, CLOCK_MONOTONIC_ID = 3, CLOCK_BOOTTIME_ID = 6 };

enum {                                  /* CSwitchEtwEvent */
    CSWITCH_NEW_TID = 1,
    CSWITCH_OLD_TID = 2,
    CSWITCH_NEW_PRIORITY = 3,
    CSWITCH_OLD_PRIORITY = 4,
    CSWITCH_OLD_WAIT_REASON_INT = 11,
    CSWITCH_OLD_STATE_INT = 13,
};

/* Tracks; a line's is LINE + id, and so on. */
static const uint64_t track_interrupts = 1;
static const uint64_t track_lost = 2;
static const uint64_t track_line = (uint64_t)1 << 32;
static const uint64_t track_process = (uint64_t)2 << 32;
static const uint64_t track_thread = (uint64_t)3 << 32;

/*
 * Ids for those who have none of their own; those of Windows are smaller.
 * Perfetto has them as int32.
 */
enum { MADE_UP_ID = 0x40000000, NOBODY = 0x7ffffffe };

typedef struct Perfetto {
    Proto packet;
    Proto body;
    Proto part;
    Proto inner;
    uint64_t *told;             /* of threads: what was said last, hashed */
    size_t told_room;
    size_t n_told;
    uint64_t *told_process;
    size_t told_process_room;
    size_t n_told_process;
    uint64_t *told_line;        /* IRQLOG_MAX_LINES + 1 */
    bool told_nobody;
    bool told_lost;
} Perfetto;

/* Packets. */

static void begin_packet(Perfetto *p, uint64_t ns)
{
    proto_begin(&p->packet);
    proto_uint(&p->packet, PACKET_TIMESTAMP, ns);
    proto_uint(&p->packet, PACKET_SEQUENCE_ID, 1);
}

static void end_packet(Export *export)
{
    Perfetto *p = export->own;
    static Proto whole;

    if (p->packet.full) {
        return;
    }
    proto_begin(&whole);
    proto_message(&whole, TRACE_PACKET, &p->packet);
    if (!whole.full) {
        out_bytes(export->out, (const char *)whole.bytes, whole.len);
    }
}

static void put_clock(Perfetto *p, unsigned id, uint64_t ns)
{
    proto_begin(&p->inner);
    proto_uint(&p->inner, 1, id);       /* ClockSnapshot.Clock */
    proto_uint(&p->inner, 2, ns);
    proto_message(&p->body, 1, &p->inner);
}

static void begin(Export *export)
{
    Perfetto *p = calloc(1, sizeof(*p));
    const TraceInfo *info = export->info;

    if (p) {
        p->told_line = calloc(IRQLOG_MAX_LINES + 1, sizeof(*p->told_line));
    }
    if (!p || !p->told_line) {
        die_no_memory();
    }
    export->own = p;
    begin_packet(p, info->monotonic_ns);
    proto_uint(&p->packet, PACKET_SEQUENCE_FLAGS, 1);   /* begins anew */
    proto_begin(&p->body);
    put_clock(p, CLOCK_BOOTTIME_ID, info->monotonic_ns);
    put_clock(p, CLOCK_MONOTONIC_ID, info->monotonic_ns);
    put_clock(p, CLOCK_REALTIME_ID, info->realtime_ns);
    proto_message(&p->packet, PACKET_CLOCK_SNAPSHOT, &p->body);
    end_packet(export);
}

/* Names.  TrackDescriptor: uuid 1, name 2, process 3, thread 4, parent 5. */

static void put_track(Export *export, uint64_t ns, uint64_t uuid,
                      uint64_t parent, const char *name)
{
    Perfetto *p = export->own;

    begin_packet(p, ns);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, uuid);
    if (parent) {
        proto_uint(&p->body, 5, parent);
    }
    proto_text(&p->body, 2, name);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->body);
    end_packet(export);
}

static int32_t pid_of(const Export *export, uint32_t index)
{
    const TraceProcess *process = &export->who.processes[index];

    return process->has_pid && process->pid < MADE_UP_ID ?
           (int32_t)process->pid : (int32_t)(MADE_UP_ID + index);
}

static int32_t tid_of(const Export *export, uint32_t index)
{
    const TraceThread *thread = &export->who.threads[index];

    if (!index) {
        return NOBODY;
    }
    if (thread->idle) {
        return 0;
    }
    return thread->has_ids && thread->tid && thread->tid < MADE_UP_ID ?
           (int32_t)thread->tid : (int32_t)(MADE_UP_ID + index);
}

/* Whether @now differs from what was said before; remembers it. */
static bool is_news(uint64_t **told, size_t *n, size_t *room, uint32_t index,
                    uint64_t now)
{
    while (*n <= index) {
        *told = grow(*told, *n, room, sizeof(**told));
        (*n)++;
    }
    if ((*told)[index] == now) {
        return false;
    }
    (*told)[index] = now;
    return true;
}

static void tell_process(Export *export, uint32_t index, uint64_t ns)
{
    Perfetto *p = export->own;
    char label[64];
    const char *name = trace_process_label(&export->who.processes[index],
                                           label, sizeof(label));

    if (!is_news(&p->told_process, &p->n_told_process, &p->told_process_room,
                 index, hash_text(name) | 1)) {
        return;
    }
    begin_packet(p, ns);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, track_process + index);
    proto_begin(&p->inner);
    proto_int(&p->inner, 1, pid_of(export, index));     /* ProcessDescriptor */
    proto_text(&p->inner, 6, name);
    proto_message(&p->body, 3, &p->inner);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->body);
    end_packet(export);
}

static void put_thread(Export *export, uint64_t uuid, int32_t pid,
                       int32_t tid, const char *name, uint64_t ns)
{
    Perfetto *p = export->own;

    begin_packet(p, ns);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, uuid);
    proto_begin(&p->inner);
    proto_int(&p->inner, 1, pid);                       /* ThreadDescriptor */
    proto_int(&p->inner, 2, tid);
    if (name[0]) {
        proto_text(&p->inner, 5, name);
    }
    proto_message(&p->body, 4, &p->inner);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->body);
    end_packet(export);
}

static void tell_thread(Export *export, uint32_t index, uint64_t ns)
{
    Perfetto *p = export->own;
    const TraceThread *thread = &export->who.threads[index];
    uint64_t now = (hash_text(thread->name) ^
                    (uint64_t)thread->process << 32) | 1;

    if (!index && !p->told_nobody) {
        p->told_nobody = true;
        put_thread(export, track_thread, NOBODY, NOBODY, "(not known)", ns);
    }
    if (!index || thread->idle) {
        return;
    }
    tell_process(export, thread->process, ns);
    if (is_news(&p->told, &p->n_told, &p->told_room, index, now)) {
        put_thread(export, track_thread + index,
                   pid_of(export, thread->process), tid_of(export, index),
                   thread->name, ns);
    }
}

/* Switches. */

static bool knows_old(const Export *export, const ExportVcpu *vcpu,
                      const SchedlogEvent *event)
{
    return event && !event->missed && vcpu->thread &&
           event->has & SCHEDLOG_HAS_OLD &&
           export->who.threads[vcpu->thread].thread == event->old_thread;
}

/*
 * The old thread is the one that was seen: trace_processor closes a slice
 * only when it is.  What became of it is said when it is known of that one.
 */
static void put_old(Export *export, const ExportVcpu *vcpu,
                    const SchedlogEvent *event)
{
    Perfetto *p = export->own;
    bool known = knows_old(export, vcpu, event);

    proto_uint(&p->inner, CSWITCH_OLD_TID,
               (uint32_t)tid_of(export, vcpu->thread));
    if (known && event->has & SCHEDLOG_HAS_OLD_PRIORITY) {
        proto_sint(&p->inner, CSWITCH_OLD_PRIORITY, event->old_priority);
    }
    if (known && event->has & SCHEDLOG_HAS_OLD_WAIT_REASON) {
        proto_int(&p->inner, CSWITCH_OLD_WAIT_REASON_INT,
                  event->old_wait_reason);
    }
    /* Left out, it would read as "Initialized". */
    proto_sint(&p->inner, CSWITCH_OLD_STATE_INT,
               known && event->has & SCHEDLOG_HAS_OLD_STATE ?
               event->old_state : -1);
}

static void run(Export *export, unsigned vcpu, uint32_t thread, uint64_t ns,
                const SchedlogEvent *event)
{
    Perfetto *p = export->own;

    tell_thread(export, thread, ns);
    if (!export->vcpus[vcpu].thread) {
        tell_thread(export, 0, ns);
    }
    begin_packet(p, ns);
    proto_begin(&p->inner);
    proto_uint(&p->inner, CSWITCH_NEW_TID, (uint32_t)tid_of(export, thread));
    if (event && event->has & SCHEDLOG_HAS_PRIORITY) {
        proto_sint(&p->inner, CSWITCH_NEW_PRIORITY, event->priority);
    }
    put_old(export, &export->vcpus[vcpu], event);
    proto_begin(&p->part);
    proto_uint(&p->part, 1, ns);                        /* EtwTraceEvent */
    proto_message(&p->part, 2, &p->inner);
    proto_uint(&p->part, 4, vcpu);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, vcpu);              /* EtwTraceEventBundle */
    proto_message(&p->body, 2, &p->part);
    proto_message(&p->packet, PACKET_ETW_EVENTS, &p->body);
    end_packet(export);
}

/* Interrupts. */

static void annotate_int(Perfetto *p, const char *name, int64_t value)
{
    proto_begin(&p->inner);
    proto_text(&p->inner, 10, name);                    /* DebugAnnotation */
    proto_int(&p->inner, 4, value);
    proto_message(&p->body, 4, &p->inner);
}

static void annotate_address(Perfetto *p, const char *name, uint64_t value)
{
    proto_begin(&p->inner);
    proto_text(&p->inner, 10, name);
    proto_uint(&p->inner, 7, value);
    proto_message(&p->body, 4, &p->inner);
}

static void annotate_text(Perfetto *p, const char *name, const char *text)
{
    proto_begin(&p->inner);
    proto_text(&p->inner, 10, name);
    proto_text(&p->inner, 6, text);
    proto_message(&p->body, 4, &p->inner);
}

static void tell_line(Export *export, const TraceItem *item)
{
    Perfetto *p = export->own;
    const IrqlogLineInfo *line = item->line_info;
    const char *driver = line->driven_by;
    uint64_t now = (hash_text(line->path) ^
                    hash_text(driver ? driver : "")) | 1;
    char name[2200];

    if (p->told_line[item->line] == now) {
        return;
    }
    put_track(export, item->irq.time_ns, track_interrupts, 0, "Interrupts");
    p->told_line[item->line] = now;
    snprintf(name, sizeof(name), "%s%s%s%s", line->path,
             item->irq.kind == IRQLOG_MSI ? " (MSI)" : "",
             driver ? ", driven by " : "", driver ? driver : "");
    put_track(export, item->irq.time_ns, track_line + item->line,
              track_interrupts, name);
}

/* TrackEvent: annotations 4, type 9, track 11, category 22, name 23. */
static void begin_event(Perfetto *p, uint64_t ns, unsigned type,
                        uint64_t track)
{
    begin_packet(p, ns);
    proto_begin(&p->body);
    proto_uint(&p->body, 9, type);
    proto_uint(&p->body, 11, track);
}

enum { TYPE_SLICE_BEGIN = 1, TYPE_SLICE_END = 2, TYPE_INSTANT = 3 };

static void irq(Export *export, const TraceItem *item)
{
    Perfetto *p = export->own;
    const IrqlogEvent *event = &item->irq;
    const char *role = item->host_thread->role;

    tell_line(export, item);
    begin_event(p, event->time_ns, TYPE_INSTANT, track_line + item->line);
    proto_text(&p->body, 22, irqlog_kind_name(event->kind));
    proto_text(&p->body, 23, event->kind == IRQLOG_MSI ? "message" :
               event->level ? "raised" : "lowered");
    annotate_int(p, "level", event->level);
    annotate_int(p, "n", event->n);
    annotate_int(p, "depth", event->depth);
    annotate_int(p, "host_tid", event->tid);
    annotate_text(p, "host_thread",
                  role ? role : item->host_thread->name);
    annotate_address(p, "caller", event->caller);
    if (event->has_msi) {
        annotate_address(p, "msi_address", event->msi_address);
        annotate_address(p, "msi_data", event->msi_data);
    }
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->body);
    end_packet(export);
}

static void lost(Export *export, const TraceLost *gone)
{
    Perfetto *p = export->own;
    uint64_t from = gone->from_ns ? gone->from_ns
                                 : export->info->monotonic_ns;
    char name[64];

    if (!p->told_lost) {
        p->told_lost = true;
        put_track(export, from, track_lost, 0, "Lost events");
    }
    snprintf(name, sizeof(name), "%" PRIu64 " %s lost", gone->count,
             gone->contents == TRACE_SCHED ? "switches" : "interrupts");
    begin_event(p, from, TYPE_INSTANT, track_lost);
    proto_text(&p->body, 23, name);
    annotate_int(p, "count", (int64_t)gone->count);
    annotate_int(p, "until_ns", (int64_t)gone->to_ns);
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->body);
    end_packet(export);
}

/* The last run of each vCPU ends with the recording. */
static void end(Export *export)
{
    Perfetto *p = export->own;
    unsigned i;

    for (i = 0; i < TRACE_MAX_VCPUS; i++) {
        if (export->vcpus[i].thread) {
            run(export, i, 0, export->last_ns, NULL);
        }
    }
    free(p->told);
    free(p->told_process);
    free(p->told_line);
    free(p);
}

const Exporter export_perfetto = { "perfetto", begin, run, irq, lost, end };
