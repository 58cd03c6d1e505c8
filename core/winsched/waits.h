/*
 * winsched/waits: why threads do not run, and who holds them up.
 *
 * Begins with the threads of one process, and follows mutexes to their
 * owners and threads that are ready to whoever has their CPU, until nobody
 * new comes up.  What that means, sentences and deadlocks, is for whoever
 * prints it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINSCHED_WAITS_H
#define VMSCOPE_WINSCHED_WAITS_H

#include "winos/waits.h"
#include "winsched/thread.h"

/* Lists may say anything: more members than any list has. */
enum { WINSCHED_LIST_MAX = 16384 };

/* KTHREAD.State, as far as it is asked for by number. */
enum { WINSCHED_READY = 1, WINSCHED_WAITING = 5, WINSCHED_DEFERRED_READY = 7 };

typedef struct WinschedWait {
    WinschedThread thread;
    bool asked;                 /* of the process, not come upon */
    bool has_wait;              /* it waits, and @wait is known */
    WinosWait wait;
    uint64_t behind;            /* KTHREAD that has the CPU it is ready for */
    uint32_t cpu;               /* Windows' number of that CPU; with behind */
} WinschedWait;

typedef struct WinschedWaits {
    WinschedWait *waits;
    unsigned n;
    unsigned max;               /* room; what comes then is left out */
    bool cut;                   /* something was */
} WinschedWaits;

/**
 * winsched_waits_read - the threads of a process, and those behind them
 * @extra: NULL: nobody knows where this kernel keeps waits; states are told
 * @cpus, @n_cpus: whose running threads can be read
 * @pid: process id
 * @tid: of the one thread that is wanted, or 0: all of the process
 * @out: waits and max are set; the rest is filled in
 *
 * Context: any thread; allocates nothing.  At most WINSCHED_LIST_MAX members
 * of each list are walked.
 *
 * Returns: false with a sentence when there is no such process or thread
 */
bool winsched_waits_read(const WinosResult *result, const WinosExtra *extra,
                         const WinosCpu *cpus, unsigned n_cpus,
                         uint32_t pid, uint32_t tid, WinschedWaits *out,
                         Err *err);

#endif
