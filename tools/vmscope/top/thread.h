/*
 * top-thread: what the trace has seen of one thread.
 *
 * Its runs, newest first, with the vCPU, the priority and why it stopped;
 * what it waited for and for how long; which vCPUs it ran on.  From entries
 * that QEMU still has when the view is opened, and those that come while it
 * is open.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TOP_THREAD_H
#define VMSCOPE_TOP_THREAD_H

#include "source/qmp.h"
#include "shared/shares.h"

/* What is kept: newer runs take the place of the oldest. */
enum { THREAD_RUNS = 256, THREAD_REASONS = 32, THREAD_VCPUS = 64 };

typedef struct ThreadRun {
    uint64_t begin_ns;
    uint64_t end_ns;            /* 0: it runs */
    uint32_t vcpu;
    bool has_priority;
    int priority;
    char left[40];              /* why it stopped; "": not known */
} ThreadRun;

/* Times that it was off the vCPUs for the same reason. */
typedef struct ThreadReason {
    char name[40];
    uint64_t times;             /* that ended */
    uint64_t total_ns;
    uint64_t longest_ns;
} ThreadReason;

typedef struct ThreadVcpu {
    uint32_t vcpu;
    uint64_t runs;
    uint64_t run_ns;
} ThreadVcpu;

typedef struct ThreadView {
    bool open;
    uint64_t thread;            /* which one: all four */
    uint32_t pid;
    uint32_t tid;
    bool has_ids;
    char *name;                 /* image and name */
    char *image;                /* ImageFileName, as entries have it */
    char *path;                 /* of that image; NULL: not known so far */
    uint64_t after;             /* number of the last entry taken */
    uint64_t lost;              /* entries in between that were missing */
    uint64_t first_ns;          /* what was seen reaches from here */
    uint64_t last_ns;           /* to here */
    uint64_t off_ns;            /* when it last stopped; 0: not known */
    char off_why[40];
    ThreadRun runs[THREAD_RUNS];
    uint64_t n_runs;            /* all that were seen */
    uint64_t run_ns;            /* in them */
    ThreadReason reasons[THREAD_REASONS];
    size_t n_reasons;
    ThreadVcpu vcpus[THREAD_VCPUS];
    size_t n_vcpus;
} ThreadView;

/**
 * thread_view_open - choose the thread
 * @view: zeroes, or one that was open before
 * @name: what it is called; copied
 *
 * Knows nothing of it before thread_view_update().
 */
void thread_view_open(ThreadView *view, const ShareThread *thread,
                      const char *name);

/**
 * thread_view_update - take in what QEMU has by now
 * @now_ns: on the clock of the entries
 *
 * At most one page, the newest: what is between it and the last one counts as
 * lost.
 *
 * Returns: false with a sentence
 */
bool thread_view_update(ThreadView *view, Qmp *qmp, uint64_t now_ns,
                        Err *err);

/* The path of its image, which is copied; NULL leaves what was known. */
void thread_view_set_path(ThreadView *view, const char *path);

void thread_view_close(ThreadView *view);

/* One run, 0 for the newest; NULL when it was not seen or is not kept. */
const ThreadRun *thread_view_run(const ThreadView *view, size_t index);

#endif
