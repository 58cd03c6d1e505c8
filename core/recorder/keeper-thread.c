/*
 * vmscope: the thread that keeps clocks; the time now, for status queries
 *
 * Linux tells that the clocks were set, which happens when a suspend ends,
 * by a timer that is cancelled.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/timerfd.h>
#include "qemu/event_notifier.h"
#include "qemu/lockable.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "../../common.h"
#include "../../guard.h"

/* Further ahead than anything lasts. */
#define FAR_AHEAD_S (100LL * 365 * 86400)

typedef struct Kept {
    ClockKeeper *keeper;
    uint64_t next_ns;
} Kept;

static QemuMutex kept_lock;     /* for what follows */
static GArray *kept;            /* Kept */
static EventNotifier wake;
static int set_timer = -1;

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
    guint i;

    QEMU_LOCK_GUARD(&kept_lock);
    for (i = 0; i < kept->len; i++) {
        Kept *k = &g_array_index(kept, Kept, i);

        if (all || clock_now_ns() >= k->next_ns) {
            keeping_update(k);
        }
        next_ns = MIN(next_ns, k->next_ns);
    }
    return next_ns;
}

static void *keeping_thread(void *opaque)
{
    uint64_t trust_ns = 0;

    guard_thread();
    for (;;) {
        bool set = keeping_clocks_set();
        uint64_t now = clock_now_ns();
        GPollFD fds[2] = {
            { .fd = event_notifier_get_fd(&wake), .events = G_IO_IN },
            { .fd = set_timer, .events = G_IO_IN },
        };
        uint64_t next_ns;

        /* Whether Linux trusts its counter is asked once a second. */
        if (set || now >= trust_ns) {
            clock_host_kind_now();
            trust_ns = now + NANOSECONDS_PER_SECOND;
        }
        next_ns = keeping_update_all(set);
        now = clock_now_ns();
        qemu_poll_ns(fds, 2, next_ns == UINT64_MAX ? -1 :
                             next_ns > now ? next_ns - now : 0);
        event_notifier_test_and_clear(&wake);
    }
    return NULL;
}

static void keeping_start(void)
{
    QemuThread thread;

    qemu_mutex_init(&kept_lock);
    kept = g_array_new(false, true, sizeof(Kept));
    event_notifier_init(&wake, false);
    set_timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (set_timer >= 0) {
        keeping_arm_timer();
    }
    qemu_thread_create(&thread, "vmscope-clock", keeping_thread, NULL,
                       QEMU_THREAD_DETACHED);
}

void vmscope_clock_keep(ClockKeeper *keeper)
{
    static gsize started;
    Kept k = { .keeper = keeper };

    if (g_once_init_enter(&started)) {
        keeping_start();
        g_once_init_leave(&started, 1);
    }
    WITH_QEMU_LOCK_GUARD(&kept_lock) {
        g_array_append_val(kept, k);
    }
    event_notifier_set(&wake);
}

void vmscope_clock_leave(ClockKeeper *keeper)
{
    guint i;

    QEMU_LOCK_GUARD(&kept_lock);
    for (i = 0; i < kept->len; i++) {
        if (g_array_index(kept, Kept, i).keeper == keeper) {
            g_array_remove_index_fast(kept, i);
            return;
        }
    }
}

void vmscope_clock_republish(ClockKeeper *keeper)
{
    QEMU_LOCK_GUARD(&kept_lock);
    keeper_republish(keeper);
}

VmscopeClock *vmscope_clock_new(void)
{
    VmscopeClock *clock = g_new0(VmscopeClock, 1);
    ClockTriple now;

    clock->has_tsc = clock_has_tsc();
    clock_read_triple(clock->has_tsc ? CLOCK_KIND_TSC : CLOCK_KIND_NS, &now);
    clock->tsc = clock->has_tsc ? now.stamp : 0;
    clock->monotonic_ns = now.monotonic_ns;
    clock->realtime_ns = now.realtime_ns;
    return clock;
}
