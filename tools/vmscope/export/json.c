/*
 * export-json: Chrome's trace event format, the JSON object kind.
 *
 * vCPUs are the threads of a process "vCPUs", on which runs are complete
 * events; lines are the threads of a process "Interrupts".  Times count from
 * the recording's begin, in microseconds with three digits behind the point.
 *
 * Source: "Trace Event Format", Google, the document that chromium's
 * tracing pages refer to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/export.h"

#include "common/device-label.h"

#include "common/jsonout.h"
#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PID_VCPUS = 1, PID_LINES = 2, PID_LOST = 3 };

/* Viewers take a whole file into memory, many times its size. */
static const uint64_t many_events = 1000000;

/* Lanes count from 1: of a tid 0, Perfetto makes the one that is the pid. */
static uint32_t lane_of(uint32_t index)
{
    return index + 1;
}

typedef struct Json {
    JsonOut json;
    bool told_vcpu[TRACE_MAX_VCPUS];
    uint64_t told_line[IRQLOG_MAX_LINES + 1];   /* its path, hashed */
    bool told_lost;
    uint64_t n_events;
} Json;

/* Not as a double, which has too few digits for long recordings. */
static void put_us(Json *j, const char *key, uint64_t ns)
{
    jsonout_uint(&j->json, key, ns / 1000);
    out_printf(j->json.out, ".%03u", (unsigned)(ns % 1000));
}

static uint64_t since_begin(const Export *export, uint64_t ns)
{
    uint64_t begin = export->info->monotonic_ns;

    return ns > begin ? ns - begin : 0;
}

static void begin_event(Json *j, const char *phase, unsigned pid, uint32_t tid,
                        const char *name)
{
    j->n_events++;
    out_char(j->json.out, '\n');
    jsonout_begin(&j->json, NULL, '{');
    jsonout_text(&j->json, "ph", phase);
    jsonout_uint(&j->json, "pid", pid);
    jsonout_uint(&j->json, "tid", tid);
    jsonout_text(&j->json, "name", name);
}

static void put_metadata(Json *j, const char *what, unsigned pid,
                         uint32_t tid, const char *name)
{
    begin_event(j, "M", pid, tid, what);
    jsonout_begin(&j->json, "args", '{');
    jsonout_text(&j->json, "name", name);
    jsonout_end(&j->json, '}');
    jsonout_end(&j->json, '}');
}

static void begin(Export *export)
{
    Json *j = calloc(1, sizeof(*j));
    const TraceInfo *info = export->info;

    if (!j) {
        die_no_memory();
    }
    export->own = j;
    j->json.out = export->out;
    jsonout_begin(&j->json, NULL, '{');
    jsonout_text(&j->json, "displayTimeUnit", "ns");
    jsonout_begin(&j->json, "otherData", '{');
    jsonout_text(&j->json, "recorder", "vmscope");
    jsonout_text(&j->json, "vm-name", info->vm_name);
    jsonout_text(&j->json, "qemu-version", info->qemu_version);
    jsonout_uint(&j->json, "monotonic-ns", info->monotonic_ns);
    jsonout_uint(&j->json, "realtime-ns", info->realtime_ns);
    jsonout_end(&j->json, '}');
    jsonout_begin(&j->json, "traceEvents", '[');
    put_metadata(j, "process_name", PID_VCPUS, lane_of(0), "vCPUs");
    put_metadata(j, "process_name", PID_LINES, lane_of(0), "Interrupts");
}

/* "chrome.exe: Compositor", or what else tells a thread. */
static void thread_name(const Export *export, uint32_t index, char *text,
                        size_t size)
{
    const TraceThread *thread = &export->who.threads[index];
    char label[TRACE_LABEL_ROOM];
    const char *process =
        trace_process_label(&export->who.processes[thread->process], label,
                            sizeof(label));

    if (thread->idle) {
        snprintf(text, size, "idle");
    } else if (thread->idle_unknown) {
        snprintf(text, size, "unknown, may be idle");
    } else if (thread->name[0]) {
        snprintf(text, size, "%s: %s", process, thread->name);
    } else if (thread->has_ids) {
        snprintf(text, size, "%s %" PRIu32, process, thread->tid);
    } else {
        snprintf(text, size, "%s", process);
    }
}

