/*
 * top: what the parts of vmscope top share.
 *
 * top.c begins and ends, top-rows.c chooses and sorts, top-page.c lays lines
 * out, top-screen.c shows them on a terminal, top-batch.c prints them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TOP_H
#define VMSCOPE_TOP_H

#include "irq-feed.h"
#include "irq-rates.h"
#include "sched-feed.h"
#include "tracing.h"

typedef enum TopSort {
    TOP_CPU,
    TOP_SWITCHES,
    TOP_PID,
    TOP_NAME,
} TopSort;

typedef struct TopOptions {
    ConnectOptions connect;
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

/* How the user wants it shown; changes while it runs. */
typedef struct TopView {
    TopSort sort;
    bool reverse;
    bool processes;
    bool irq;
    size_t scroll;              /* rows above the first one shown */
    char filter[TOP_FILTER_MAX];
} TopView;

/* A thread, or all of a process together. */
typedef struct TopRow {
    const ShareThread *thread;  /* of a process: one of its threads */
    size_t n_threads;
    uint64_t run_ns;
    uint64_t switches;
} TopRow;

typedef struct TopRows {
    TopRow *rows;
    size_t n;
    size_t room;
} TopRows;

typedef struct Top {
    TopOptions opt;
    TopView view;
    Qmp *qmp;
    Tracing tracing;
    SchedFeed feed;
    IrqFeed irq;
    bool looked;                /* an interval has been taken in */
    bool irq_known;             /* this QEMU has an IRQ log */
    bool irq_on;
    bool irq_whole;             /* every interrupt of the interval counted */
    uint64_t irq_events;        /* in the interval, counted or not */
    IrqRates rates;
    TopRows rows;
    char *name;                 /* of the virtual machine */
} Top;

/**
 * top_update - take in the interval that ends now
 *
 * Returns: false with a sentence
 */
bool top_update(Top *top, Err *err);

/* Begin anew: the interval until now is not counted. */
bool top_restart(Top *top, Err *err);

/* Choose and sort rows of the last interval, into top->rows. */
void top_choose_rows(Top *top);

/* How it is shown: each returns an exit code. */
int top_screen(Top *top);
int top_batch(Top *top);

/* What a row is called: image and name of the thread. */
void top_row_name(const Top *top, const TopRow *row, char *name, size_t size);

/* Part of the interval, in percent of one vCPU. */
double top_percent(const Top *top, uint64_t ns);

/* So many in the interval, as a rate per second. */
double top_rate(const Top *top, uint64_t count);

/* Of one line or caller, whether all were counted or not. */
double top_irq_rate(const Top *top, uint64_t events);

/* "run 3" for a vCPU, else why it does not run. */
void top_row_state(const TopRow *row, char *state, size_t size);

#endif
