/*
 * thread-times: see thread-times.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/thread-times.h"

#include "common/message.h"

#include <stdlib.h>

enum {
    ASK_MAX = 512,
    ASK_MAX_FROM_OUTSIDE = 64,  /* the sampler waits meanwhile */
    KEPT_MAX = 65536,
    /* More ticks between two looks are those of another thread. */
    TICKS_MAX = 1 << 30,
};

/* Who ran longer comes first. */
static int by_run(const void *a, const void *b)
{
    const ShareThread *one = *(const ShareThread *const *)a;
    const ShareThread *two = *(const ShareThread *const *)b;

    return one->run_ns < two->run_ns ? 1 : one->run_ns > two->run_ns ? -1 : 0;
}

/* Returns: the arguments; NULL when nobody ran */
static json_t *what_to_ask(const Shares *shares, size_t max)
{
    const ShareThread **ran = calloc(shares->n_threads + 1, sizeof(*ran));
    json_t *arguments = json_object();
    json_t *list = json_array();
    size_t n = 0;
    size_t i;

    if (!ran || !list) {
        die_no_memory();
    }
    for (i = 0; i < shares->n_threads; i++) {
        const ShareThread *thread = &shares->threads[i];

        if (thread->thread && !thread->idle &&
            (thread->run_ns || thread->switches)) {
            ran[n++] = thread;
        }
    }
    qsort(ran, n, sizeof(*ran), by_run);
    for (i = 0; i < n && i < max; i++) {
        json_array_append_new(list,
                              json_integer((json_int_t)ran[i]->thread));
    }
    free(ran);
    qmp_set(arguments, "threads", list);
    if (!n) {
        json_decref(arguments);
        return NULL;
    }
    return arguments;
}

static ThreadTime *time_of(ThreadTimes *times, uint64_t thread)
{
    uint32_t index = map_get(&times->index, thread);

    if (index) {
        return &times->times[index];
    }
    if (times->n >= KEPT_MAX) {
        thread_times_forget(times);
    }
    times->n += !times->n;
    times->times = grow(times->times, times->n, &times->room,
                        sizeof(*times->times));
    times->times[times->n] = (ThreadTime) { .thread = thread };
    map_put(&times->index, thread, (uint32_t)times->n);
    return &times->times[times->n++];
}

static void take(ThreadTimes *times, const json_t *one)
{
    ThreadTime *time = time_of(times, qmp_uint(one, "thread-pointer", 0));
    uint32_t pid = (uint32_t)qmp_uint(one, "unique-process-id", 0);
    uint32_t tid = (uint32_t)qmp_uint(one, "unique-thread-id", 0);
    uint32_t user = (uint32_t)qmp_uint(one, "user", 0);
    uint32_t kernel = (uint32_t)qmp_uint(one, "kernel", 0);

    time->user = user - time->last_user;
    time->kernel = kernel - time->last_kernel;
    time->known = time->round && time->pid == pid && time->tid == tid &&
                  time->user < TICKS_MAX && time->kernel < TICKS_MAX;
    time->pid = pid;
    time->tid = tid;
    time->last_user = user;
    time->last_kernel = kernel;
    time->round = times->round;
}

void thread_times_forget(ThreadTimes *times)
{
    map_clear(&times->index);
    times->n = 0;
    times->tick_ns = 0;
}

void thread_times_release(ThreadTimes *times)
{
    thread_times_forget(times);
    free(times->times);
    *times = (ThreadTimes) { .unknown = times->unknown };
}

bool thread_times_look(ThreadTimes *times, Qmp *qmp, const Shares *shares,
                       Err *err)
{
    json_t *arguments;
    json_t *answer;
    const json_t *list;
    size_t i;

    times->round++;
    arguments = times->unknown ? NULL :
                what_to_ask(shares, qmp_is_attached(qmp)
                                    ? ASK_MAX_FROM_OUTSIDE : ASK_MAX);
    if (!arguments) {
        return true;
    }
    answer = qmp_command(qmp, "query-windows-thread-time", arguments, err);
    if (!answer) {
        times->unknown = qmp_failure(qmp) == QMP_UNKNOWN;
        thread_times_forget(times);
        return times->unknown || qmp_failure(qmp) == QMP_REFUSED;
    }
    list = json_object_get(answer, "threads");
    for (i = 0; i < json_array_size(list); i++) {
        take(times, json_array_get(list, i));
    }
    times->tick_ns = qmp_uint(answer, "tick-ns", 0);
    json_decref(answer);
    return true;
}

const ThreadTime *thread_times_of(const ThreadTimes *times,
                                  const ShareThread *thread)
{
    uint32_t index = map_get(&times->index, thread->thread);
    const ThreadTime *time = index ? &times->times[index] : NULL;

    return time && time->known && time->round == times->round &&
           thread->has_ids && time->tid == thread->tid ? time : NULL;
}
