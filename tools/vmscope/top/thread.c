/*
 * top-thread: see top/thread.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top/thread.h"

#include "common/map.h"
#include "shared/seq-order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs. */

static ThreadRun *newest(ThreadView *view)
{
    return view->n_runs ? &view->runs[(view->n_runs - 1) % THREAD_RUNS]
                        : NULL;
}

const ThreadRun *thread_view_run(const ThreadView *view, size_t index)
{
    if (index >= view->n_runs || index >= THREAD_RUNS) {
        return NULL;
    }
    return &view->runs[(view->n_runs - 1 - index) % THREAD_RUNS];
}

static ThreadVcpu *find_vcpu(ThreadView *view, uint32_t vcpu)
{
    size_t i;

    for (i = 0; i < view->n_vcpus; i++) {
        if (view->vcpus[i].vcpu == vcpu) {
            return &view->vcpus[i];
        }
    }
    if (view->n_vcpus == THREAD_VCPUS) {
        return NULL;
    }
    view->vcpus[view->n_vcpus].vcpu = vcpu;
    return &view->vcpus[view->n_vcpus++];
}

static void end_run(ThreadView *view, uint64_t time_ns, const char *left)
{
    ThreadRun *run = newest(view);
    ThreadVcpu *vcpu;
    uint64_t ns;

    if (!run || run->end_ns) {
        return;
    }
    run->end_ns = time_ns > run->begin_ns ? time_ns : run->begin_ns;
    snprintf(run->left, sizeof(run->left), "%s", left);
    ns = run->end_ns - run->begin_ns;
    view->run_ns += ns;
    vcpu = find_vcpu(view, run->vcpu);
    if (vcpu) {
        vcpu->run_ns += ns;
    }
}

static void begin_run(ThreadView *view, const SchedEntry *entry)
{
    ThreadVcpu *vcpu = find_vcpu(view, entry->vcpu);

    view->runs[view->n_runs++ % THREAD_RUNS] = (ThreadRun) {
        .begin_ns = entry->time_ns, .vcpu = entry->vcpu,
        .has_priority = entry->has_priority, .priority = entry->priority,
    };
    if (vcpu) {
        vcpu->runs++;
    }
}

/* Waits. */

static void add_wait(ThreadView *view, uint64_t ns)
{
    ThreadReason *reason;
    size_t i = 0;

    while (i < view->n_reasons &&
           strcmp(view->reasons[i].name, view->off_why)) {
        i++;
    }
    if (i == THREAD_REASONS) {
        return;
    }
    reason = &view->reasons[i];
    if (i == view->n_reasons) {
        memset(reason, 0, sizeof(*reason));
        strcpy(reason->name, view->off_why);
        view->n_reasons++;
    }
    reason->times++;
    reason->total_ns += ns;
    reason->longest_ns = ns > reason->longest_ns ? ns : reason->longest_ns;
}

static void stop(ThreadView *view, uint64_t time_ns, const char *why)
{
    end_run(view, time_ns, why);
    view->off_ns = time_ns;
    snprintf(view->off_why, sizeof(view->off_why), "%s", why);
}

/* Entries. */

static bool is_it(const ThreadView *view, const SchedEntry *entry)
{
    return view->thread == entry->thread && view->tid == entry->tid &&
           view->pid == entry->pid && view->has_ids == entry->has_ids;
}

/* After a gap nobody knows what it did meanwhile. */
static void lose(ThreadView *view, uint64_t count)
{
    end_run(view, view->last_ns, "");
    view->off_ns = 0;
    view->lost += count;
}

static void take_entry(ThreadView *view, const SchedEntry *entry)
{
    const ThreadRun *run;
    const char *left = sched_entry_left(entry);

    if (view->after && entry->seq > view->after + 1) {
        lose(view, entry->seq - view->after - 1);
    }
    view->after = entry->seq;
    view->first_ns = view->first_ns ? view->first_ns : entry->time_ns;
    view->last_ns = entry->time_ns > view->last_ns ? entry->time_ns
                                                   : view->last_ns;
    run = newest(view);
    if (is_it(view, entry)) {
        if (run && !run->end_ns && run->vcpu == entry->vcpu) {
            return;             /* it goes on */
        }
        end_run(view, entry->time_ns, "");
        if (view->off_ns && entry->time_ns >= view->off_ns) {
            add_wait(view, entry->time_ns - view->off_ns);
        }
        view->off_ns = 0;
        begin_run(view, entry);
    } else if (run && !run->end_ns && run->vcpu == entry->vcpu) {
        /* when switches were missed it is another one that left here */
        stop(view, entry->time_ns, !entry->old_thread ||
             entry->old_thread == view->thread ? left : "");
    } else if (!run && entry->old_thread == view->thread) {
        stop(view, entry->time_ns, left);
    }
}

/* Opening, asking, closing. */

void thread_view_open(ThreadView *view, const ShareThread *thread,
                      const char *name)
{
    thread_view_close(view);
    view->thread = thread->thread;
    view->pid = thread->pid;
    view->tid = thread->tid;
    view->has_ids = thread->has_ids;
    view->name = keep(name);
    view->image = keep(thread->image);
    view->open = true;
}

bool thread_view_update(ThreadView *view, Qmp *qmp, uint64_t now_ns,
                        Err *err)
{
    json_t *arguments = json_pack("{s:I}", "max-entries",
                                  (json_int_t)qmp_page(qmp));
    json_t *entries = qmp_entries(qmp, "query-windows-sched-trace", arguments,
                                  err);
    SchedEntry entry;
    SeqOrder order;
    size_t i;

    if (!entries) {
        return false;
    }
    order = seq_order_new(entries, view->after);
    for (i = 0; i < order.n; i++) {
        if (sched_entry_read(&entry, order.list[i].object)) {
            take_entry(view, &entry);
        }
    }
    seq_order_free(&order);
    json_decref(entries);
    view->last_ns = now_ns > view->last_ns ? now_ns : view->last_ns;
    return true;
}

void thread_view_set_path(ThreadView *view, const char *path)
{
    if (path) {
        free(view->path);
        view->path = keep(path);
    }
}

void thread_view_close(ThreadView *view)
{
    free(view->name);
    free(view->image);
    free(view->path);
    memset(view, 0, sizeof(*view));
}
