/*
 * export-perfetto: Perfetto's own format, which is a sequence of packets.
 *
 * Switches become Windows' CSwitch events, so that trace_processor fills its
 * tables sched and thread_state; interrupts become instants, a track a line.
 * Field numbers are those of the messages named beside them.  The recording's
 * clock is CLOCK_MONOTONIC; Perfetto takes CLOCK_BOOTTIME for its axis, and
 * is told that both are the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/perfetto.h"

#include "common/device-label.h"

#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACE_PACKET = 1 };              /* of Trace */

enum { CLOCK_REALTIME_ID = 1, CLOCK_MONOTONIC_ID = 3, CLOCK_BOOTTIME_ID = 6 };

enum {                                  /* CSwitchEtwEvent */
    CSWITCH_NEW_TID = 1,
    CSWITCH_OLD_TID = 2,
    CSWITCH_NEW_PRIORITY = 3,
    CSWITCH_OLD_PRIORITY = 4,
    CSWITCH_OLD_WAIT_REASON_INT = 11,
    CSWITCH_OLD_STATE_INT = 13,
};

enum {                                  /* ... its old_thread_state */
    STATE_NOT_KNOWN = 0,        /* "Initialized": no thread that ran is */
    STATE_READY = 1,
    STATE_RUNNING = 2,
    STATE_WAITING = 5,
    STATE_DEFERRED_READY = 7,
    STATE_GATE_WAIT = 8,
    STATE_WAITING_FOR_SWAP = 9,
};

/* Reasons of those who could have gone on: WrQuantumEnd to WrYieldExecution. */
enum { REASON_PREEMPTED_FIRST = 30, REASON_PREEMPTED_LAST = 33 };

enum { REASON_NOT_KNOWN = 255 };

enum { SIBLING_MERGE_NONE = 2 };

/* CPUs that Perfetto's importer takes. */
enum { MAX_CPUS = 1024 };

/* Packets. */

void perfetto_begin_packet(Perfetto *p, uint64_t ns)
{
    proto_begin(&p->packet);
    proto_uint(&p->packet, PACKET_TIMESTAMP, ns);
    proto_uint(&p->packet, PACKET_SEQUENCE_ID, 1);
}

void perfetto_end_packet(Export *export)
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
    perfetto_begin_packet(p, info->monotonic_ns);
    proto_uint(&p->packet, PACKET_SEQUENCE_FLAGS, 1);   /* begins anew */
    proto_begin(&p->body);
    put_clock(p, CLOCK_BOOTTIME_ID, info->monotonic_ns);
    put_clock(p, CLOCK_MONOTONIC_ID, info->monotonic_ns);
    put_clock(p, CLOCK_REALTIME_ID, info->realtime_ns);
    proto_message(&p->packet, PACKET_CLOCK_SNAPSHOT, &p->body);
    perfetto_end_packet(export);
}

/*
 * TrackDescriptor: uuid 1, name 2, parent 5, counter 8, sibling_merge_behavior
 * 15.  Tracks of one name would be merged: there are many lines without one.
 */

/* @unit: of a counter's values; NULL: it is none */
static void put_any_track(Export *export, uint64_t ns, uint64_t uuid,
                          uint64_t parent, const char *name, const char *unit)
{
    Perfetto *p = export->own;

    perfetto_begin_packet(p, ns);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, uuid);
    if (parent) {
        proto_uint(&p->body, 5, parent);
    }
    proto_text(&p->body, 2, name);
    if (unit) {
        proto_begin(&p->inner);
        proto_text(&p->inner, 6, unit);         /* CounterDescriptor */
        proto_message(&p->body, 8, &p->inner);
    }
    proto_uint(&p->body, 15, SIBLING_MERGE_NONE);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->body);
    perfetto_end_packet(export);
}

static void put_track(Export *export, uint64_t ns, uint64_t uuid,
                      uint64_t parent, const char *name)
{
    put_any_track(export, ns, uuid, parent, name, NULL);
}

/* Switches. */

static bool knows_old(const Export *export, const ExportVcpu *vcpu,
                      const SchedlogEvent *event)
{
    return event && !event->missed && vcpu->thread &&
           event->has & SCHEDLOG_HAS_OLD &&
           export->who.threads[vcpu->thread].thread == event->old_thread;
}

