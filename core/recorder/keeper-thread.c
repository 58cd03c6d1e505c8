/*
 * recorder/keeper-thread: see keeper-thread.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* ppoll() */
#endif

#include "recorder/keeper-thread.h"

#include "base/thread.h"
#include "recorder/guard.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Further ahead than anything lasts. */
#define FAR_AHEAD_S (100LL * 365 * 86400)

#define S_NS UINT64_C(1000000000)

typedef struct Kept {
    struct Kept *next;
    ClockKeeper *keeper;
    uint64_t next_ns;
} Kept;

static pthread_mutex_t keeping_lock = PTHREAD_MUTEX_INITIALIZER;
static Kept *all_kept;          /* under the lock */
static int wake_fd = -1;        /* the thread's; -1: there is none yet */
static int set_timer = -1;
static ClockReading at_load;

static void keeping_arm_timer(void)
{
    struct itimerspec when = {
        .it_value.tv_sec = time(NULL) + FAR_AHEAD_S,
    };

    timerfd_settime(set_timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                    &when, NULL);
}

/* Returns: whether the clocks were set since the last call. */
static bool keeping_clocks_set(void)
{
    uint64_t n;

    if (set_timer < 0 || read(set_timer, &n, sizeof(n)) >= 0 ||
        errno != ECANCELED) {
        return false;
    }
    keeping_arm_timer();
    return true;
}

static void keeping_update(Kept *k)
{
    ClockReading now;

    clock_read(keeper_kind(k->keeper), &now);
    k->next_ns = now.monotonic_ns + keeper_look(k->keeper, &now);
}

/* Returns: when to look again. */
static uint64_t keeping_update_all(bool all)
{
    uint64_t next_ns = UINT64_MAX;
    Kept *k;

    pthread_mutex_lock(&keeping_lock);
    for (k = all_kept; k; k = k->next) {
        if (all || clock_now_ns() >= k->next_ns) {
            keeping_update(k);
        }
        next_ns = k->next_ns < next_ns ? k->next_ns : next_ns;
    }
    pthread_mutex_unlock(&keeping_lock);
    return next_ns;
}

/* Until then, or a clock is set, or another ring is to be kept. */
static void keeping_sleep_until(uint64_t ns)
{
    struct pollfd fds[2] = {
        { .fd = wake_fd, .events = POLLIN },
        { .fd = set_timer, .events = POLLIN },
    };
    uint64_t now = clock_now_ns();
    uint64_t left = ns > now ? ns - now : 0;
    struct timespec wait = {
        .tv_sec = (time_t)(left / S_NS), .tv_nsec = (long)(left % S_NS),
    };
    eventfd_t n;

    ppoll(fds, 2, ns == UINT64_MAX ? NULL : &wait, NULL);
    eventfd_read(wake_fd, &n);
}

static void *keeping_thread(void *opaque)
{
    uint64_t trust_ns = 0;

    (void)opaque;
    guard_thread();
    for (;;) {
        bool set = keeping_clocks_set();
        uint64_t now = clock_now_ns();

        /* Whether Linux trusts its counter is asked once a second. */
        if (set || now >= trust_ns) {
            clock_host_kind_now();
            trust_ns = now + S_NS;
        }
        keeping_sleep_until(keeping_update_all(set));
    }
    return NULL;
}

/* Under the lock, once. */
static bool keeping_start(Err *err)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0) {
        err_set(err, ERR_IO, "no event for the thread that keeps clocks: %s",
                strerror(errno));
        return false;
    }
    if (set_timer < 0) {
        set_timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    }
    if (set_timer >= 0) {
        keeping_arm_timer();
    }
    wake_fd = fd;
    if (!thread_start("vmscope-clock", keeping_thread, NULL, err)) {
        wake_fd = -1;
        close(fd);
        return false;
    }
    return true;
}

bool keeper_thread_keep(ClockKeeper *keeper, Err *err)
{
    Kept *k = calloc(1, sizeof(*k));
    bool ok;

    if (!k) {
        err_set(err, ERR_NOMEM, "no memory to trace with");
        return false;
    }
    k->keeper = keeper;
    pthread_mutex_lock(&keeping_lock);
    ok = wake_fd >= 0 || keeping_start(err);
    if (ok) {
        k->next = all_kept;
        all_kept = k;
    }
    pthread_mutex_unlock(&keeping_lock);
    if (!ok) {
        free(k);
        return false;
    }
    eventfd_write(wake_fd, 1);
    return true;
}

void keeper_thread_leave(ClockKeeper *keeper)
{
    Kept **at = &all_kept;
    Kept *k;

    pthread_mutex_lock(&keeping_lock);
    while (*at && (*at)->keeper != keeper) {
        at = &(*at)->next;
    }
    k = *at;
    if (k) {
        *at = k->next;
    }
    pthread_mutex_unlock(&keeping_lock);
    free(k);
}

void keeper_thread_republish(ClockKeeper *keeper)
{
    pthread_mutex_lock(&keeping_lock);
    keeper_republish(keeper);
    pthread_mutex_unlock(&keeping_lock);
}

static void __attribute__((constructor)) keeper_note_load(void)
{
    clock_read(clock_host_kind(), &at_load);
}

const ClockReading *keeper_at_load(void)
{
    return &at_load;
}
