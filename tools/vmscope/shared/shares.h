/*
 * shares: which thread had how much of the vCPUs.
 *
 * Fed with switches in order, cut into intervals.  A thread's time is what
 * lies between the switch to it and the next one on that vCPU, as far as the
 * interval has it.  Where switches were lost nobody is given the time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SHARES_H
#define VMSCOPE_SHARES_H

#include "common/map.h"
#include "source/sched-entry.h"

/* Threads kept; more are counted together, as one without a name. */
enum { SHARES_THREADS_MAX = 65536 };

typedef struct ShareThread {
    uint64_t thread;            /* address of the KTHREAD; 0: all others */
    uint32_t pid;
    uint32_t tid;
    bool has_ids;
    bool idle;
    bool idle_unknown;          /* it may be */
    bool has_priority;
    int priority;
    int32_t vcpu;               /* where it runs; -1: nowhere */
    char *image;
    char *image_hex;            /* its bytes; "": they are ASCII */
    char *name;
    char left[40];              /* why it ran no longer, when last seen */
    uint64_t run_ns;            /* in this interval */
    uint64_t switches;          /* to it, in this interval */
} ShareThread;

typedef struct ShareVcpu {
    bool seen;                  /* there was an entry at all */
    bool known;                 /* who runs; not behind a loss */
    size_t thread;              /* index of who runs */
    uint64_t since_ns;          /* when it was switched to */
    uint64_t counted_ns;        /* its time is counted up to here */
    uint64_t busy_ns;           /* in this interval, as all below */
    uint64_t idle_ns;
    uint64_t unknown_ns;        /* of who may be the idle thread */
    uint64_t switches;
    uint64_t missed;
} ShareVcpu;

typedef struct Shares {
    ShareThread *threads;
    size_t n_threads;
    size_t threads_room;
    Map index;                  /* to index plus 1 */
    ShareVcpu *vcpus;
    size_t n_vcpus;
    size_t vcpus_room;
    uint64_t begin_ns;
    uint64_t end_ns;
    bool counts_missed;         /* an entry has told of missed ones */
    uint64_t switches;          /* in this interval, as both below */
    uint64_t missed;
    uint64_t lost;
} Shares;

void shares_init(Shares *shares);
void shares_release(Shares *shares);

/* Forget who ran, as after a reboot: the next entries say it anew. */
void shares_forget(Shares *shares);

/* A new interval: what was counted is zero again. */
void shares_begin(Shares *shares, uint64_t now_ns);

/* A switch of this interval. */
void shares_add(Shares *shares, const SchedEntry *entry);

/* Who runs on a vCPU since before the interval. */
void shares_begin_with(Shares *shares, const SchedEntry *entry);

/* So many entries are missing here. */
void shares_lose(Shares *shares, uint64_t count);

/* The end of the interval: who runs gets the time up to it. */
void shares_end(Shares *shares, uint64_t now_ns);

/* Length of the interval, at least 1. */
uint64_t shares_length_ns(const Shares *shares);

/* All vCPUs together, in this interval. */
uint64_t shares_busy_ns(const Shares *shares);
uint64_t shares_idle_ns(const Shares *shares);

/* Of threads that may be idle ones: it is neither busy nor idle. */
uint64_t shares_unknown_ns(const Shares *shares);

#endif
