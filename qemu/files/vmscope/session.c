/*
 * vmscope: a session of a trace, from being turned on to its last reader
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "base/thread.h"
#include "vmscope/compat.h"
#include "session.h"

/* How long turning off waits for the ring to be settled; at exit. */
#define OFF_WAIT_MS 2500
#define EXIT_WAIT_MS 1000

void vmscope_session_init(VmscopeSession *session, VmscopeTrace *trace)
{
    session->refs = 1;
    session->trace = trace;
}

/* Gives memory back that may be 800 MB, some 100 ms of work. */
static void *session_free_thread(void *opaque)
{
    VmscopeSession *session = opaque;

    vmscope_ring_free(&session->ring);
    session->trace->free(session);
    return NULL;
}

void vmscope_session_ref(VmscopeSession *session)
{
    qatomic_inc(&session->refs);
}

void vmscope_session_put(VmscopeSession *session)
{
    if (qatomic_fetch_dec(&session->refs) == 1 &&
        !thread_start("vmscope-free", session_free_thread, session, NULL)) {
        /* Late is better than never. */
        session_free_thread(session);
    }
}

VmscopeSession *vmscope_session_get(VmscopeTrace *trace)
{
    VmscopeSession *session;

    RCU_READ_LOCK_GUARD();
    session = qatomic_rcu_read(&trace->current);
    if (session) {
        /* Cannot be the first: current's own is dropped after RCU waits. */
        vmscope_session_ref(session);
        if (session->ring.is_file) {
            guard_thread();
        }
    }
    return session;
}

static void session_retired(VmscopeSession *session)
{
    vmscope_session_put(session);
}

void vmscope_session_begin(VmscopeSession *session)
{
    VmscopeTrace *trace = session->trace;
    VmscopeSession *old = trace->current;

    session->enabled = true;
    qatomic_rcu_set(&trace->current, session);
    if (old) {
        call_rcu(old, session_retired, rcu);
    }
}

VmscopeSession *vmscope_session_end(VmscopeTrace *trace)
{
    VmscopeSession *session = trace->current;

    if (!session || !session->enabled) {
        return NULL;
    }
    qatomic_set(&session->enabled, false);
    vmscope_session_ref(session);
    return session;
}

bool coroutine_fn vmscope_trace_off(VmscopeTrace *trace)
{
    VmscopeSession *session = trace->stop();
    int ms;

    if (!session) {
        return false;
    }
    for (ms = 0; ms < OFF_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->done)) {
            break;
        }
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS);
    }
    vmscope_session_put(session);
    return true;
}

static void trace_exit(Notifier *notifier, void *data)
{
    VmscopeTrace *trace = container_of(notifier, VmscopeTrace, exit);
    VmscopeSession *session = trace->stop();
    int ms;

    if (!session) {
        return;
    }
    for (ms = 0; ms < EXIT_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->done)) {
            break;
        }
        g_usleep(1000);
    }
    vmscope_session_put(session);
}

void vmscope_trace_register(VmscopeTrace *trace)
{
    qemu_co_mutex_init(&trace->lock);
    trace->exit.notify = trace_exit;
    qemu_add_exit_notifier(&trace->exit);
}
