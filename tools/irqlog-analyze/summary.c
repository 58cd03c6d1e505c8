/*
 * summary: see summary.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "summary.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>

static int descending(uint64_t a, uint64_t b)
{
    return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_lines(const void *a, const void *b, void *opaque)
{
    const Stats *stats = opaque;
    const LineStats *x = &stats->lines[*(const uint32_t *)a];
    const LineStats *y = &stats->lines[*(const uint32_t *)b];
    int order = descending(x->flow.events, y->flow.events);

    return order ? order : strcmp(x->path, y->path);
}

static int compare_raised(const void *a, const void *b, void *opaque)
{
    const Stats *stats = opaque;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    int order = descending(stats->lines[y].course.since_ns,
                           stats->lines[x].course.since_ns);

    return order ? order : descending(y, x);
}

static int compare_silent(const void *a, const void *b, void *opaque)
{
    const Stats *stats = opaque;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    int order = descending(stats->lines[y].course.last_ns,
                           stats->lines[x].course.last_ns);

    return order ? order : descending(y, x);
}

static int compare_callers(const void *a, const void *b, void *opaque)
{
    const Stats *stats = opaque;
    const CallerStats *x = &stats->callers[*(const uint32_t *)a];
    const CallerStats *y = &stats->callers[*(const uint32_t *)b];
    int order = descending(x->flow.events, y->flow.events);

    return order ? order : strcmp(x->name, y->name);
}

static int compare_threads(const void *a, const void *b, void *opaque)
{
    const Stats *stats = opaque;
    const ThreadStats *x = &stats->threads[*(const uint32_t *)a];
    const ThreadStats *y = &stats->threads[*(const uint32_t *)b];
    int order = descending(x->events, y->events);

    return order ? order : descending(y->tid, x->tid);
}

static int compare_pairs(const void *a, const void *b)
{
    const PairStats *x = a;
    const PairStats *y = b;
    int order = descending(y->line, x->line);

    if (!order) {
        order = descending(x->events, y->events);
    }
    return order ? order : descending(y->caller, x->caller);
}

static void *allocate(size_t n, size_t size)
{
    void *mem = calloc(n + 1, size);

    if (!mem) {
        die_no_memory();
    }
    return mem;
}

/* All indices below @n, in order. */
static uint32_t *order(const Stats *stats, size_t n,
                       int (*compare)(const void *, const void *, void *))
{
    uint32_t *list = allocate(n, sizeof(*list));
    size_t i;

    for (i = 0; i < n; i++) {
        list[i] = (uint32_t)i;
    }
    qsort_r(list, n, sizeof(*list), compare, (void *)stats);
    return list;
}

static bool is_message(const Stats *stats, const LineStats *line)
{
    (void)stats;
    return line->kind == IRQLOG_MSI;
}

/* Those lines that @is says, in order. */
static uint32_t *choose(const Stats *stats, size_t *n,
                        bool (*is)(const Stats *, const LineStats *),
                        int (*compare)(const void *, const void *, void *))
{
    uint32_t *list = allocate(stats->n_lines, sizeof(*list));
    size_t i;

    *n = 0;
    for (i = 0; i < stats->n_lines; i++) {
        if (is(stats, &stats->lines[i])) {
            list[(*n)++] = (uint32_t)i;
        }
    }
    qsort_r(list, *n, sizeof(*list), compare, (void *)stats);
    return list;
}

static size_t at_most(size_t n, unsigned top)
{
    return top && n > top ? top : n;
}

void summary_prepare(Summary *summary, const Stats *stats, unsigned top)
{
    summary->stats = stats;
    summary->duration_ns = stats_duration_ns(stats);
    summary->lines = order(stats, stats->n_lines, compare_lines);
    summary->callers = order(stats, stats->n_callers, compare_callers);
    summary->threads = order(stats, stats->n_threads, compare_threads);
    summary->raised = choose(stats, &summary->n_raised, stats_is_raised,
                             compare_raised);
    summary->silent = choose(stats, &summary->n_silent, is_message,
                             compare_silent);
    summary->top = top;
    summary->n_lines = at_most(stats->n_lines, top);
    summary->n_callers = at_most(stats->n_callers, top);
    summary->n_threads = at_most(stats->n_threads, top);
    summary->n_pairs = stats->n_pairs;
    summary->pairs = allocate(stats->n_pairs, sizeof(*summary->pairs));
    if (stats->n_pairs) {
        memcpy(summary->pairs, stats->pairs,
               stats->n_pairs * sizeof(*summary->pairs));
    }
    qsort(summary->pairs, summary->n_pairs, sizeof(*summary->pairs),
          compare_pairs);
}

void summary_release(Summary *summary)
{
    free(summary->lines);
    free(summary->callers);
    free(summary->threads);
    free(summary->raised);
    free(summary->silent);
    free(summary->pairs);
}

const PairStats *summary_callers_of(const Summary *summary, uint32_t line,
                                    size_t *n)
{
    size_t low = 0;
    size_t high = summary->n_pairs;
    size_t middle;
    size_t end;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (summary->pairs[middle].line < line) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (end = low; end < summary->n_pairs; end++) {
        if (summary->pairs[end].line != line) {
            break;
        }
    }
    *n = end - low;
    return summary->pairs + low;
}

double summary_rate(const Summary *summary, uint64_t events)
{
    if (!summary->duration_ns) {
        return 0;
    }
    return (double)events * 1e9 / (double)summary->duration_ns;
}

const char *summary_label(const LineStats *line, char *buf)
{
    IrqlogLineInfo info = {
        .path = line->path, .driven_by = line->driven_by,
        .device = line->device, .kind = line->kind, .n = line->n,
    };

    return line->device ? device_label(&info, buf, DEVICE_LABEL_MAX)
                        : line->path;
}
