/*
 * report-text: what a recording amounts to, in 80 columns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report-view.h"

#include "display.h"
#include "report-format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 40 };

typedef struct View {
    Out *out;
    const ReportStats *stats;
    ReportTotals totals;
    size_t top;
} View;

/* Text from a guest or from QEMU, in a column of its own. */
static void put_padded(View *view, const char *text, unsigned columns)
{
    char fit[DISPLAY_ROOM(80)];

    display_pad(fit, text, columns);
    out_text(view->out, fit);
}

static void put_last(View *view, const char *text, unsigned columns)
{
    char fit[DISPLAY_ROOM(80)];

    display_fit(fit, text, columns);
    out_text(view->out, fit);
    out_char(view->out, '\n');
}

static size_t shown(const View *view, size_t n)
{
    return view->top && view->top < n ? view->top : n;
}

static void put_rest(View *view, size_t n, const char *what)
{
    if (shown(view, n) < n) {
        out_printf(view->out, "  and %zu more %s\n", n - shown(view, n),
                   what);
    }
}

static void put_heading(View *view, const char *text)
{
    out_printf(view->out, "\n%s\n", text);
}

/* What was recorded. */

static void put_machine(View *view)
{
    const TraceInfo *info = &view->stats->info;

    if (info->qemu_version[0] || info->vm_name[0]) {
        out_text(view->out, "QEMU ");
        out_safe(view->out, info->qemu_version);
        if (info->vm_name[0]) {
            out_text(view->out, " running ");
            out_safe(view->out, info->vm_name);
        }
        out_char(view->out, '\n');
    }
}

static void put_span(View *view)
{
    const ReportStats *stats = view->stats;
    char duration[FORMAT_ROOM];
    char moment[FORMAT_ROOM];
    char offset[FORMAT_ROOM];

    out_printf(view->out, "%s from %s",
               format_ns(duration, stats->end_ns - stats->begin_ns),
               format_moment(moment, stats->info.realtime_ns +
                                     (stats->begin_ns - stats->base_ns)));
    if (stats->begin_ns > stats->base_ns) {
        out_printf(view->out, " (%s in the recording)",
                   format_offset(offset, stats, stats->begin_ns));
    }
    if (stats->info.part > 1) {
        out_printf(view->out, ", part %" PRIu32, stats->info.part);
    }
    out_char(view->out, '\n');
    if (stats->has_end && stats->until_ns == UINT64_MAX) {
        out_printf(view->out, "It ended %s.\n",
                   format_end_reason(stats->end.reason));
    }
}

static void put_guest(View *view)
{
    const ReportStats *stats = view->stats;

    if (stats->has_guest) {
        out_printf(view->out, "Windows build %" PRIu32 ", kernel at 0x%"
                   PRIx64 "%s\n", stats->guest.build,
                   stats->guest.kernel_base,
                   stats->n_guests > 1 ? ", the last of several" : "");
    }
}

static void put_lost(View *view, uint64_t lost)
{
    if (lost) {
        out_printf(view->out, ", %" PRIu64 " LOST", lost);
    } else {
        out_text(view->out, ", none lost");
    }
}

static void put_counts(View *view)
{
    const ReportStats *stats = view->stats;

    if (stats->info.contents & TRACE_SCHED) {
        out_printf(view->out, "Switches    %10" PRIu64 "  %8.0f/s",
                   stats->switches, per_second(stats, stats->switches));
        put_lost(view, stats->sched_lost);
        if (stats->missed) {
            out_printf(view->out, ", %" PRIu64 " not seen", stats->missed);
        } else if (stats->missed_known) {
            out_text(view->out, ", none known to be missed");
        }
        out_char(view->out, '\n');
    }
    if (stats->info.contents & TRACE_IRQ) {
        out_printf(view->out, "Interrupts  %10" PRIu64 "  %8.0f/s",
                   stats->interrupts, per_second(stats, stats->interrupts));
        put_lost(view, stats->irq_lost);
        out_char(view->out, '\n');
    }
}

/* vCPUs. */

