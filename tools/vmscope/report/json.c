/*
 * report-json: what a recording amounts to, for programs.
 *
 * Times are nanoseconds; moments are CLOCK_MONOTONIC of the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/view.h"

#include "report/format.h"

#include <stdlib.h>
#include <string.h>

static size_t shown(size_t top, size_t n)
{
    return top && top < n ? top : n;
}

static void put_histogram(JsonOut *json, const char *key,
                          const Histogram *histogram)
{
    unsigned i;

    jsonout_begin(json, key, '{');
    jsonout_uint(json, "count", histogram->n);
    jsonout_uint(json, "sum-ns", histogram->sum_ns);
    jsonout_uint(json, "max-ns", histogram->max_ns);
    jsonout_begin(json, "buckets", '[');
    for (i = 0; i < REPORT_BUCKETS; i++) {
        if (histogram->count[i]) {
            jsonout_begin(json, NULL, '{');
            jsonout_uint(json, "from-ns", i ? (uint64_t)1 << i : 0);
            jsonout_uint(json, "count", histogram->count[i]);
            jsonout_end(json, '}');
        }
    }
    jsonout_end(json, ']');
    jsonout_end(json, '}');
}

static void put_guest(JsonOut *json, const SchedlogGuest *guest)
{
    uint32_t i;

    jsonout_begin(json, "guest", '{');
    jsonout_uint(json, "build", guest->build);
    jsonout_uint(json, "kernel-base", guest->kernel_base);
    jsonout_uint(json, "kernel-size", guest->kernel_size);
    jsonout_uint(json, "kernel-timestamp", guest->kernel_timestamp);
    jsonout_begin(json, "offsets", '[');
    for (i = 0; i < guest->n_offsets; i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_text(json, "name", guest->offsets[i].name);
        if (guest->offsets[i].value >= 0) {
            jsonout_int(json, "value", guest->offsets[i].value);
        }
        jsonout_text(json, "source", guest->offsets[i].source);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    jsonout_end(json, '}');
}

/* An element a line. */
static void put_past_log(JsonOut *json, const char *text)
{
    char line[sizeof(((TraceInfo *)NULL)->past_log)];
    size_t length;

    jsonout_begin(json, "past-log", '[');
    for (; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        memcpy(line, text, length);
        line[length] = '\0';
        jsonout_text(json, NULL, line);
    }
    jsonout_end(json, ']');
}

static void put_recording(JsonOut *json, const ReportStats *stats)
{
    const TraceInfo *info = &stats->info;

    jsonout_begin(json, "recording", '{');
    jsonout_text(json, "qemu-version", info->qemu_version);
    jsonout_text(json, "vm-name", info->vm_name);
    jsonout_text(json, "options", info->options);
    jsonout_uint(json, "pid", info->pid);
    jsonout_text(json, "exe", info->exe);
    jsonout_text(json, "build-id", info->build_id);
    jsonout_uint(json, "load-base", info->load_base);
    jsonout_uint(json, "monotonic-ns", info->monotonic_ns);
    jsonout_uint(json, "realtime-ns", info->realtime_ns);
    jsonout_bool(json, "sched", info->contents & TRACE_SCHED);
    jsonout_bool(json, "irq", info->contents & TRACE_IRQ);
    jsonout_uint(json, "poll-hz", info->poll_hz);
    jsonout_uint(json, "part", info->part);
    if (info->past_log_known) {
        put_past_log(json, info->past_log);
    }
    jsonout_bool(json, "finished", stats->has_end);
    if (stats->has_end) {
        jsonout_text(json, "ended", format_end_reason(stats->end.reason));
    }
    jsonout_end(json, '}');
    if (stats->has_guest) {
        put_guest(json, &stats->guest);
    }
}

static void put_counts(JsonOut *json, const ReportStats *stats)
{
    ReportTotals totals;

    report_totals(stats, &totals);
    jsonout_uint(json, "begin-ns", stats->begin_ns);
    jsonout_uint(json, "end-ns", stats->end_ns);
    jsonout_uint(json, "switches", stats->switches);
    jsonout_uint(json, "switches-lost", stats->sched_lost);
    jsonout_uint(json, "switches-dropped", stats->mark.sched_dropped);
    if (stats->missed_known) {
        jsonout_uint(json, "switches-missed", stats->missed);
    }
    jsonout_uint(json, "switches-exact", report_n_exact(stats));
    jsonout_bool(json, "exact", report_is_exact(stats));
    jsonout_uint(json, "interrupts", stats->interrupts);
    jsonout_uint(json, "interrupts-lost", stats->irq_lost);
    jsonout_uint(json, "interrupts-dropped", stats->mark.irq_dropped);
    jsonout_uint(json, "lines-refused", stats->mark.lines_refused);
    jsonout_uint(json, "moves", stats->moves);
    jsonout_uint(json, "busy-ns", totals.busy_ns);
    jsonout_uint(json, "idle-ns", totals.idle_ns);
    jsonout_uint(json, "unknown-ns", totals.unknown_ns);
    jsonout_uint(json, "uncertain-ns", totals.uncertain_ns);
}

