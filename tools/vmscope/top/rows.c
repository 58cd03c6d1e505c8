/*
 * top-rows: which threads or processes are shown, in which order, and which
 * of them is marked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top/top.h"

#include "common/translate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

double top_percent(const Top *top, uint64_t ns)
{
    return (double)ns * 100 / (double)shares_length_ns(&top->feed.shares);
}

double top_ticks_percent(const Top *top, uint64_t ticks)
{
    return (double)ticks * (double)top->used.tick_ns * 100 /
           (double)shares_length_ns(&top->feed.shares);
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

const char *top_row_path(const Top *top, const TopRow *row)
{
    const ShareThread *thread = row->thread;

    return thread->has_ids && !thread->idle
           ? proc_paths_of(&top->paths, thread->pid, thread->image) : NULL;
}

void top_row_name(const Top *top, const TopRow *row, char *name, size_t size)
{
    const ShareThread *thread = row->thread;
    bool titled = *thread->name && !row->process;
    const char *path = top_row_path(top, row);
    const char *image = path ? names_leaf(path) : thread->image;

    if (*image) {
        snprintf(name, size, "%s%s%s", image, titled ? ": " : "",
                 titled ? thread->name : "");
    } else if (titled) {
        snprintf(name, size, "%s", thread->name);
    } else {
        snprintf(name, size, "0x%" PRIx64, thread->thread);
    }
}

void top_row_state(const TopRow *row, char *state, size_t size)
{
    if (row->process) {
        *state = '\0';
    } else if (row->thread->vcpu >= 0) {
        snprintf(state, size, _("run %" PRId32), row->thread->vcpu);
    } else {
        snprintf(state, size, "%s", row->thread->left);
    }
}

/* Choosing. */

static bool matches(const Top *top, const TopRow *row)
{
    const ShareThread *thread = row->thread;
    const char *filter = top->view.filter;
    const char *path;
    char ids[32];

    if (!*filter || strcasestr(thread->image, filter)) {
        return true;
    }
    snprintf(ids, sizeof(ids), "%" PRIu32 "/%" PRIu32, thread->pid,
             thread->tid);
    path = top_row_path(top, row);
    return (thread->has_ids && strstr(ids, filter)) ||
           (!row->process && strcasestr(thread->name, filter)) ||
           (path && strcasestr(path, filter));
}