static void put_run_args(Json *j, const TraceThread *thread,
                         const SchedlogEvent *event)
{
    jsonout_begin(&j->json, "args", '{');
    if (thread->has_ids) {
        jsonout_uint(&j->json, "pid", thread->pid);
        jsonout_uint(&j->json, "tid", thread->tid);
    }
    if (event && event->has & SCHEDLOG_HAS_OLD &&
        event->old_thread == thread->thread && !event->missed) {
        if (event->has & SCHEDLOG_HAS_OLD_STATE) {
            jsonout_uint(&j->json, "end-state", event->old_state);
        }
        if (event->has & SCHEDLOG_HAS_OLD_WAIT_REASON) {
            jsonout_uint(&j->json, "wait-reason", event->old_wait_reason);
        }
    }
    if (event && event->missed) {
        jsonout_uint(&j->json, "missed", event->missed);
    }
    jsonout_end(&j->json, '}');
}

/* A run is known when it ends. */
static void end_run(Export *export, unsigned vcpu, uint64_t ns,
                    const SchedlogEvent *event)
{
    Json *j = export->own;
    const ExportVcpu *state = &export->vcpus[vcpu];
    const TraceThread *thread = &export->who.threads[state->thread];
    uint64_t from = state->since_ns > export->begin_ns ? state->since_ns
                                                       : export->begin_ns;
    char name[TRACE_LABEL_ROOM + SCHEDLOG_NAME_SIZE + 16];

    if (!state->thread || thread->idle || ns < from) {
        return;
    }
    thread_name(export, state->thread, name, sizeof(name));
    begin_event(j, "X", PID_VCPUS, lane_of(vcpu), name);
    put_us(j, "ts", since_begin(export, from));
    put_us(j, "dur", ns - from);
    put_run_args(j, thread, event);
    jsonout_end(&j->json, '}');
}

static void run(Export *export, unsigned vcpu, uint32_t thread, uint64_t ns,
                const SchedlogEvent *event)
{
    Json *j = export->own;
    char name[32];

    (void)thread;
    if (!j->told_vcpu[vcpu]) {
        j->told_vcpu[vcpu] = true;
        snprintf(name, sizeof(name), "vCPU %u", vcpu);
        put_metadata(j, "thread_name", PID_VCPUS, lane_of(vcpu), name);
    }
    end_run(export, vcpu, ns, event);
}

static void tell_line(Json *j, const TraceItem *item)
{
    char label[DEVICE_LABEL_MAX];
    const char *name = device_label(item->line_info, label, sizeof(label));
    uint64_t now = hash_text(name) | 1;

    if (j->told_line[item->line] != now) {
        j->told_line[item->line] = now;
        put_metadata(j, "thread_name", PID_LINES, lane_of(item->line), name);
    }
}

static void irq(Export *export, const TraceItem *item)
{
    Json *j = export->own;
    const IrqlogEvent *event = &item->irq;
    const char *role = item->host_thread->role;

    tell_line(j, item);
    begin_event(j, "i", PID_LINES, lane_of(item->line),
                event->kind == IRQLOG_MSI ? "message" :
                event->level ? "raised" : "lowered");
    jsonout_text(&j->json, "s", "t");
    put_us(j, "ts", since_begin(export, event->time_ns));
    jsonout_begin(&j->json, "args", '{');
    jsonout_int(&j->json, "level", event->level);
    jsonout_int(&j->json, "n", event->n);
    jsonout_text(&j->json, "path", event->path);
    jsonout_uint(&j->json, "depth", event->depth);
    jsonout_text(&j->json, "kind", irqlog_kind_name(event->kind));
    jsonout_text(&j->json, "host-thread",
                 role ? role : item->host_thread->name);
    jsonout_end(&j->json, '}');
    jsonout_end(&j->json, '}');
}