/* Where its time went by Windows' own counters. */
static void put_ticks(JsonOut *json, const ReportVcpu *vcpu)
{
    unsigned i;

    if (!vcpu->ticks_ns) {
        return;
    }
    jsonout_begin(json, "windows-ticks", '{');
    for (i = 0; i < TRACE_N_TICKS; i++) {
        jsonout_uint(json, report_tick_name(i), vcpu->ticks[i]);
    }
    jsonout_end(json, '}');
    jsonout_uint(json, "windows-ticks-ns", vcpu->ticks_ns);
    if (vcpu->tick_ns) {
        jsonout_uint(json, "windows-tick-ns", vcpu->tick_ns);
    }
    jsonout_uint(json, "windows-interrupts", vcpu->tick_interrupts);
    jsonout_uint(json, "windows-dpcs", vcpu->tick_dpcs);
}

static void put_vcpus(JsonOut *json, const ReportStats *stats)
{
    const ReportVcpu *vcpu;
    size_t i;

    jsonout_begin(json, "vcpus", '[');
    for (i = 0; i < stats->n_vcpus; i++) {
        vcpu = &stats->vcpus[i];
        if (!vcpu->seen && !vcpu->host_ns && !vcpu->ticks_ns) {
            continue;
        }
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "vcpu", i);
        jsonout_uint(json, "busy-ns", vcpu->busy_ns);
        jsonout_uint(json, "idle-ns", vcpu->idle_ns);
        jsonout_uint(json, "unknown-ns", vcpu->unknown_ns);
        jsonout_uint(json, "uncertain-ns", vcpu->uncertain_ns);
        jsonout_uint(json, "switches", vcpu->switches);
        jsonout_uint(json, "missed", vcpu->missed);
        if (vcpu->host_ns) {
            jsonout_uint(json, "host-ns", vcpu->host_ns);
            jsonout_uint(json, "host-run-ns", vcpu->host_run_ns);
            jsonout_uint(json, "host-wait-ns", vcpu->host_wait_ns);
            jsonout_uint(json, "host-blocked-ns", report_host_blocked(vcpu));
            jsonout_uint(json, "host-longest-wait-ns", vcpu->host_longest_ns);
        }
        put_ticks(json, vcpu);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

/* And the bytes, when they say more than the text. */
static void put_image(JsonOut *json, const TraceProcess *who)
{
    char hex[NAMES_HEX];

    jsonout_text(json, "image", who->name);
    names_hex(who->image, hex);
    if (*hex) {
        jsonout_text(json, "image-bytes", hex);
    }
}

static void put_processes(JsonOut *json, const ReportStats *stats, size_t top)
{
    ReportProcess *list = report_processes(stats);
    const TraceProcess *who;
    size_t i;

    jsonout_begin(json, "processes", '[');
    for (i = 0; i < shown(top, stats->who.n_processes); i++) {
        if (!list[i].time_ns && !list[i].switches) {
            break;
        }
        who = &stats->who.processes[list[i].process];
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "process", list[i].process);
        if (who->has_pid) {
            jsonout_uint(json, "pid", who->pid);
        }
        put_image(json, who);
        if (who->path) {
            jsonout_text(json, "process-path", who->path);
        }
        jsonout_uint(json, "threads", list[i].threads);
        jsonout_uint(json, "time-ns", list[i].time_ns);
        jsonout_uint(json, "switches", list[i].switches);
        jsonout_uint(json, "moves", list[i].moves);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    free(list);
}

static void put_thread(JsonOut *json, const ReportStats *stats,
                       uint32_t index)
{
    const TraceThread *who = &stats->who.threads[index];
    const ReportThread *thread = &stats->threads[index];

    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "thread", index);
    jsonout_uint(json, "address", who->thread);
    jsonout_uint(json, "process", who->process);
    if (who->has_ids) {
        jsonout_uint(json, "pid", who->pid);
        jsonout_uint(json, "tid", who->tid);
    }
    put_image(json, &stats->who.processes[who->process]);
    jsonout_text(json, "name", who->name);
    jsonout_uint(json, "time-ns", thread->time_ns);
    jsonout_uint(json, "uncertain-ns", thread->uncertain_ns);
    jsonout_uint(json, "switches", thread->switches);
    jsonout_uint(json, "moves", thread->moves);
    jsonout_uint(json, "runs", thread->runs);
    jsonout_uint(json, "runs-ns", thread->runs_ns);
    jsonout_uint(json, "longest-run-ns", thread->longest_ns);
    jsonout_uint(json, "ready-waits", thread->waits);
    jsonout_uint(json, "ready-waits-ns", thread->waits_ns);
    jsonout_uint(json, "longest-ready-wait-ns", thread->longest_wait_ns);
    jsonout_end(json, '}');
}

