/*
 * report-text: what a recording amounts to, in 80 columns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/view.h"

#include "common/translate.h"
#include "shared/display.h"
#include "report/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An image name is of 15 bytes, and each may be escaped: it is not cut. */
enum { BAR = 40, IMAGE_COLUMNS = 15, PROCESS_COLUMNS = 4 * IMAGE_COLUMNS };

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
        out_printf(view->out, _("  and %zu more %s\n"), n - shown(view, n),
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
            out_text(view->out, _(" running "));
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

    out_printf(view->out, _("%s from %s"),
               format_ns(duration, stats->end_ns - stats->begin_ns),
               format_moment(moment, stats->info.realtime_ns +
                                     (stats->begin_ns - stats->base_ns)));
    if (stats->begin_ns > stats->base_ns) {
        out_printf(view->out, _(" (%s in the recording)"),
                   format_offset(offset, stats, stats->begin_ns));
    }
    if (stats->info.part > 1) {
        out_printf(view->out, _(", part %" PRIu32), stats->info.part);
    }
    out_char(view->out, '\n');
    if (stats->has_end && stats->until_ns == UINT64_MAX) {
        out_printf(view->out, _("It ended %s.\n"),
                   _(format_end_reason(stats->end.reason)));
    }
}

static void put_guest(View *view)
{
    const ReportStats *stats = view->stats;

    if (stats->has_guest) {
        out_printf(view->out, _("Windows build %" PRIu32 ", kernel at 0x%"
                                PRIx64 "%s\n"), stats->guest.build,
                   stats->guest.kernel_base,
                   stats->n_guests > 1 ? _(", the last of several") : "");
    }
}

static void put_lost(View *view, uint64_t lost)
{
    if (lost) {
        out_printf(view->out, _(", %" PRIu64 " LOST"), lost);
    } else {
        out_text(view->out, _(", none lost"));
    }
}

