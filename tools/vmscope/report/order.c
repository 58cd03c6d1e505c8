/*
 * report-order: sums over a recording, and its lists in order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/stats.h"

#include "common/message.h"

#include <stdlib.h>
#include <string.h>

void report_totals(const ReportStats *stats, ReportTotals *totals)
{
    size_t i;

    memset(totals, 0, sizeof(*totals));
    for (i = 0; i < stats->n_vcpus; i++) {
        totals->busy_ns += stats->vcpus[i].busy_ns;
        totals->idle_ns += stats->vcpus[i].idle_ns;
        totals->unknown_ns += stats->vcpus[i].unknown_ns;
        totals->uncertain_ns += stats->vcpus[i].uncertain_ns;
        totals->n_vcpus += stats->vcpus[i].seen;
    }
}

static void *new_array(size_t n, size_t size)
{
    void *array = calloc(n ? n : 1, size);

    if (!array) {
        die_no_memory();
    }
    return array;
}

static int falling(uint64_t a, uint64_t b, uint32_t index_a, uint32_t index_b)
{
    if (a != b) {
        return a < b ? 1 : -1;
    }
    return index_a < index_b ? -1 : index_a > index_b;
}

static int by_time(const void *a, const void *b)
{
    const ReportProcess *x = a;
    const ReportProcess *y = b;

    return falling(x->time_ns, y->time_ns, x->process, y->process);
}

/* Idle threads are no process; those of whom nothing is known are. */
ReportProcess *report_processes(const ReportStats *stats)
{
    ReportProcess *list = new_array(stats->who.n_processes, sizeof(*list));
    ReportProcess *process;
    size_t i;

    for (i = 0; i < stats->who.n_processes; i++) {
        list[i].process = (uint32_t)i;
    }
    for (i = 1; i < stats->who.n_threads; i++) {
        if (trace_thread_may_be_idle(&stats->who.threads[i])) {
            continue;
        }
        process = &list[stats->who.threads[i].process];
        process->threads++;
        process->time_ns += stats->threads[i].time_ns;
        process->switches += stats->threads[i].switches;
        process->moves += stats->threads[i].moves;
    }
    qsort(list, stats->who.n_processes, sizeof(*list), by_time);
    return list;
}

static int compare_threads(const void *a, const void *b, void *opaque)
{
    const ReportStats *stats = opaque;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return falling(stats->threads[x].time_ns, stats->threads[y].time_ns, x,
                   y);
}

uint32_t *report_threads(const ReportStats *stats, size_t *n)
{
    uint32_t *list = new_array(stats->who.n_threads, sizeof(*list));
    uint32_t i;

    *n = 0;
    for (i = 1; i < stats->who.n_threads; i++) {
        if (!trace_thread_may_be_idle(&stats->who.threads[i]) &&
            (stats->threads[i].time_ns || stats->threads[i].switches)) {
            list[(*n)++] = i;
        }
    }
    qsort_r(list, *n, sizeof(*list), compare_threads, (void *)stats);
    return list;
}

uint64_t report_line_events(const ReportStats *stats, const ReportLine *line)
{
    return stats->all_depths ? line->events : line->outermost;
}

static int compare_lines(const void *a, const void *b, void *opaque)
{
    const ReportStats *stats = opaque;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return falling(report_line_events(stats, &stats->lines[x]),
                   report_line_events(stats, &stats->lines[y]), x, y);
}

uint32_t *report_lines(const ReportStats *stats, bool all, size_t *n)
{
    uint32_t *list = new_array(IRQLOG_MAX_LINES + 1, sizeof(*list));
    uint32_t i;

    *n = 0;
    for (i = 0; i <= IRQLOG_MAX_LINES; i++) {
        if (stats->lines[i].seen && (all || stats->all_depths ||
                                     stats->lines[i].outermost)) {
            list[(*n)++] = i;
        }
    }
    qsort_r(list, *n, sizeof(*list), compare_lines, (void *)stats);
    return list;
}

static int compare_preemptions(const void *a, const void *b)
{
    const ReportPreemption *x = a;
    const ReportPreemption *y = b;

    if (x->waited_ns != y->waited_ns) {
        return x->waited_ns < y->waited_ns ? 1 : -1;
    }
    if (x->count == y->count && x->thread != y->thread) {
        return x->thread < y->thread ? -1 : 1;
    }
    return falling(x->count, y->count, x->by, y->by);
}

ReportPreemption *report_preemptions(const ReportStats *stats, size_t *n)
{
    ReportPreemption *list;

    *n = stats->n_preemptions - 1;
    list = new_array(*n, sizeof(*list));
    memcpy(list, stats->preemptions + 1, *n * sizeof(*list));
    qsort(list, *n, sizeof(*list), compare_preemptions);
    return list;
}

static int compare_pairs(const void *a, const void *b)
{
    const ReportPair *x = a;
    const ReportPair *y = b;

    if (x->count == y->count && x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    return falling(x->count, y->count, x->thread, y->thread);
}

ReportPair *report_pairs(const ReportStats *stats, size_t *n)
{
    ReportPair *list;

    *n = stats->n_pairs - 1;
    list = new_array(*n, sizeof(*list));
    memcpy(list, stats->pairs + 1, *n * sizeof(*list));
    qsort(list, *n, sizeof(*list), compare_pairs);
    return list;
}