static void put_threads(JsonOut *json, const ReportStats *stats, size_t top)
{
    size_t n;
    uint32_t *list = report_threads(stats, &n);
    size_t i;

    jsonout_begin(json, "threads", '[');
    for (i = 0; i < shown(top, n); i++) {
        put_thread(json, stats, list[i]);
    }
    jsonout_end(json, ']');
    free(list);
}

static void put_reasons(JsonOut *json, const ReportStats *stats)
{
    char name[FORMAT_ROOM];
    unsigned i;

    jsonout_begin(json, "waits", '[');
    for (i = 0; i < REPORT_REASONS; i++) {
        if (!stats->reasons[i].count) {
            continue;
        }
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "reason", i);
        jsonout_text(json, "name", format_reason(name, i));
        jsonout_uint(json, "count", stats->reasons[i].count);
        jsonout_uint(json, "sum-ns", stats->reasons[i].sum_ns);
        jsonout_uint(json, "max-ns", stats->reasons[i].max_ns);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void put_moves(JsonOut *json, const ReportStats *stats)
{
    uint64_t count;
    size_t from;
    size_t to;

    jsonout_begin(json, "vcpu-moves", '[');
    for (from = 0; from < REPORT_MATRIX_VCPUS; from++) {
        for (to = 0; to < REPORT_MATRIX_VCPUS; to++) {
            count = stats->matrix[from * REPORT_MATRIX_VCPUS + to];
            if (count) {
                jsonout_begin(json, NULL, '{');
                jsonout_uint(json, "from", from);
                jsonout_uint(json, "to", to);
                jsonout_uint(json, "count", count);
                jsonout_end(json, '}');
            }
        }
    }
    jsonout_end(json, ']');
}

static void put_storms(JsonOut *json, const ReportLine *line)
{
    jsonout_uint(json, "storms", line->storms);
    if (line->storms) {
        jsonout_uint(json, "storm-events", line->storm_events);
        jsonout_uint(json, "storms-ns", line->storm_ns);
        jsonout_uint(json, "first-storm-ns", line->storm_first_ns);
    }
}

static void put_course(JsonOut *json, const ReportLine *line)
{
    jsonout_uint(json, "last-ns", line->course.last_ns);
    if (line->kind == IRQLOG_MSI) {
        return;
    }
    jsonout_uint(json, "lowered", line->course.lowers);
    jsonout_uint(json, "raised-again", line->course.raised_again);
    jsonout_uint(json, "lowered-again", line->course.lowered_again);
    if (course_is_raised(&line->course)) {
        jsonout_uint(json, "raised-since-ns", line->course.since_ns);
    }
}

static void put_line(JsonOut *json, const ReportLine *line, uint32_t id)
{
    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "line", id);
    jsonout_text(json, "label", line->label);
    jsonout_text(json, "path", line->path);
    if (line->device) {
        jsonout_text(json, "device", line->device);
    }
    jsonout_int(json, "n", line->n);
    jsonout_text(json, "kind", irqlog_kind_name(line->kind));
    if (line->driven_by) {
        jsonout_text(json, "driven-by", line->driven_by);
    }
    jsonout_uint(json, "events", line->events);
    jsonout_uint(json, "raised", line->raised);
    jsonout_uint(json, "outermost", line->outermost);
    jsonout_uint(json, "inner-calls", line->inner);
    jsonout_uint(json, "longest-gap-ns", line->longest_gap_ns);
    put_storms(json, line);
    put_course(json, line);
    jsonout_uint(json, "followed", line->after.n);
    jsonout_uint(json, "not-followed", line->passed);
    put_histogram(json, "to-thread", &line->after);
    jsonout_end(json, '}');
}