static void put_vcpu(View *view, size_t i)
{
    const ReportVcpu *vcpu = &view->stats->vcpus[i];
    uint64_t all = vcpu->busy_ns + vcpu->idle_ns + vcpu->unknown_ns;

    out_printf(view->out, "%5zu %6.1f%% %6.1f%% %7.1f%% %10" PRIu64
               " %8.0f %8" PRIu64 " %9.1f%%\n", i,
               percent(vcpu->busy_ns, all), percent(vcpu->idle_ns, all),
               percent(vcpu->unknown_ns, all), vcpu->switches,
               per_second(view->stats, vcpu->switches), vcpu->missed,
               percent(vcpu->uncertain_ns, all));
}

static void put_vcpus(View *view)
{
    size_t i;

    put_heading(view, " vCPU    busy    idle  unknown   switches       /s"
                " not seen uncertain");
    for (i = 0; i < view->stats->n_vcpus; i++) {
        if (view->stats->vcpus[i].seen) {
            put_vcpu(view, i);
        }
    }
}

/* Processes and threads. */

static uint64_t all_ns(const View *view)
{
    return view->totals.busy_ns + view->totals.idle_ns +
           view->totals.unknown_ns;
}

static void put_process(View *view, const ReportProcess *process)
{
    const TraceProcess *who = &view->stats->who.processes[process->process];
    char time[FORMAT_ROOM];
    char label[64];
    char pid[FORMAT_ROOM] = "-";

    if (who->has_pid) {
        snprintf(pid, sizeof(pid), "%" PRIu32, who->pid);
    }
    out_printf(view->out, "%6.2f%% %9s %9" PRIu64 " %8" PRIu64 " %7u %7s  ",
               percent(process->time_ns, all_ns(view)),
               format_ns(time, process->time_ns), process->switches,
               process->moves, process->threads, pid);
    put_last(view, trace_process_label(who, label, sizeof(label)), 24);
}

static void put_processes(View *view)
{
    ReportProcess *list = report_processes(view->stats);
    size_t n = 0;
    size_t i;

    while (n < view->stats->who.n_processes &&
           (list[n].time_ns || list[n].switches)) {
        n++;
    }
    put_heading(view, "  share      time  switches    moves threads     pid"
                "  process");
    for (i = 0; i < shown(view, n); i++) {
        put_process(view, &list[i]);
    }
    put_rest(view, n, "processes");
    free(list);
}

/* "chrome.exe: Compositor" */
static void put_thread_name(View *view, uint32_t index, unsigned columns)
{
    const TraceWho *who = &view->stats->who;
    const TraceThread *thread = &who->threads[index];
    char text[SCHEDLOG_NAME_SIZE + 128];
    char label[64];

    snprintf(text, sizeof(text), "%s%s%s",
             trace_process_label(&who->processes[thread->process], label,
                                 sizeof(label)),
             thread->name[0] ? ": " : "", thread->name);
    put_last(view, text, columns);
}

static void put_thread(View *view, uint32_t index)
{
    const ReportThread *thread = &view->stats->threads[index];
    const TraceThread *who = &view->stats->who.threads[index];
    char time[FORMAT_ROOM];
    char mean[FORMAT_ROOM] = "-";
    char longest[FORMAT_ROOM] = "-";
    char tid[FORMAT_ROOM] = "-";

    if (thread->runs) {
        format_ns(mean, thread->runs_ns / thread->runs);
        format_ns(longest, thread->longest_ns);
    }
    if (who->has_ids) {
        snprintf(tid, sizeof(tid), "%" PRIu32, who->tid);
    }
    out_printf(view->out, "%6.2f%% %9s %8" PRIu64 " %9s %9s %6" PRIu64
               " %6s ", percent(thread->time_ns, all_ns(view)),
               format_ns(time, thread->time_ns), thread->switches, mean,
               longest, thread->moves, tid);
    put_thread_name(view, index, 19);
}

static void put_threads(View *view)
{
    size_t n;
    uint32_t *list = report_threads(view->stats, &n);
    size_t i;

    put_heading(view, "  share      time switches  mean run   longest  moves"
                "    tid thread");
    for (i = 0; i < shown(view, n); i++) {
        put_thread(view, list[i]);
    }
    put_rest(view, n, "threads");
    free(list);
}

