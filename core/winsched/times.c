/*
 * winsched/times: see times.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/times.h"

/* The clock was read before; a counter may be fed late. */
enum { TIMES_SLACK = 64 };

static bool times_are_plausible(const WinosResult *result,
                                const WinosClock *clock,
                                const WinschedTime *time)
{
    if (!clock) {
        return result->exact_file || result->same_build;
    }
    return (uint64_t)time->user + time->kernel <=
           clock->ticks + clock->ticks / 8 + TIMES_SLACK;
}

/* Of a thread that has ids: whether it still has the same ones. */
static bool times_is_same(const WinosResult *result, const WinschedTime *time)
{
    int32_t at = winos_offset(&result->layout, WINOS_ETHREAD_CLIENT_ID);
    uint64_t pid;
    uint64_t tid;

    return at >= 0 &&
           gmem_read_u64(&result->kernel.space,
                         time->thread + (uint64_t)at, &pid) &&
           gmem_read_u64(&result->kernel.space,
                         time->thread + (uint64_t)at + 8, &tid) &&
           pid == time->pid && tid == time->tid;
}

static void times_read_ended(const WinosResult *result,
                             const WinosExtra *extra, uint64_t process,
                             WinschedTime *time)
{
    const GmemSpace *space = &result->kernel.space;

    time->has_ended =
        winos_extra_has(extra, WINOS_KPROCESS_KERNEL_TIME) &&
        winos_extra_has(extra, WINOS_KPROCESS_USER_TIME) &&
        gmem_read_u32(space, process + (uint64_t)
                      extra->at[WINOS_KPROCESS_KERNEL_TIME],
                      &time->ended_kernel) &&
        gmem_read_u32(space, process + (uint64_t)
                      extra->at[WINOS_KPROCESS_USER_TIME],
                      &time->ended_user);
}

bool winsched_time_read(const WinosResult *result, const WinosExtra *extra,
                        const WinosClock *clock, uint64_t thread,
                        WinschedTime *time)
{
    const GmemSpace *space = &result->kernel.space;
    WinschedThread who;

    *time = (WinschedTime) { .thread = thread };
    if (!extra ||
        !winos_extra_has(extra, WINOS_KTHREAD_KERNEL_TIME) ||
        !winos_extra_has(extra, WINOS_KTHREAD_USER_TIME) ||
        !winsched_thread_may_be(space, thread) ||
        !winsched_thread_read(space, &result->layout, thread, &who) ||
        !(who.has & WINSCHED_HAS_IDS)) {
        return false;
    }
    time->pid = who.pid;
    time->tid = who.tid;
    if (!gmem_read_u32(space, thread + (uint64_t)
                       extra->at[WINOS_KTHREAD_KERNEL_TIME],
                       &time->kernel) ||
        !gmem_read_u32(space, thread + (uint64_t)
                       extra->at[WINOS_KTHREAD_USER_TIME], &time->user)) {
        return false;
    }
    if (who.has & WINSCHED_HAS_PROCESS) {
        times_read_ended(result, extra, who.process, time);
    }
    return times_are_plausible(result, clock, time) &&
           times_is_same(result, time);
}
