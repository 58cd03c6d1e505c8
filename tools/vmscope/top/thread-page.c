/*
 * top-thread-page: the view of one thread, as lines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top/page.h"

#include "common/translate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What it does now, or since when it waits for what. */
static void put_state(const ThreadView *view, Page *page)
{
    const ThreadRun *run = thread_view_run(view, 0);
    char time[32];

    if (run && !run->end_ns) {
        top_time(view->last_ns - run->begin_ns, time, sizeof(time));
        page_line(page, LINE_RUNNING,
                  _("now      runs on cpu%" PRIu32 " for %s"), run->vcpu, time);
    } else if (view->off_ns) {
        top_time(view->last_ns - view->off_ns, time, sizeof(time));
        page_line(page, LINE_PLAIN, _("now      %s for %s"),
                  *view->off_why ? view->off_why : _("not running"), time);
    } else {
        page_line(page, LINE_QUIET, _("now      not known"));
    }
}

static void put_seen(const ThreadView *view, Page *page)
{
    uint64_t ns = view->run_ns;
    const ThreadRun *run = thread_view_run(view, 0);
    char length[32];
    char ran[32];

    if (run && !run->end_ns) {
        ns += view->last_ns - run->begin_ns;
    }
    top_time(view->last_ns - view->first_ns, length, sizeof(length));
    top_time(ns, ran, sizeof(ran));
    page_line(page, view->lost ? LINE_ALARM : LINE_PLAIN,
              _("seen     %s in %" PRIu64 " runs, in %s of the trace; lost %"
                PRIu64), ran, view->n_runs, length, view->lost);
}

static void put_vcpu_line(const ThreadView *view, Page *page)
{
    char line[LINE_MAX_BYTES];
    size_t used = (size_t)snprintf(line, sizeof(line), "%s", _("vCPUs   "));
    char time[32];
    size_t i;

    for (i = 0; i < view->n_vcpus && used < sizeof(line) - 80; i++) {
        top_time(view->vcpus[i].run_ns, time, sizeof(time));
        used += (size_t)snprintf(line + used, sizeof(line) - used,
                                 _("%s cpu%" PRIu32 " %s in %" PRIu64),
                                 i ? "," : "", view->vcpus[i].vcpu, time,
                                 view->vcpus[i].runs);
    }
    page_line(page, LINE_PLAIN, "%s", line);
}

/* Those that cost it most, first; so many at most. */
static void put_reasons(const ThreadView *view, Page *page, size_t most)
{
    bool put[THREAD_REASONS] = { false };
    const ThreadReason *reason;
    char total[32];
    char longest[32];
    size_t best;
    size_t n;
    size_t i;

    page_line(page, LINE_COLUMNS, "%s",
              _("   TIMES      TOTAL    LONGEST OFF THE vCPUs FOR"));
    for (n = 0; n < view->n_reasons && n < most; n++) {
        best = THREAD_REASONS;
        for (i = 0; i < view->n_reasons; i++) {
            if (!put[i] && (best == THREAD_REASONS ||
                            view->reasons[i].total_ns >
                            view->reasons[best].total_ns)) {
                best = i;
            }
        }
        put[best] = true;
        reason = &view->reasons[best];
        top_time(reason->total_ns, total, sizeof(total));
        top_time(reason->longest_ns, longest, sizeof(longest));
        page_line(page, LINE_PLAIN, "%8" PRIu64 " %10s %10s %s",
                  reason->times, total, longest,
                  *reason->name ? reason->name : _("(not known)"));
    }
}

static void put_run(const ThreadView *view, Page *page, const ThreadRun *run)
{
    uint64_t end_ns = run->end_ns ? run->end_ns : view->last_ns;
    char priority[16] = "-";
    char ago[32];
    char ran[32];

    top_time(view->last_ns - run->begin_ns, ago, sizeof(ago));
    top_time(end_ns - run->begin_ns, ran, sizeof(ran));
    if (run->has_priority) {
        snprintf(priority, sizeof(priority), "%d", run->priority);
    }
    page_line(page, run->end_ns ? LINE_PLAIN : LINE_RUNNING,
              "%10s cpu%-4" PRIu32 " %3s %10s %s", ago, run->vcpu, priority,
              ran, !run->end_ns ? _("runs") :
              *run->left ? run->left : _("(not known)"));
}

void top_thread_page(const Top *top, Page *page)
{
    const ThreadView *view = &top->thread;
    const ThreadRun *run;
    size_t i = 0;

    if (view->has_ids) {
        page_line(page, LINE_TITLE, "%" PRIu32 "/%" PRIu32 " %s", view->pid,
                  view->tid, view->name);
    } else {
        page_line(page, LINE_TITLE, "%s", view->name);
    }
    if (view->path) {
        page_line(page, LINE_PLAIN, _("image    %s"), view->path);
    }
    put_state(view, page);
    put_seen(view, page);
    put_vcpu_line(view, page);
    put_reasons(view, page, page->height > 16 ? page->height / 4 : 2);
    page_line(page, LINE_COLUMNS, "%s",
              _("       AGO ON      PRI        RAN THEN"));
    while (page->n < page->height && (run = thread_view_run(view, i++))) {
        put_run(view, page, run);
    }
}
