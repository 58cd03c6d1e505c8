/*
 * winsched/times: what time a thread has used, by Windows' own account.
 *
 * At each clock interrupt Windows adds a tick to the thread that was
 * interrupted: to its user time, or to its kernel time unless a DPC or an
 * interrupt was.  When a thread ends, its process keeps its ticks.
 *
 * Sources: docs/guest-facts/time-wait.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINSCHED_TIMES_H
#define VMSCOPE_WINSCHED_TIMES_H

#include "winos/time.h"
#include "winsched/thread.h"

/* Ticks, modulo 2^32. */
typedef struct WinschedTime {
    uint64_t thread;            /* address of its KTHREAD */
    uint32_t pid, tid;
    uint32_t user;
    uint32_t kernel;
    bool has_ended;             /* the next two are known */
    uint32_t ended_user;        /* of threads of its process that ended */
    uint32_t ended_kernel;
} WinschedTime;

/**
 * winsched_time_read - the ticks of one thread
 * @clock: of the guest, as it was before; NULL: it cannot be read
 * @thread: what should be the address of its KTHREAD
 *
 * What is told was one thread's: its ids are read again behind the counters.
 * Counters that are larger than the clock are none.  Without a clock only
 * those of a kernel whose file or build is known are believed.
 *
 * Context: any thread; allocates nothing; some twenty reads.
 *
 * Returns: false when it is no thread, or its counters are not known
 */
bool winsched_time_read(const WinosResult *result, const WinosExtra *extra,
                        const WinosClock *clock, uint64_t thread,
                        WinschedTime *time);

#endif