static void lost(Export *export, const TraceLost *gone)
{
    Json *j = export->own;
    char name[64];

    if (!j->told_lost) {
        j->told_lost = true;
        put_metadata(j, "process_name", PID_LOST, lane_of(0), "Lost events");
    }
    snprintf(name, sizeof(name), "%" PRIu64 " %s lost", gone->count,
             gone->contents == TRACE_SCHED ? "switches" : "interrupts");
    begin_event(j, "i", PID_LOST, lane_of(0), name);
    jsonout_text(&j->json, "s", "g");
    put_us(j, "ts", since_begin(export, gone->from_ns));
    jsonout_end(&j->json, '}');
}

/* A counter, which stays as it is until the next one. */
static void host(Export *export, const TraceHost *span)
{
    Json *j = export->own;
    char name[64];

    snprintf(name, sizeof(name), "vCPU %" PRIu32 " waits for a host CPU",
             span->vcpu);
    begin_event(j, "C", PID_VCPUS, lane_of(span->vcpu), name);
    put_us(j, "ts", since_begin(export, span->from_ns));
    jsonout_begin(&j->json, "args", '{');
    jsonout_uint(&j->json, "percent", export_wait_percent(span));
    jsonout_end(&j->json, '}');
    jsonout_end(&j->json, '}');
}

static void ticks(Export *export, const TraceTicks *span)
{
    static const char *const names[TRACE_N_TICKS] = {
        "user", "kernel", "dpc", "interrupt", "idle",
    };
    Json *j = export->own;
    char name[64];
    unsigned i;

    snprintf(name, sizeof(name), "vCPU %" PRIu32 " by Windows' ticks",
             span->vcpu);
    begin_event(j, "C", PID_VCPUS, lane_of(span->vcpu), name);
    put_us(j, "ts", since_begin(export, span->from_ns));
    jsonout_begin(&j->json, "args", '{');
    for (i = 0; i < TRACE_N_TICKS; i++) {
        jsonout_uint(&j->json, names[i], export_ticks_percent(span, i));
    }
    jsonout_end(&j->json, '}');
    jsonout_end(&j->json, '}');
}

/* Viewers show members that they do not know as the file's metadata. */
static void put_processes(Export *export)
{
    const TraceWho *who = &export->who;
    Json *j = export->own;
    char label[TRACE_LABEL_ROOM];
    size_t i;

    if (!who->n_paths) {
        return;
    }
    jsonout_begin(&j->json, "processes", '[');
    for (i = 1; i < who->n_processes; i++) {
        const TraceProcess *process = &who->processes[i];

        if (!process->path || !process->ran) {
            continue;
        }
        jsonout_begin(&j->json, NULL, '{');
        jsonout_uint(&j->json, "pid", process->pid);
        jsonout_text(&j->json, "name",
                     trace_process_label(process, label, sizeof(label)));
        jsonout_text(&j->json, "process-path", process->path);
        jsonout_end(&j->json, '}');
    }
    jsonout_end(&j->json, ']');
}

static void end(Export *export)
{
    Json *j = export->own;
    unsigned i;

    for (i = 0; i < TRACE_MAX_VCPUS; i++) {
        end_run(export, i, export->last_ns, NULL);
    }
    jsonout_end(&j->json, ']');
    put_processes(export);
    jsonout_end(&j->json, '}');
    jsonout_line(&j->json);
    if (j->n_events > many_events) {
        message("%" PRIu64 " events: many viewers of this format run out of "
                "memory; use --format perfetto, or --since and --until",
                j->n_events);
    }
    free(j);
}

const Exporter export_json = { "json", begin, run, irq, lost, host, ticks,
                               end };
