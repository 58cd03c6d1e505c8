/*
 * export-csv: one row an event.
 *
 * A column that an event has nothing for is empty.  Text is quoted as RFC 4180
 * has it, and names are harmless: a row is a line, whatever is in them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/export.h"

#include "common/device-label.h"

#include <inttypes.h>
#include <string.h>

static const char header[] =
"monotonic_ns,event,vcpu,pid,tid,process,thread,thread_pointer,priority,idle,"
"old_thread_pointer,old_state,old_wait_reason,missed,origin,line,line_path,"
"kind,level,n,depth,host_tid,host_thread,caller,count,span_ns,host_run_ns,"
"host_wait_ns,device,process_path\n";

static void put_quoted(Export *export, const char *text)
{
    out_char(export->out, '"');
    out_name(export->out, SAFE_FOR_CSV, text);
    out_char(export->out, '"');
}

static void put_text(Export *export, const char *text)
{
    put_quoted(export, text);
    out_char(export->out, ',');
}

static void put_uint(Export *export, bool given, uint64_t value)
{
    if (given) {
        out_dec(export->out, value);
    }
    out_char(export->out, ',');
}

static void put_int(Export *export, bool given, int64_t value)
{
    if (given) {
        out_signed(export->out, value);
    }
    out_char(export->out, ',');
}

static void put_hex(Export *export, bool given, uint64_t value)
{
    if (given) {
        out_printf(export->out, "0x%" PRIx64, value);
    }
    out_char(export->out, ',');
}

static void skip(Export *export, unsigned columns)
{
    while (columns--) {
        out_char(export->out, ',');
    }
}

static void begin(Export *export)
{
    out_text(export->out, header);
}

static void put_begin(Export *export, uint64_t ns, const char *what)
{
    out_dec(export->out, ns);
    out_printf(export->out, ",%s,", what);
}

static void put_who(Export *export, uint32_t index)
{
    const TraceThread *thread = &export->who.threads[index];
    const TraceProcess *process = &export->who.processes[thread->process];

    if (!index) {
        skip(export, 5);
        return;
    }
    put_uint(export, thread->has_ids, thread->pid);
    put_uint(export, thread->has_ids, thread->tid);
    put_text(export, process->name);
    put_text(export, thread->name);
    put_hex(export, true, thread->thread);
}

/* What only a switch tells: priority to origin. */
static void put_switch(Export *export, const SchedlogEvent *event)
{
    static const char *const origins[] = { "exit", "poll", "exact" };

    put_int(export, event->has & SCHEDLOG_HAS_PRIORITY, event->priority);
    put_uint(export, !(event->has & SCHEDLOG_IDLE_UNKNOWN),
             (event->has & SCHEDLOG_IDLE) != 0);
    put_hex(export, event->has & SCHEDLOG_HAS_OLD, event->old_thread);
    put_uint(export, event->has & SCHEDLOG_HAS_OLD_STATE, event->old_state);
    put_uint(export, event->has & SCHEDLOG_HAS_OLD_WAIT_REASON,
             event->old_wait_reason);
    put_uint(export, event->has & SCHEDLOG_HAS_MISSED, event->missed);
    out_printf(export->out, "%s,", origins[event->origin]);
}

static void run(Export *export, unsigned vcpu, uint32_t thread, uint64_t ns,
                const SchedlogEvent *event)
{
    const TraceWho *who = &export->who;
    const char *path = who->processes[who->threads[thread].process].path;

    put_begin(export, ns, event ? "switch" : thread ? "running" : "unknown");
    put_uint(export, true, vcpu);
    put_who(export, thread);
    if (event) {
        put_switch(export, event);
    } else {
        skip(export, 7);
    }
    skip(export, 14);
    if (path) {
        put_quoted(export, path);
    }
    out_char(export->out, '\n');
}

static void irq(Export *export, const TraceItem *item)
{
    const IrqlogEvent *event = &item->irq;
    const char *role = item->host_thread->role;
    char label[DEVICE_LABEL_MAX];

    put_begin(export, event->time_ns, "irq");
    skip(export, 13);
    put_uint(export, item->line != IRQLOG_NO_LINE, item->line);
    put_text(export, event->path);
    out_printf(export->out, "%s,", irqlog_kind_name(event->kind));
    put_int(export, true, event->level);
    put_int(export, true, event->n);
    put_uint(export, true, event->depth);
    put_uint(export, true, event->tid);
    put_text(export, role ? role : item->host_thread->name);
    put_hex(export, event->caller != 0, event->caller);
    skip(export, 4);
    put_text(export, device_label(item->line_info, label, sizeof(label)));
    out_char(export->out, '\n');
}

static void lost(Export *export, const TraceLost *gone)
{
    put_begin(export, gone->from_ns, gone->contents == TRACE_SCHED ?
                                     "lost-switches" : "lost-irqs");
    skip(export, 22);
    out_dec(export->out, gone->count);
    skip(export, 5);
    out_char(export->out, '\n');
}

static void host(Export *export, const TraceHost *span)
{
    put_begin(export, span->from_ns, "host");
    put_uint(export, true, span->vcpu);
    skip(export, 22);
    put_uint(export, true, span->to_ns - span->from_ns);
    put_uint(export, true, span->run_ns);
    out_dec(export->out, span->wait_ns);
    out_text(export->out, ",,\n");
}

static void end(Export *export)
{
    (void)export;
}

const Exporter export_csv = { "csv", begin, run, irq, lost, host, NULL, end };
