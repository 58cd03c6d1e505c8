/*
 * top-rows: which threads or processes are shown, in which order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

double top_percent(const Top *top, uint64_t ns)
{
    return (double)ns * 100 / (double)shares_length_ns(&top->feed.shares);
}

double top_rate(const Top *top, uint64_t count)
{
    return (double)count * 1e9 / (double)shares_length_ns(&top->feed.shares);
}

double top_irq_rate(const Top *top, uint64_t events)
{
    uint64_t span = top->rates.last_ns - top->rates.first_ns;

    if (top->irq_whole || !span) {
        return top_rate(top, events);
    }
    return (double)events * 1e9 / (double)span;
}

void top_row_name(const Top *top, const TopRow *row, char *name, size_t size)
{
    const ShareThread *thread = row->thread;
    bool titled = *thread->name && !top->view.processes;

    if (*thread->image) {
        snprintf(name, size, "%s%s%s", thread->image, titled ? ": " : "",
                 titled ? thread->name : "");
    } else if (titled) {
        snprintf(name, size, "%s", thread->name);
    } else {
        snprintf(name, size, "0x%" PRIx64, thread->thread);
    }
}

void top_row_state(const TopRow *row, char *state, size_t size)
{
    if (row->thread->vcpu >= 0) {
        snprintf(state, size, "run %" PRId32, row->thread->vcpu);
    } else {
        snprintf(state, size, "%s", row->thread->left);
    }
}

/* Choosing. */

static bool matches(const Top *top, const TopRow *row)
{
    const ShareThread *thread = row->thread;
    const char *filter = top->view.filter;
    char ids[32];

    if (!*filter || strcasestr(thread->image, filter)) {
        return true;
    }
    snprintf(ids, sizeof(ids), "%" PRIu32 "/%" PRIu32, thread->pid,
             thread->tid);
    return (thread->has_ids && strstr(ids, filter)) ||
           (!top->view.processes && strcasestr(thread->name, filter));
}

static void add_row(TopRows *rows, const ShareThread *thread)
{
    rows->rows = grow(rows->rows, rows->n, &rows->room, sizeof(*rows->rows));
    rows->rows[rows->n++] = (TopRow) { thread, 1, thread->run_ns,
                                       thread->switches };
}

static bool is_shown(const ShareThread *thread)
{
    return !thread->idle && (thread->run_ns || thread->switches);
}

/* Threads of one process, side by side after sorting, become one row. */
static int by_process(const void *a, const void *b)
{
    const ShareThread *one = ((const TopRow *)a)->thread;
    const ShareThread *two = ((const TopRow *)b)->thread;

    if (one->has_ids != two->has_ids) {
        return one->has_ids ? -1 : 1;
    }
    if (one->pid != two->pid) {
        return one->pid < two->pid ? -1 : 1;
    }
    return strcmp(one->image, two->image);
}

static void join_processes(TopRows *rows)
{
    TopRow *last = rows->rows;
    size_t i;

    if (!rows->n) {
        return;
    }
    qsort(rows->rows, rows->n, sizeof(*rows->rows), by_process);
    for (i = 1; i < rows->n; i++) {
        if (!by_process(last, &rows->rows[i])) {
            last->n_threads++;
            last->run_ns += rows->rows[i].run_ns;
            last->switches += rows->rows[i].switches;
        } else {
            *++last = rows->rows[i];
        }
    }
    rows->n = (size_t)(last - rows->rows) + 1;
}

static void drop_others(Top *top)
{
    TopRows *rows = &top->rows;
    size_t kept = 0;
    size_t i;

    for (i = 0; i < rows->n; i++) {
        if (matches(top, &rows->rows[i])) {
            rows->rows[kept++] = rows->rows[i];
        }
    }
    rows->n = kept;
}

/* Sorting. */

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_names(const TopRow *a, const TopRow *b)
{
    int order = strcasecmp(a->thread->image, b->thread->image);

    return order ? order : strcasecmp(a->thread->name, b->thread->name);
}

static int compare_ids(const TopRow *a, const TopRow *b)
{
    int order = compare(a->thread->pid, b->thread->pid);

    order = order ? order : compare(a->thread->tid, b->thread->tid);
    return order ? order : compare(a->thread->thread, b->thread->thread);
}

static int by_view(const void *one, const void *two, void *opaque)
{
    const TopView *view = opaque;
    const TopRow *a = one;
    const TopRow *b = two;
    int order = 0;

    if (view->sort == TOP_CPU) {
        order = compare(b->run_ns, a->run_ns);
    } else if (view->sort == TOP_SWITCHES) {
        order = compare(b->switches, a->switches);
    } else if (view->sort == TOP_NAME) {
        order = compare_names(a, b);
    }
    order = order ? order : compare_ids(a, b);
    return view->reverse ? -order : order;
}

void top_choose_rows(Top *top)
{
    const Shares *shares = &top->feed.shares;
    TopRows *rows = &top->rows;
    size_t i;

    rows->n = 0;
    for (i = 0; i < shares->n_threads; i++) {
        if (is_shown(&shares->threads[i])) {
            add_row(rows, &shares->threads[i]);
        }
    }
    if (top->view.processes) {
        join_processes(rows);
    }
    drop_others(top);
    if (rows->n) {
        qsort_r(rows->rows, rows->n, sizeof(*rows->rows), by_view,
                &top->view);
    }
}