static void add_row(Top *top, const ShareThread *thread)
{
    const ThreadTime *used = thread_times_of(&top->used, thread);
    TopRows *rows = &top->rows;

    rows->rows = grow(rows->rows, rows->n, &rows->room, sizeof(*rows->rows));
    rows->rows[rows->n++] = (TopRow) {
        .thread = thread, .n_threads = 1, .run_ns = thread->run_ns,
        .switches = thread->switches, .n_timed = used ? 1 : 0,
        .user_ticks = used ? used->user : 0,
        .kernel_ticks = used ? used->kernel : 0,
    };
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

/* Sorts threads by process; appends a row for each process to @joined. */
static void join_processes(TopRows *threads, TopRows *joined)
{
    TopRow *last = NULL;
    const TopRow *row;
    size_t i;

    if (threads->n) {
        qsort(threads->rows, threads->n, sizeof(*threads->rows), by_process);
    }
    for (i = 0; i < threads->n; i++) {
        row = &threads->rows[i];
        if (last && !by_process(last, row)) {
            last->n_threads++;
            last->run_ns += row->run_ns;
            last->switches += row->switches;
            last->n_timed += row->n_timed;
            last->user_ticks += row->user_ticks;
            last->kernel_ticks += row->kernel_ticks;
        } else {
            joined->rows = grow(joined->rows, joined->n, &joined->room,
                                sizeof(*joined->rows));
            last = &joined->rows[joined->n++];
            *last = *row;
            last->process = true;
            last->first = i;
        }
    }
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

static void sort_rows(const Top *top, TopRow *rows, size_t n)
{
    if (n) {
        qsort_r(rows, n, sizeof(*rows), by_view, (void *)&top->view);
    }
}

static void swap_rows(TopRows *a, TopRows *b)
{
    TopRows kept = *a;

    *a = *b;
    *b = kept;
}

/* Processes in the order of the view, each with its threads below. */
static void make_tree(Top *top, TopRows *threads, const TopRows *processes)
{
    TopRows *rows = &top->rows;
    TopRow process;
    size_t i;
    size_t j;

    for (i = 0; i < processes->n; i++) {
        process = processes->rows[i];
        rows->rows = grow(rows->rows, rows->n, &rows->room,
                          sizeof(*rows->rows));
        rows->rows[rows->n++] = process;
        if (top_is_folded(top, &process)) {
            continue;
        }
        sort_rows(top, &threads->rows[process.first], process.n_threads);
        for (j = 0; j < process.n_threads; j++) {
            rows->rows = grow(rows->rows, rows->n, &rows->room,
                              sizeof(*rows->rows));
            rows->rows[rows->n++] = threads->rows[process.first + j];
        }
    }
}

/* From rows that are threads. */
static void choose_processes(Top *top)
{
    TopRows threads = { NULL, 0, 0 };
    TopRows processes = { NULL, 0, 0 };

    if (top->view.tree) {
        drop_others(top);
    }
    swap_rows(&threads, &top->rows);
    join_processes(&threads, &processes);
    if (top->view.tree) {
        sort_rows(top, processes.rows, processes.n);
        make_tree(top, &threads, &processes);
    } else {
        swap_rows(&top->rows, &processes);
        drop_others(top);
        sort_rows(top, top->rows.rows, top->rows.n);
    }
    free(threads.rows);
    free(processes.rows);
}

/* The marked row. */

static bool is_key(const TopKey *key, const TopRow *row)
{
    const ShareThread *thread = row->thread;

    if (key->process != row->process || key->has_ids != thread->has_ids ||
        key->pid != thread->pid) {
        return false;
    }
    return row->process || (key->tid == thread->tid &&
                            key->thread == thread->thread);
}

/* Where the chosen row is now; its place stays when it is gone. */
static void find_selected(Top *top)
{
    TopView *view = &top->view;
    size_t i;

    for (i = 0; view->key.given && i < top->rows.n; i++) {
        if (is_key(&view->key, &top->rows.rows[i])) {
            view->selected = i;
            return;
        }
    }
    if (view->selected >= top->rows.n) {
        view->selected = top->rows.n ? top->rows.n - 1 : 0;
    }
}

void top_select(Top *top, size_t index)
{
    TopView *view = &top->view;
    const ShareThread *thread;
    const TopRow *row;

    if (!top->rows.n) {
        top_select_first(top);
        return;
    }
    view->selected = index < top->rows.n ? index : top->rows.n - 1;
    row = &top->rows.rows[view->selected];
    thread = row->thread;
    view->key = (TopKey) { true, row->process, thread->has_ids, thread->pid,
                           thread->tid, thread->thread };
}

void top_select_first(Top *top)
{
    top->view.selected = 0;
    top->view.scroll = 0;
    top->view.key.given = false;
}

const TopRow *top_selected(const Top *top)
{
    return top->view.selected < top->rows.n
        ? &top->rows.rows[top->view.selected] : NULL;
}

static uint64_t fold_key(const TopRow *row)
{
    return row->thread->has_ids ? (uint64_t)row->thread->pid + 1 : 0;
}

bool top_is_folded(const Top *top, const TopRow *row)
{
    return map_get(&top->view.folded, fold_key(row)) == 2;
}

void top_fold(Top *top, const TopRow *row, bool folded)
{
    map_set(&top->view.folded, fold_key(row), folded ? 2 : 1);
}

/* All of it. */

void top_choose_rows(Top *top)
{
    const Shares *shares = &top->feed.shares;
    TopRows *rows = &top->rows;
    size_t i;

    rows->n = 0;
    for (i = 0; i < shares->n_threads; i++) {
        if (is_shown(&shares->threads[i])) {
            add_row(top, &shares->threads[i]);
        }
    }
    if (top->view.processes || top->view.tree) {
        choose_processes(top);
    } else {
        drop_others(top);
        sort_rows(top, rows->rows, rows->n);
    }
    /* falls slowly, so that lines of vCPUs do not come and go */
    if (top->view.rows_lately > rows->n) {
        top->view.rows_lately--;
    } else {
        top->view.rows_lately = rows->n;
    }
    find_selected(top);
}