/* What became of a thread, as the importer has names for it. */
static unsigned end_state(const SchedlogEvent *event)
{
    bool preempted = event->has & SCHEDLOG_HAS_OLD_WAIT_REASON &&
                     event->old_wait_reason >= REASON_PREEMPTED_FIRST &&
                     event->old_wait_reason <= REASON_PREEMPTED_LAST;

    if (!(event->has & SCHEDLOG_HAS_OLD_STATE)) {
        return STATE_NOT_KNOWN;
    }
    switch (event->old_state) {
    case STATE_RUNNING:
        /* Read before the guest changed it; the importer would go on. */
        return preempted ? STATE_READY : STATE_NOT_KNOWN;
    case STATE_GATE_WAIT:
    case STATE_WAITING_FOR_SWAP:
        return STATE_WAITING;
    default:
        return event->old_state <= STATE_DEFERRED_READY ? event->old_state
                                                        : STATE_NOT_KNOWN;
    }
}

/*
 * The old thread is the one that was written last for this vCPU: the importer
 * closes a slice only when it is.  At first, tid 0, which has no states there.
 * What became of it is said when it is known of that one.
 */
static void put_old(Export *export, unsigned vcpu, const SchedlogEvent *event)
{
    Perfetto *p = export->own;
    bool known = knows_old(export, &export->vcpus[vcpu], event);
    unsigned state = known ? end_state(event) : STATE_NOT_KNOWN;

    proto_uint(&p->inner, CSWITCH_OLD_TID,
               p->seen[vcpu] ? p->running[vcpu] : 0);
    if (known && event->has & SCHEDLOG_HAS_OLD_PRIORITY) {
        proto_sint(&p->inner, CSWITCH_OLD_PRIORITY, event->old_priority);
    }
    if (known && event->has & SCHEDLOG_HAS_OLD_WAIT_REASON) {
        proto_int(&p->inner, CSWITCH_OLD_WAIT_REASON_INT,
                  event->old_wait_reason);
    } else if (state == STATE_WAITING) {
        /* Left out, it would read as "Executive". */
        proto_int(&p->inner, CSWITCH_OLD_WAIT_REASON_INT, REASON_NOT_KNOWN);
    }
    proto_sint(&p->inner, CSWITCH_OLD_STATE_INT, state);
}

static void run(Export *export, unsigned vcpu, uint32_t thread, uint64_t ns,
                const SchedlogEvent *event)
{
    Perfetto *p = export->own;
    uint32_t tid;

    if (vcpu >= MAX_CPUS) {
        p->refused = true;
        return;
    }
    tid = perfetto_tell_thread(export, vcpu, thread, ns);
    perfetto_begin_packet(p, ns);
    proto_begin(&p->inner);
    proto_uint(&p->inner, CSWITCH_NEW_TID, tid);
    if (event && event->has & SCHEDLOG_HAS_PRIORITY) {
        proto_sint(&p->inner, CSWITCH_NEW_PRIORITY, event->priority);
    }
    put_old(export, vcpu, event);
    p->running[vcpu] = tid;
    p->seen[vcpu] = true;
    proto_begin(&p->part);
    proto_uint(&p->part, 1, ns);                        /* EtwTraceEvent */
    proto_message(&p->part, 2, &p->inner);
    proto_uint(&p->part, 4, vcpu);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, vcpu);              /* EtwTraceEventBundle */
    proto_message(&p->body, 2, &p->part);
    proto_message(&p->packet, PACKET_ETW_EVENTS, &p->body);
    perfetto_end_packet(export);
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
    char name[DEVICE_LABEL_MAX];
    uint64_t now;

    device_label(line, name, sizeof(name));
    now = hash_text(name) | 1;

    if (p->told_line[item->line] == now) {
        return;
    }
    put_track(export, item->irq.time_ns, PERFETTO_TRACK_INTERRUPTS, 0,
              "Interrupts");
    p->told_line[item->line] = now;
    put_track(export, item->irq.time_ns, PERFETTO_TRACK_LINE + item->line,
              PERFETTO_TRACK_INTERRUPTS, name);
}

/* TrackEvent: annotations 4, type 9, track 11, category 22, name 23, value 30 */
static void begin_event(Perfetto *p, uint64_t ns, unsigned type,
                        uint64_t track)
{
    perfetto_begin_packet(p, ns);
    proto_begin(&p->body);
    proto_uint(&p->body, 9, type);
    proto_uint(&p->body, 11, track);
}

enum { TYPE_SLICE_BEGIN = 1, TYPE_SLICE_END = 2, TYPE_INSTANT = 3,
       TYPE_COUNTER = 4 };