static void put_lines(JsonOut *json, const ReportStats *stats, size_t top)
{
    size_t n;
    uint32_t *list = report_lines(stats, true, &n);
    size_t i;

    jsonout_begin(json, "lines", '[');
    for (i = 0; i < shown(top, n); i++) {
        put_line(json, &stats->lines[list[i]], list[i]);
    }
    jsonout_end(json, ']');
    free(list);
}

static void put_pairs(JsonOut *json, const ReportStats *stats, size_t top)
{
    size_t n;
    ReportPair *pairs = report_pairs(stats, &n);
    size_t i;

    jsonout_uint(json, "window-ns", stats->window_ns);
    jsonout_real(json, "followed-by-chance", report_chance(stats));
    jsonout_begin(json, "line-to-thread", '[');
    for (i = 0; i < shown(top, n); i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "line", pairs[i].line);
        jsonout_uint(json, "thread", pairs[i].thread);
        jsonout_uint(json, "count", pairs[i].count);
        jsonout_uint(json, "sum-ns", pairs[i].sum_ns);
        jsonout_uint(json, "max-ns", pairs[i].max_ns);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    free(pairs);
}

static void put_preemptions(JsonOut *json, const ReportStats *stats,
                            size_t top)
{
    size_t n;
    ReportPreemption *list = report_preemptions(stats, &n);
    size_t i;

    jsonout_begin(json, "preemptions", '[');
    for (i = 0; i < shown(top, n); i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "thread", list[i].thread);
        jsonout_uint(json, "by", list[i].by);
        jsonout_uint(json, "count", list[i].count);
        jsonout_uint(json, "waits", list[i].waits);
        jsonout_uint(json, "waited-ns", list[i].waited_ns);
        jsonout_uint(json, "max-ns", list[i].max_ns);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    free(list);
}

static void put_next(JsonOut *json, const ReportStats *stats, size_t route,
                     size_t top)
{
    size_t n;
    ReportNext *next = report_routes_next(&stats->routes, route, &n);
    size_t i;

    jsonout_begin(json, "next-threads", '[');
    for (i = 0; i < shown(top, n); i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "thread", next[i].thread);
        jsonout_uint(json, "count", next[i].count);
        jsonout_uint(json, "sum-ns", next[i].sum_ns);
        jsonout_uint(json, "max-ns", next[i].max_ns);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    free(next);
}

static void put_route(JsonOut *json, const ReportStats *stats, size_t index,
                      size_t top)
{
    const ReportRoute *route = &stats->routes.list[index];

    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "line", route->line);
    jsonout_text(json, "label", stats->lines[route->line].label);
    if (route->to != ROUTE_BY_IOMMU) {
        jsonout_uint(json, "vector", route->vector);
    }
    if (route->to < ROUTE_BY_IOMMU) {
        jsonout_uint(json, "apic-id", route->to);
    }
    if (route->vcpu != ROUTES_NO_VCPU) {
        jsonout_uint(json, "vcpu", route->vcpu);
    }
    if (*route->drivers) {
        jsonout_text(json, "drivers", route->drivers);
    }
    jsonout_uint(json, "events", route->events);
    jsonout_uint(json, "last-ns", route->last_ns);
    jsonout_uint(json, "followed", route->followed);
    jsonout_uint(json, "not-followed", route->passed);
    jsonout_uint(json, "sum-ns", route->sum_ns);
    jsonout_uint(json, "max-ns", route->max_ns);
    put_next(json, stats, index, top);
    jsonout_end(json, '}');
}

static void put_routes(JsonOut *json, const ReportStats *stats, size_t top)
{
    size_t *order = report_routes_order(&stats->routes);
    size_t i;

    jsonout_begin(json, "message-routes", '[');
    for (i = 0; i < shown(top, stats->routes.n); i++) {
        put_route(json, stats, order[i], top);
    }
    jsonout_end(json, ']');
    free(order);
}

void report_json_members(JsonOut *json, const ReportStats *stats, size_t top)
{
    put_recording(json, stats);
    put_counts(json, stats);
    put_vcpus(json, stats);
    put_processes(json, stats, top);
    put_threads(json, stats, top);
    put_histogram(json, "run-lengths", &stats->runs);
    put_histogram(json, "ready-to-running", &stats->ready);
    put_preemptions(json, stats, top);
    put_reasons(json, stats);
    put_moves(json, stats);
    put_lines(json, stats, top);
    put_pairs(json, stats, top);
    put_routes(json, stats, top);
}

void report_json(JsonOut *json, const ReportStats *stats, size_t top)
{
    jsonout_begin(json, NULL, '{');
    report_json_members(json, stats, top);
    jsonout_end(json, '}');
}