/* Histograms. */

static void put_bar(View *view, uint64_t n, uint64_t most)
{
    static const char marks[] = "########################################";
    unsigned len = (unsigned)((n * BAR + most - 1) / most);

    out_bytes(view->out, marks, len < BAR ? len : BAR);
    out_char(view->out, '\n');
}

static void put_buckets(View *view, const Histogram *histogram)
{
    char from[FORMAT_ROOM];
    uint64_t most = 1;
    unsigned first = REPORT_BUCKETS;
    unsigned last = 0;
    unsigned i;

    for (i = 0; i < REPORT_BUCKETS; i++) {
        if (histogram->count[i]) {
            first = i < first ? i : first;
            last = i;
            most = histogram->count[i] > most ? histogram->count[i] : most;
        }
    }
    for (i = first; i <= last; i++) {
        out_printf(view->out, "%9s.. %9" PRIu64 " ",
                   format_bucket(from, i), histogram->count[i]);
        put_bar(view, histogram->count[i], most);
    }
}

static void put_histogram(View *view, const char *heading,
                          const Histogram *histogram)
{
    char mean[FORMAT_ROOM];
    char half[FORMAT_ROOM];
    char most[FORMAT_ROOM];
    char longest[FORMAT_ROOM];

    if (!histogram->n) {
        return;
    }
    out_printf(view->out, "\n%s\n", heading);
    out_printf(view->out, "  %" PRIu64 ": mean %s, half below %s, "
               "99%% below %s, longest %s\n", histogram->n,
               format_ns(mean, histogram->sum_ns / histogram->n),
               format_ns(half, histogram_below(histogram, 0.5)),
               format_ns(most, histogram_below(histogram, 0.99)),
               format_ns(longest, histogram->max_ns));
    put_buckets(view, histogram);
}

/* Waits and moves. */

static void put_reason(View *view, unsigned reason)
{
    const ReportWait *wait = &view->stats->reasons[reason];
    char name[FORMAT_ROOM];
    char mean[FORMAT_ROOM];
    char longest[FORMAT_ROOM];
    char sum[FORMAT_ROOM];

    out_printf(view->out, "%9" PRIu64 " %9s %9s %9s  %s\n", wait->count,
               format_ns(sum, wait->sum_ns),
               format_ns(mean, wait->sum_ns / wait->count),
               format_ns(longest, wait->max_ns), format_reason(name, reason));
}

static void put_reasons(View *view)
{
    bool begun = false;
    unsigned i;

    for (i = 0; i < REPORT_REASONS; i++) {
        if (!view->stats->reasons[i].count) {
            continue;
        }
        if (!begun) {
            put_heading(view, "What threads waited for, until they ran "
                        "again\n    waits  together      mean   longest  "
                        "reason");
        }
        begun = true;
        put_reason(view, i);
    }
}

static void put_move_row(View *view, size_t from, size_t n)
{
    size_t to;

    out_printf(view->out, "%7zu ", from);
    for (to = 0; to < n; to++) {
        if (to == from) {
            out_printf(view->out, " %7s", "-");
        } else {
            out_printf(view->out, " %7" PRIu64,
                       view->stats->matrix[from * REPORT_MATRIX_VCPUS + to]);
        }
    }
    out_char(view->out, '\n');
}

static void put_moves(View *view)
{
    enum { COLUMNS = 8 };
    size_t n = view->stats->n_vcpus;
    size_t i;

    if (!view->stats->moves) {
        return;
    }
    out_printf(view->out, "\nMoves of threads between vCPUs: %" PRIu64
               ", %.0f/s\n", view->stats->moves,
               per_second(view->stats, view->stats->moves));
    if (n > COLUMNS) {
        return;
    }
    out_text(view->out, "from\\to ");
    for (i = 0; i < n; i++) {
        out_printf(view->out, " %7zu", i);
    }
    out_char(view->out, '\n');
    for (i = 0; i < n; i++) {
        put_move_row(view, i, n);
    }
}

