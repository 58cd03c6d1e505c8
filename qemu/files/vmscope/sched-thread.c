/*
 * Windows scheduler trace: the helper thread
 *
 * The engine's turns are taken here (core/watch), and what the ring needs is
 * done in between.  It takes no lock of QEMU's for long, and the BQL never.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/prctl.h>
#include "qemu/timer.h"
#include "base/thread.h"
#include "file.h"
#include "sched-rip.h"
#include "sched-trace.h"

/*
 * The file of the ring is lost, and what was in it: the ring begins anew in
 * memory, where its tables are to be filled again.
 */
static void helper_begin_anew(SchedSession *session)
{
    session->store.tables->poll_hz = session->poll_hz;
    atomic_store_explicit(&session->store.tables->exact,
                          qatomic_read(&session->exact),
                          memory_order_relaxed);
    if (session->kernel) {
        schedlog_store_add_guest(&session->store, session->kernel);
    }
}

/* Or until the session's wake is set. */
static void helper_sleep_until(SchedSession *session, uint64_t ns)
{
    GPollFD fd = {
        .fd = event_notifier_get_fd(&session->wake),
        .events = G_IO_IN,
    };
    uint64_t now = clock_now_ns();

    if (ns > now && qemu_poll_ns(&fd, 1, ns - now) > 0) {
        event_notifier_test_and_clear(&session->wake);
    }
}

static void *helper_thread(void *opaque)
{
    SchedSession *session = opaque;

    rcu_register_thread();
    if (session->base.ring.is_file) {
        guard_thread();
    }
    /* Sleep no longer than asked for. */
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    /* Pairs with the release in sched_session_stop(). */
    while (!qatomic_load_acquire(&session->stop)) {
        uint64_t next;

        if (vmscope_ring_check(&session->base.ring, &session->store.clock)) {
            helper_begin_anew(session);
        }
        next = watch_turn(session->watch);
        helper_sleep_until(session, MIN(next, sched_rip_turn(session)));
    }
    /* Whoever was inside a hook when it was taken away is out after this. */
    watch_stop(session->watch);
    schedlog_store_stop(&session->store);
    vmscope_ring_end(&session->base.ring);
    qatomic_store_release(&session->base.done, true);
    rcu_unregister_thread();
    sched_trace_put(session);
    return NULL;
}

bool sched_helper_start(SchedSession *session, Error **errp)
{
    Err err;

    vmscope_session_ref(&session->base);
    if (!thread_start("sched-trace", helper_thread, session, &err)) {
        sched_trace_put(session);
        return vmscope_error(&err, errp);
    }
    return true;
}
