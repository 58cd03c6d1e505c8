/*
 * top: what the parts of vmscope top share.
 *
 * top.c begins and ends, rows.c chooses and sorts, page.c and vcpus.c lay
 * lines out, screen.c shows them on a terminal, thread.c is the view of one
 * thread there, batch.c prints them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TOP_H
#define VMSCOPE_TOP_H

#include "source/host-times.h"
#include "source/irq-feed.h"
#include "irq/rates.h"
#include "source/ring-dir.h"
#include "shared/cpu-times.h"
#include "shared/proc-paths.h"
#include "shared/names.h"
#include "shared/thread-times.h"
#include "source/sched-feed.h"
#include "source/tracing.h"
#include "top/thread.h"

typedef enum TopSort {
    TOP_CPU,
    TOP_SWITCHES,
    TOP_PID,
    TOP_NAME,
} TopSort;

typedef struct TopOptions {
    ConnectOptions connect;
    NameOptions names;
    uint64_t hz;                /* 0: as QEMU has it */
    uint64_t delay_ns;
    uint64_t iterations;        /* 0: until told to stop */
    uint64_t limit;             /* rows printed; 0: all */
    bool batch;
    bool json;
    bool no_enable;
    bool processes;
    bool irq;
    TopSort sort;
    const char *filter;         /* NULL: all */
} TopOptions;

/* Bytes of a filter, NUL included. */
enum { TOP_FILTER_MAX = 256 };

/* Which row was chosen, wherever it moves to. */
typedef struct TopKey {
    bool given;
    bool process;
    bool has_ids;
    uint32_t pid;
    uint32_t tid;
    uint64_t thread;
} TopKey;

/* How the user wants it shown; changes while it runs. */
typedef struct TopView {
    TopSort sort;
    bool reverse;
    bool processes;             /* a row a process */
    bool tree;                  /* processes, each with its threads below */
    bool irq;
    bool select;                /* one row is marked: on a terminal */
    size_t scroll;              /* rows above the first one shown */
    size_t selected;            /* index of a row */
    size_t visible;             /* rows that the last page had room for */
    size_t rows_lately;         /* rows there were, at most */
    TopKey key;                 /* of the selected row, once it was chosen */
    Map folded;                 /* pids plus 1, value 2: threads are hidden */
    char filter[TOP_FILTER_MAX];
} TopView;

/* A thread, or all of a process together. */
typedef struct TopRow {
    const ShareThread *thread;  /* of a process: one of its threads */
    size_t n_threads;
    uint64_t run_ns;
    uint64_t switches;
    bool process;
    size_t first;               /* while rows are chosen: its first thread */
    size_t n_timed;             /* threads of which the next two are known */
    uint64_t user_ticks;        /* by Windows' own account */
    uint64_t kernel_ticks;
} TopRow;

typedef struct TopRows {
    TopRow *rows;
    size_t n;
    size_t room;
} TopRows;

/* How the host let a vCPU run in an interval; to_ns 0: not known. */
typedef struct TopHost {
    HostTimes *times;
    TraceHost spans[HOST_TIMES_VCPUS];
} TopHost;

typedef struct Top {
    TopOptions opt;
    TopView view;
    Qmp *qmp;
    Tracing tracing;
    RingDir dir;                /* for a trace that was turned on here */
    SchedFeed feed;
    TopHost host;
    CpuTimes times;
    ProcPaths paths;
    ThreadTimes used;
    IrqFeed irq;
    bool looked;                /* an interval has been taken in */
    bool irq_known;             /* this QEMU has an IRQ log */
    bool irq_on;
    Tracing irq_tracing;        /* the IRQ log, when it was turned on here */
    bool irq_whole;             /* every interrupt of the interval counted */
    uint64_t irq_events;        /* in the interval, counted or not */
    IrqRates rates;
    TopRows rows;
    ThreadView thread;          /* the view of one thread, when it is open */
    char *name;                 /* of the virtual machine */
} Top;

/**
 * top_update - take in the interval that ends now
 *
 * Returns: false with a sentence
 */
bool top_update(Top *top, Err *err);

/* Take into top->thread what QEMU has by now. */
bool top_update_thread(Top *top, Err *err);

/* Begin anew: the interval until now is not counted. */
bool top_restart(Top *top, Err *err);

/* Choose and sort rows of the last interval, into top->rows. */
void top_choose_rows(Top *top);

/* Mark a row, and follow it to wherever it moves. */
void top_select(Top *top, size_t index);

/* Mark whatever is first. */
void top_select_first(Top *top);

/* The row that is marked; NULL when there is none. */
const TopRow *top_selected(const Top *top);

/* Whether the threads of a row's process are hidden in the tree. */
bool top_is_folded(const Top *top, const TopRow *row);
void top_fold(Top *top, const TopRow *row, bool folded);

/* How it is shown: each returns an exit code. */
int top_screen(Top *top);
int top_batch(Top *top);

/* The path of a row's image, where it is known; else NULL. */
const char *top_row_path(const Top *top, const TopRow *row);

/* What a row is called: image, by its path if that is known, and thread. */
void top_row_name(const Top *top, const TopRow *row, char *name, size_t size);

/* What the host gave a vCPU in the interval; NULL: not known. */
const TraceHost *top_host(const Top *top, size_t vcpu);

/* Part of the interval, in percent of one vCPU. */
double top_percent(const Top *top, uint64_t ns);

/* Of a row that has any: its ticks, in percent of one vCPU. */
double top_ticks_percent(const Top *top, uint64_t ticks);

/* So many in the interval, as a rate per second. */
double top_rate(const Top *top, uint64_t count);

/* Of one line or caller, whether all were counted or not. */
double top_irq_rate(const Top *top, uint64_t events);

/* "run 3" for a vCPU, else why it does not run. */
void top_row_state(const TopRow *row, char *state, size_t size);

#endif