/* Interrupts. */

/* The end of a path tells more than its beginning. */
static void put_line_name(View *view, const ReportLine *line,
                          unsigned columns)
{
    const char *path = line->path;
    const char *rest;

    while (strlen(path) > columns && (rest = strchr(path + 1, '/'))) {
        path = rest;
    }
    put_last(view, *path == '/' && path > line->path ? path + 1 : path,
             columns);
}

static void put_line(View *view, uint32_t id)
{
    const ReportLine *line = &view->stats->lines[id];
    char gap[FORMAT_ROOM];

    out_printf(view->out, "%9" PRIu64 " %8.0f %9s %6" PRIu64 " %-8s ",
               line->events, per_second(view->stats, line->events),
               format_ns(gap, line->longest_gap_ns), line->storms,
               irqlog_kind_name(line->kind));
    put_line_name(view, line, 34);
}

static void put_lines(View *view)
{
    size_t n;
    uint32_t *list = report_lines(view->stats, &n);
    size_t i;

    if (n) {
        put_heading(view, "   events       /s  long gap storms kind     line");
    }
    for (i = 0; i < shown(view, n); i++) {
        put_line(view, list[i]);
    }
    put_rest(view, n, "lines");
    free(list);
}

static void put_storms(View *view)
{
    const ReportLine *line;
    char first[FORMAT_ROOM];
    char ns[FORMAT_ROOM];
    bool begun = false;
    uint32_t id;

    for (id = 0; id <= IRQLOG_MAX_LINES; id++) {
        line = &view->stats->lines[id];
        if (!line->storms) {
            continue;
        }
        if (!begun) {
            put_heading(view, "Storms: 100 interrupts or more within 10 ms");
        }
        begun = true;
        out_printf(view->out, "  %" PRIu64 " from %s, %s with %" PRIu64
                   " interrupts:\n    ", line->storms,
                   format_offset(first, view->stats, line->storm_first_ns),
                   format_ns(ns, line->storm_ns), line->storm_events);
        put_line_name(view, line, 76);
    }
}

static void put_after(View *view, uint32_t id)
{
    const ReportLine *line = &view->stats->lines[id];
    char half[FORMAT_ROOM] = "-";
    char mean[FORMAT_ROOM] = "-";

    if (line->after.n) {
        format_ns(mean, line->after.sum_ns / line->after.n);
        format_ns(half, histogram_below(&line->after, 0.5));
    }
    out_printf(view->out, "%9" PRIu64 " %7.1f%% %9s %10s  ",
               line->after.n + line->passed,
               percent(line->after.n, line->after.n + line->passed), mean,
               half);
    put_line_name(view, line, 40);
}

/* The last two parts of a path. */
static const char *path_end(const char *path)
{
    const char *end = strrchr(path, '/');

    while (end && end > path && end[-1] != '/') {
        end--;
    }
    return end ? end : path;
}

static void put_pair(View *view, const ReportPair *pair)
{
    char mean[FORMAT_ROOM];
    char longest[FORMAT_ROOM];
    const char *path = view->stats->lines[pair->line].path;
    const char *device = path_end(path);

    out_printf(view->out, "%9" PRIu64 " %9s %9s  ", pair->count,
               format_ns(mean, pair->sum_ns / pair->count),
               format_ns(longest, pair->max_ns));
    put_padded(view, device, 28);
    out_char(view->out, ' ');
    put_thread_name(view, pair->thread, 20);
}

static void put_pairs(View *view)
{
    size_t n;
    ReportPair *pairs = report_pairs(view->stats, &n);
    size_t i;

    if (n) {
        put_heading(view, "    times      mean   longest  line             "
                    "            thread that ran next");
    }
    for (i = 0; i < shown(view, n); i++) {
        put_pair(view, &pairs[i]);
    }
    put_rest(view, n, "pairs");
    free(pairs);
}

