/*
 * thread-times: what threads used, by Windows' own counters.
 *
 * Asked for at the end of each interval, of the threads that ran most in it.
 * The figures are of the time since a thread was asked for last; as it is
 * asked for whenever it ran, that is this interval.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_THREAD_TIMES_H
#define VMSCOPE_THREAD_TIMES_H

#include "common/map.h"
#include "shared/shares.h"
#include "source/qmp.h"

typedef struct ThreadTime {
    uint64_t thread;            /* address of its KTHREAD */
    uint32_t pid, tid;
    uint32_t last_user;         /* ticks, when it was asked for last */
    uint32_t last_kernel;
    uint64_t round;             /* in which that was */
    bool known;                 /* the next two are */
    uint32_t user;              /* ticks between the last two times */
    uint32_t kernel;
} ThreadTime;

typedef struct ThreadTimes {
    bool unknown;               /* this QEMU does not tell */
    uint64_t tick_ns;           /* how long a tick is; 0: not known */
    uint64_t round;
    ThreadTime *times;          /* index 0 is not used */
    size_t n;
    size_t room;
    Map index;                  /* address: index */
} ThreadTimes;

/**
 * thread_times_look - ask for those that ran in the interval
 * @times: begins as zeroes, ends with thread_times_release()
 *
 * What is not told is no failure: there are no figures then.
 *
 * Returns: false with a sentence when nothing can be asked any more
 */
bool thread_times_look(ThreadTimes *times, Qmp *qmp, const Shares *shares,
                       Err *err);

/* Forget all, as after a reboot. */
void thread_times_forget(ThreadTimes *times);
void thread_times_release(ThreadTimes *times);

/* The interval of a thread; NULL when it is not known. */
const ThreadTime *thread_times_of(const ThreadTimes *times,
                                  const ShareThread *thread);

#endif
