/*
 * vmscope: guarded memory beside QEMU's own use of SIGBUS; see guard.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/event_notifier.h"
#include "qemu/main-loop.h"
#include "guard.h"

/* Signals on their way to the main loop. */
#define MAX_PENDING 8

static siginfo_t pending[MAX_PENDING];
static unsigned n_put;
static unsigned n_taken;
static EventNotifier pending_event;

/* What the main loop had got through its signalfd, were it blocked still. */
static void guard_defer(const siginfo_t *info)
{
    unsigned n = qatomic_fetch_inc(&n_put);

    if (n - qatomic_read(&n_taken) < MAX_PENDING) {
        pending[n % MAX_PENDING] = *info;
        event_notifier_set(&pending_event);
    }
}

static void guard_take_pending(EventNotifier *event)
{
    event_notifier_test_and_clear(event);
    while (n_taken != qatomic_read(&n_put)) {
        siginfo_t info = pending[n_taken % MAX_PENDING];

        qatomic_set(&n_taken, n_taken + 1);
        guard_call_old(SIGBUS, &info, NULL);
    }
}

void vmscope_guard_init(void)
{
    static bool done;

    if (done) {
        return;
    }
    done = true;
    if (event_notifier_init(&pending_event, false) == 0) {
        event_notifier_set_handler(&pending_event, guard_take_pending);
    }
    guard_init(guard_defer);
}