static void put_follow_up(View *view)
{
    size_t n;
    uint32_t *list;
    char window[FORMAT_ROOM];
    const ReportLine *line;
    size_t i;

    if (!view->stats->switches || !view->stats->interrupts) {
        return;
    }
    list = report_lines(view->stats, &n);
    out_printf(view->out, "\nFrom interrupt to thread: raised by a device, "
               "and how often a vCPU switched to a\nthread within %s; by "
               "chance that is %.1f%%\n"
               "   raised followed      mean half below  line\n",
               format_ns(window, view->stats->window_ns),
               100 * report_chance(view->stats));
    for (i = 0; i < shown(view, n); i++) {
        line = &view->stats->lines[list[i]];
        if (line->after.n + line->passed) {
            put_after(view, list[i]);
        }
    }
    free(list);
    put_pairs(view);
}

/* What is not in it. */

static void put_sampling(View *view)
{
    const ReportStats *stats = view->stats;
    uint64_t exact = report_n_exact(stats);

    if (report_is_exact(stats)) {
        out_text(view->out, "* Every switch was recorded as it happened (exact "
                 "mode), as far as is known.\n");
        return;
    }
    if (exact) {
        out_printf(view->out, "* %" PRIu64 " of the switches were recorded as "
                   "they happened (exact mode).\n", exact);
    }
    out_printf(view->out, "* %s were seen by looking: at every exit of a vCPU, and %"
               PRIu32 " times a\n  second. Threads that ran in between are "
               "missing, and times are of the look.\n",
               exact ? "The others" : "Switches", stats->info.poll_hz);
    if (stats->missed) {
        out_printf(view->out, "* The guest counted %" PRIu64 " switches that "
                   "were not seen, %.1f%% of all; %.1f%% of\n  the vCPUs' "
                   "time is uncertain for that.\n", stats->missed,
                   percent(stats->missed, stats->missed + stats->switches),
                   percent(view->totals.uncertain_ns, all_ns(view)));
    } else if (!stats->missed_known) {
        out_text(view->out, "* The guest's counter of switches was not known: "
                 "how many are missing cannot\n  be told.\n");
    }
}

static void put_limits(View *view)
{
    const ReportStats *stats = view->stats;

    put_heading(view, "How far to trust this");
    if (stats->switches) {
        put_sampling(view);
    }
    if (stats->sched_lost || stats->irq_lost) {
        out_printf(view->out, "* %" PRIu64 " switches and %" PRIu64
                   " interrupts were lost: they came faster than they\n"
                   "  were written. Time without known events is "
                   "\"unknown\".\n", stats->sched_lost, stats->irq_lost);
    } else {
        out_text(view->out, "* Nothing was lost on the way to the file.\n");
    }
    if (stats->mark.sched_dropped || stats->mark.irq_dropped) {
        out_printf(view->out, "* %" PRIu64 " switches and %" PRIu64
                   " interrupts found their ring busy and were dropped.\n",
                   stats->mark.sched_dropped, stats->mark.irq_dropped);
    }
    if (stats->mark.lines_refused) {
        out_printf(view->out, "* %" PRIu32 " interrupt lines had no room in "
                   "the table and are \"(unknown)\".\n",
                   stats->mark.lines_refused);
    }
    if (stats->who.refused) {
        out_text(view->out, "* There were more threads than are told "
                 "apart.\n");
    }
}

void report_text(Out *out, const ReportStats *stats, size_t top)
{
    View view = { .out = out, .stats = stats, .top = top };

    report_totals(stats, &view.totals);
    put_machine(&view);
    put_span(&view);
    put_guest(&view);
    put_counts(&view);
    if (stats->switches) {
        put_vcpus(&view);
        put_processes(&view);
        put_threads(&view);
        put_histogram(&view, "How long threads ran at a time (whole runs)",
                      &stats->runs);
        put_histogram(&view, "How long threads waited for a vCPU (those that "
                      "were seen ready)", &stats->ready);
        if (!stats->ready.n) {
            put_heading(&view, "How long threads waited for a vCPU is not "
                        "known: no state of theirs was seen.");
        }
        put_reasons(&view);
        put_moves(&view);
    }
    put_lines(&view);
    put_storms(&view);
    put_follow_up(&view);
    put_limits(&view);
}