static void irq(Export *export, const TraceItem *item)
{
    Perfetto *p = export->own;
    const IrqlogEvent *event = &item->irq;
    const char *role = item->host_thread->role;

    tell_line(export, item);
    begin_event(p, event->time_ns, TYPE_INSTANT,
                PERFETTO_TRACK_LINE + item->line);
    proto_text(&p->body, 22, irqlog_kind_name(event->kind));
    proto_text(&p->body, 23, event->kind == IRQLOG_MSI ? "message" :
               event->level ? "raised" : "lowered");
    annotate_int(p, "level", event->level);
    annotate_int(p, "n", event->n);
    annotate_int(p, "depth", event->depth);
    annotate_int(p, "host_tid", event->tid);
    annotate_text(p, "host_thread",
                  role ? role : item->host_thread->name);
    annotate_text(p, "path", event->path);
    annotate_address(p, "caller", event->caller);
    if (event->has_msi) {
        annotate_address(p, "msi_address", event->msi_address);
        annotate_address(p, "msi_data", event->msi_data);
    }
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->body);
    perfetto_end_packet(export);
}

static void lost(Export *export, const TraceLost *gone)
{
    Perfetto *p = export->own;
    uint64_t from = gone->from_ns ? gone->from_ns
                                 : export->info->monotonic_ns;
    char name[64];

    if (!p->told_lost) {
        p->told_lost = true;
        put_track(export, from, PERFETTO_TRACK_LOST, 0, "Lost events");
    }
    snprintf(name, sizeof(name), "%" PRIu64 " %s lost", gone->count,
             gone->contents == TRACE_SCHED ? "switches" : "interrupts");
    begin_event(p, from, TYPE_INSTANT, PERFETTO_TRACK_LOST);
    proto_text(&p->body, 23, name);
    annotate_int(p, "count", (int64_t)gone->count);
    annotate_int(p, "until_ns", (int64_t)gone->to_ns);
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->body);
    perfetto_end_packet(export);
}

/* The host's side. */

static void host(Export *export, const TraceHost *span)
{
    Perfetto *p = export->own;
    uint64_t track = PERFETTO_TRACK_WAIT + span->vcpu;
    char name[64];

    if (!p->told_host[span->vcpu]) {
        p->told_host[span->vcpu] = true;
        put_track(export, span->from_ns, PERFETTO_TRACK_HOST, 0,
                  "Waiting for a host CPU");
        snprintf(name, sizeof(name), "vCPU %" PRIu32, span->vcpu);
        put_any_track(export, span->from_ns, track, PERFETTO_TRACK_HOST, name,
                      "%");
    }
    begin_event(p, span->from_ns, TYPE_COUNTER, track);
    proto_int(&p->body, 30, export_wait_percent(span));
    proto_message(&p->packet, PACKET_TRACK_EVENT, &p->body);
    perfetto_end_packet(export);
}

/* Where time went by Windows' own counters. */

static uint64_t ticks_track(uint32_t vcpu, unsigned part)
{
    return PERFETTO_TRACK_TICKS + vcpu * UINT64_C(8) + part;
}

static void tell_ticks(Export *export, const TraceTicks *span)
{
    static const char *const names[TRACE_N_TICKS] = {
        "user", "kernel", "DPC", "interrupt", "idle",
    };
    Perfetto *p = export->own;
    char name[64];
    unsigned i;

    if (p->told_ticks[span->vcpu]) {
        return;
    }
    p->told_ticks[span->vcpu] = true;
    put_track(export, span->from_ns, PERFETTO_TRACK_ALL_TICKS, 0,
              "Windows' ticks");
    for (i = 0; i < TRACE_N_TICKS; i++) {
        snprintf(name, sizeof(name), "vCPU %" PRIu32 " %s", span->vcpu,
                 names[i]);
        put_any_track(export, span->from_ns, ticks_track(span->vcpu, i),
                      PERFETTO_TRACK_ALL_TICKS, name, "%");
    }
}

static void ticks(Export *export, const TraceTicks *span)
{
    Perfetto *p = export->own;
    unsigned i;

    tell_ticks(export, span);
    for (i = 0; i < TRACE_N_TICKS; i++) {
        begin_event(p, span->from_ns, TYPE_COUNTER,
                    ticks_track(span->vcpu, i));
        proto_int(&p->body, 30, export_ticks_percent(span, i));
        proto_message(&p->packet, PACKET_TRACK_EVENT, &p->body);
        perfetto_end_packet(export);
    }
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
    if (p->refused) {
        message("left out vCPU %d and those above: Perfetto takes no more",
                MAX_CPUS);
    }
    perfetto_who_free(&p->who);
    free(p->told_line);
    free(p);
}

const Exporter export_perfetto = { "perfetto", begin, run, irq, lost, host,
                                   ticks, end };