static void put_counts(View *view)
{
    const ReportStats *stats = view->stats;

    if (stats->info.contents & TRACE_SCHED) {
        out_printf(view->out, _("Switches    %10" PRIu64 "  %8.0f/s"),
                   stats->switches, per_second(stats, stats->switches));
        put_lost(view, stats->sched_lost);
        if (stats->missed) {
            out_printf(view->out, _(", %" PRIu64 " not seen"), stats->missed);
        } else if (stats->missed_known) {
            out_text(view->out, _(", none known to be missed"));
        }
        out_char(view->out, '\n');
    }
    if (stats->info.contents & TRACE_IRQ) {
        out_printf(view->out, _("Interrupts  %10" PRIu64 "  %8.0f/s"),
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

    put_heading(view, _(" vCPU    busy    idle  unknown   switches       /s "
                        "not seen uncertain"));
    for (i = 0; i < view->stats->n_vcpus; i++) {
        if (view->stats->vcpus[i].seen) {
            put_vcpu(view, i);
        }
    }
}

/* The share of a vCPU's time that the host took away, where it is known. */
static void put_not_run(View *view, const ReportVcpu *vcpu)
{
    if (vcpu->host_ns) {
        out_printf(view->out, "%12.1f%%\n",
                   percent(vcpu->host_wait_ns, vcpu->host_ns));
    } else {
        out_printf(view->out, "%13s\n", "?");
    }
}

/* Where time went by Windows' own account, and what it cannot know of. */
static void put_ticks(View *view)
{
    const ReportVcpu *vcpu;
    size_t i;
    unsigned k;

    if (!report_has_ticks(view->stats)) {
        return;
    }
    put_heading(view, _(" vCPU    user  kernel     DPC  interrupt    idle  "
                        "irqs/s  no host CPU"));
    for (i = 0; i < view->stats->n_vcpus; i++) {
        vcpu = &view->stats->vcpus[i];
        if (!vcpu->ticks_ns) {
            continue;
        }
        out_printf(view->out, "%5zu", i);
        for (k = 0; k < TRACE_N_TICKS; k++) {
            out_printf(view->out, "%*.1f%%",
                       k == TRACE_TICK_INTERRUPT ? 10 : 7,
                       percent(vcpu->ticks[k], report_ticks(vcpu)));
        }
        out_printf(view->out, "%8.0f", (double)vcpu->tick_interrupts * 1e9 /
                   (double)vcpu->ticks_ns);
        put_not_run(view, vcpu);
    }
}

/* What a guest cannot know: whether the host let its vCPUs run. */
static void put_host(View *view)
{
    const ReportVcpu *vcpu;
    char longest[FORMAT_ROOM];
    size_t i;

    if (!report_has_host(view->stats)) {
        return;
    }
    put_heading(view, _(" vCPU on a host CPU  waited for one  blocked  "
                        "longest wait"));
    for (i = 0; i < view->stats->n_vcpus; i++) {
        vcpu = &view->stats->vcpus[i];
        if (vcpu->host_ns) {
            out_printf(view->out, "%5zu %12.1f%% %14.1f%% %7.1f%% %13s\n", i,
                       percent(vcpu->host_run_ns, vcpu->host_ns),
                       percent(vcpu->host_wait_ns, vcpu->host_ns),
                       percent(report_host_blocked(vcpu), vcpu->host_ns),
                       format_ns(longest, vcpu->host_longest_ns));
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
    char label[TRACE_LABEL_ROOM];
    char pid[FORMAT_ROOM] = "-";

    if (who->has_pid) {
        snprintf(pid, sizeof(pid), "%" PRIu32, who->pid);
    }
    out_printf(view->out, "%6.2f%% %9s %9" PRIu64 " %8" PRIu64 " %7u %7s  ",
               percent(process->time_ns, all_ns(view)),
               format_ns(time, process->time_ns), process->switches,
               process->moves, process->threads, pid);
    put_last(view, trace_process_label(who, label, sizeof(label)),
             PROCESS_COLUMNS);
}

/* Whole, however long: what is to be looked for must not be cut. */
static void put_paths(View *view, const ReportProcess *list, size_t n)
{
    const TraceProcess *who;
    bool begun = false;
    size_t i;

    for (i = 0; i < n; i++) {
        who = &view->stats->who.processes[list[i].process];
        if (!who->path) {
            continue;
        }
        if (!begun) {
            put_heading(view, _("    pid  path of the image"));
            begun = true;
        }
        out_printf(view->out, "%7" PRIu32 "  ", who->pid);
        out_safe(view->out, who->path);
        out_char(view->out, '\n');
    }
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
    put_heading(view, _("  share      time  switches    moves threads     "
                        "pid  process"));
    for (i = 0; i < shown(view, n); i++) {
        put_process(view, &list[i]);
    }
    put_rest(view, n, _("processes"));
    put_paths(view, list, shown(view, n));
    free(list);
}

/* "chrome.exe: Compositor" */
static void put_thread_name(View *view, uint32_t index, unsigned columns)
{
    const TraceWho *who = &view->stats->who;
    const TraceThread *thread = &who->threads[index];
    char text[TRACE_LABEL_ROOM + SCHEDLOG_NAME_SIZE + 4];
    char label[TRACE_LABEL_ROOM];
    const char *process =
        trace_process_label(&who->processes[thread->process], label,
                            sizeof(label));
    unsigned width = display_width(process);

    snprintf(text, sizeof(text), "%s%s%s", process,
             thread->name[0] ? ": " : "", thread->name);
    /* Escapes do not push the rest of the name out. */
    put_last(view, text, width > IMAGE_COLUMNS && width <= PROCESS_COLUMNS ?
             columns + width - IMAGE_COLUMNS : columns);
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

    put_heading(view, _("  share      time switches  mean run   longest  "
                        "moves    tid thread"));
    for (i = 0; i < shown(view, n); i++) {
        put_thread(view, list[i]);
    }
    put_rest(view, n, _("threads"));
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
    out_printf(view->out, _("  %" PRIu64 ": mean %s, half below %s, 99%% "
                            "below %s, longest %s\n"), histogram->n,
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

static void put_preemption(View *view, const ReportPreemption *preemption)
{
    char text[FORMAT_THREAD_ROOM];
    char waited[FORMAT_ROOM] = "-";
    char longest[FORMAT_ROOM] = "-";

    if (preemption->waits) {
        format_ns(waited, preemption->waited_ns);
        format_ns(longest, preemption->max_ns);
    }
    out_printf(view->out, "%9" PRIu64 " %9s %9s  ", preemption->count, waited,
               longest);
    format_thread(view->stats, preemption->thread, text, sizeof(text));
    put_padded(view, text, 22);
    out_text(view->out, "  ");
    format_thread(view->stats, preemption->by, text, sizeof(text));
    put_last(view, text, 22);
}

static void put_preemptions(View *view)
{
    size_t n;
    ReportPreemption *list = report_preemptions(view->stats, &n);
    size_t i;

    if (n) {
        put_heading(view, _("Who preempted whom, and how long that one then "
                            "waited\n    times    waited   longest  "
                            "thread                  preempted by"));
    }
    for (i = 0; i < shown(view, n); i++) {
        put_preemption(view, &list[i]);
    }
    put_rest(view, n, _("pairs"));
    free(list);
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
            put_heading(view, _("What threads waited for, until they ran "
                                "again\n    waits  together      mean   "
                                "longest  reason"));
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
    out_printf(view->out, _("\nMoves of threads between vCPUs: %" PRIu64 ", "
                            "%.0f/s\n"), view->stats->moves,
               per_second(view->stats, view->stats->moves));
    if (n > COLUMNS) {
        return;
    }
    out_text(view->out, _("from\\to "));
    for (i = 0; i < n; i++) {
        out_printf(view->out, " %7zu", i);
    }
    out_char(view->out, '\n');
    for (i = 0; i < n; i++) {
        put_move_row(view, i, n);
    }
}

/* Interrupts. */

/* How many others each call raised on its way, as a mean: "+4". */
static const char *format_inner(char buf[FORMAT_ROOM], const ReportLine *line)
{
    double mean = line->outermost ? (double)line->inner /
                                    (double)line->outermost : 0;

    if (!line->inner) {
        *buf = '\0';
    } else {
        snprintf(buf, FORMAT_ROOM, "+%.*f", mean < 10 && mean != floor(mean),
                 mean);
    }
    return buf;
}

static void put_line(View *view, uint32_t id)
{
    const ReportLine *line = &view->stats->lines[id];
    uint64_t events = report_line_events(view->stats, line);
    char inner[FORMAT_ROOM] = "";
    char gap[FORMAT_ROOM];

    if (!view->stats->all_depths) {
        format_inner(inner, line);
    }
    out_printf(view->out, "%9" PRIu64 " %8.0f %6s %9s %6" PRIu64 "  ",
               events, per_second(view->stats, events), inner,
               format_ns(gap, line->longest_gap_ns), line->storms);
    put_last(view, line->label, 36);
}

/* What the lists leave out. */
static void put_inner(View *view)
{
    const ReportStats *stats = view->stats;
    uint64_t outermost = 0;
    uint32_t id;

    for (id = 0; id <= IRQLOG_MAX_LINES; id++) {
        outermost += stats->lines[id].outermost;
    }
    if (!stats->all_depths && outermost < stats->interrupts) {
        out_printf(view->out, _("  and %" PRIu64 " calls inside of these, on "
                                "the way to the CPU: --all-depths shows\n  "
                                "them\n"),
                   stats->interrupts - outermost);
    }
}

static void put_lines(View *view)
{
    size_t n;
    uint32_t *list = report_lines(view->stats, false, &n);
    size_t i;

    if (n) {
        put_heading(view, _("   events       /s inside  long gap storms  "
                            "device"));
    }
    for (i = 0; i < shown(view, n); i++) {
        put_line(view, list[i]);
    }
    put_rest(view, n, _("lines"));
    put_inner(view);
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
            put_heading(view, _("Storms: 100 interrupts or more within 10 ms"));
        }
        begun = true;
        out_printf(view->out, _("  %" PRIu64 " from %s, %s with %" PRIu64 " "
                                "interrupts:\n    "), line->storms,
                   format_offset(first, view->stats, line->storm_first_ns),
                   format_ns(ns, line->storm_ns), line->storm_events);
        put_last(view, line->label, 76);
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
    put_last(view, line->label, 38);
}

static void put_pair(View *view, const ReportPair *pair)
{
    char mean[FORMAT_ROOM];
    char longest[FORMAT_ROOM];

    out_printf(view->out, "%9" PRIu64 " %9s %9s  ", pair->count,
               format_ns(mean, pair->sum_ns / pair->count),
               format_ns(longest, pair->max_ns));
    put_padded(view, view->stats->lines[pair->line].label, 28);
    out_char(view->out, ' ');
    put_thread_name(view, pair->thread, 20);
}

static void put_pairs(View *view)
{
    size_t n;
    ReportPair *pairs = report_pairs(view->stats, &n);
    size_t i;

    if (n) {
        put_heading(view, _("    times      mean   longest  device             "
                            "          thread that ran next"));
    }
    for (i = 0; i < shown(view, n); i++) {
        put_pair(view, &pairs[i]);
    }
    put_rest(view, n, _("pairs"));
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
    list = report_lines(view->stats, false, &n);
    out_printf(view->out, _("\nFrom interrupt to thread: raised by a device, "
                            "and how often a vCPU switched to a\nthread "
                            "within %s; by chance that is %.1f%%\n   raised "
                            "followed      mean half below  device\n"),
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
    char rate[64];

    if (report_is_exact(stats)) {
        out_text(view->out, _("* Every switch was recorded as it happened "
                              "(exact mode), as far as is known.\n"));
        return;
    }
    if (exact) {
        out_printf(view->out, _("* %" PRIu64 " of the switches were recorded "
                                "as they happened (exact mode).\n"), exact);
    }
    if (stats->info.poll_hz == UINT32_MAX) {
        snprintf(rate, sizeof(rate), _("without a\n  pause"));
    } else {
        snprintf(rate, sizeof(rate), _("%" PRIu32 " times per\n  second"),
                 stats->info.poll_hz);
    }
    out_printf(view->out, _("* %s were sampled: at every exit of a vCPU, and "
                            "%s. Threads that ran in between are missing, and "
                            "times are those of the\n  samples.\n"),
               exact ? _("The others") : _("Switches"), rate);
    if (stats->missed) {
        out_printf(view->out, _("* The guest counted %" PRIu64 " switches "
                                "that were not seen, %.1f%% of all; %.1f%% "
                                "of\n  the vCPUs' time is uncertain for "
                                "that.\n"), stats->missed,
                   percent(stats->missed, stats->missed + stats->switches),
                   percent(view->totals.uncertain_ns, all_ns(view)));
    } else if (!stats->missed_known) {
        out_text(view->out, _("* The guest's counter of switches was not "
                              "known: how many are missing cannot\n  be "
                              "told.\n"));
    }
}

/* Ways by which interrupts came that the log did not see. */
static void put_past_log(View *view)
{
    const char *text = view->stats->info.past_log;
    char line[sizeof(view->stats->info.past_log)];
    size_t length;

    if (*text) {
        out_text(view->out, _("* Interrupts that went past the log, and are "
                              "not in this:\n"));
    }
    for (; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        memcpy(line, text, length);
        line[length] = '\0';
        out_text(view->out, "  - ");
        out_safe(view->out, *line ? _(line) : line);
        out_char(view->out, '\n');
    }
}

static void put_limits(View *view)
{
    const ReportStats *stats = view->stats;

    put_heading(view, _("How far to trust this"));
    if (stats->switches) {
        put_sampling(view);
    }
    if (stats->sched_lost || stats->irq_lost) {
        out_printf(view->out, _("* %" PRIu64 " switches and %" PRIu64 " "
                                "interrupts were lost: they came faster than "
                                "they\n  were written. Time without known "
                                "events is \"unknown\".\n"),
                   stats->sched_lost, stats->irq_lost);
    } else {
        out_text(view->out, _("* Nothing was lost on the way to the file.\n"));
    }
    if (stats->mark.sched_dropped || stats->mark.irq_dropped) {
        out_printf(view->out, _("* %" PRIu64 " switches and %" PRIu64 " "
                                "interrupts found their ring busy and were "
                                "dropped.\n"),
                   stats->mark.sched_dropped, stats->mark.irq_dropped);
    }
    if (stats->mark.lines_refused) {
        out_printf(view->out, _("* %" PRIu32 " interrupt lines had no room in "
                                "the table and are \"(unknown)\".\n"),
                   stats->mark.lines_refused);
    }
    put_past_log(view);
    if (stats->who.refused) {
        out_text(view->out, _("* There were more threads than are told "
                              "apart.\n"));
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
        put_ticks(&view);
        put_host(&view);
        put_processes(&view);
        put_threads(&view);
        put_histogram(&view, _("How long threads ran at a time (whole runs)"),
                      &stats->runs);
        put_histogram(&view, _("How long threads waited for a vCPU (those "
                               "that were seen ready)"), &stats->ready);
        if (!stats->ready.n) {
            put_heading(&view, _("How long threads waited for a vCPU is not "
                                 "known: no state of theirs was seen."));
        }
        put_preemptions(&view);
        put_reasons(&view);
        put_moves(&view);
    }
    put_lines(&view);
    put_storms(&view);
    report_text_courses(out, stats, top);
    put_follow_up(&view);
    report_text_routes(out, stats, top);
    put_limits(&view);
}
