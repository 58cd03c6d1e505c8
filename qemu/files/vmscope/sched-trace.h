/*
 * Windows scheduler trace: a run of it, and what its parts offer each other
 *
 * sched-trace.c   turning on and off, and what the machine tells
 * sched-thread.c  the helper thread, on which the engine runs
 * sched-host.c    what the engine asks of QEMU
 * sched-hook.c    what happens when a vCPU exits
 * sched-rip.c     asking vCPUs what they execute; sched-profile.c tells
 * sched-qmp.c     the QMP commands; sched-status.c the status;
 *                 sched-hmp.c the monitor's
 *
 * The engine is core/watch: it finds the kernel and sees who runs.  What its
 * host asks of the machine is in sched-machine.h and sched-watch.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_TRACE_H
#define VMSCOPE_SCHED_TRACE_H

#include "qemu/event_notifier.h"
#include "qemu/thread.h"
#include "qapi/qapi-types-vmscope.h"
#include "schedlog/store.h"
#include "watch/slot.h"
#include "winos/modules.h"
#include "session.h"
#include "sched-machine.h"

/* From one enabling to the next; the ring outlives the tracing. */
typedef struct SchedSession {
    VmscopeSession base;

    /* What it was enabled with; constant. */
    WindowsSchedTraceMode mode;
    uint32_t poll_hz;
    WindowsSchedTraceOptions *opts;     /* with defaults */
    unsigned n_vcpus;           /* at most */
    uint64_t entries;

    /* Where switches are kept. */
    SchedlogStore store;
    SchedlogGuest *kernel;      /* the helper's: found last, or NULL */
    bool exact;                 /* what the store's tables say */

    GuestMem guest;
    SchedAsker asker;           /* the helper's */
    struct SchedRip *rip;       /* samples of RIP; NULL: none are taken */
    Watch *watch;
    WatchShared *shared;        /* of watch */

    EventNotifier wake;         /* the helper */
    bool stop;
    bool running;               /* as the engine was told at first */
} SchedSession;

/**
 * sched_trace_get: the newest session, with a reference
 *
 * Context: any thread that is registered with RCU.
 *
 * Returns: NULL when the trace was never on; else for sched_trace_put()
 */
SchedSession *sched_trace_get(void);

static inline void sched_trace_put(SchedSession *session)
{
    vmscope_session_put(&session->base);
}

extern VmscopeTrace sched_trace;

/* The current session, or NULL; under RCU, or the BQL. */
static inline SchedSession *sched_trace_current(void)
{
    VmscopeSession *base = qatomic_rcu_read(&sched_trace.current);

    return base ? container_of(base, SchedSession, base) : NULL;
}

/**
 * sched_trace_start: turn the trace on
 * @opts: checked, with enable
 *
 * Context: main loop, under the BQL.
 */
bool sched_trace_start(const WindowsSchedTraceOptions *opts, Error **errp);

/* sched-hook.c: set and take away the hook; BQL. */
void sched_hook_enable(bool enable);

/* sched-host.c: the engine's host; its opaque is a session. */
extern const WatchHost sched_host;

/* Read CurrentThread of a vCPU: @gpa is its slot's. */
bool sched_read_thread(uint64_t gpa, uint64_t *thread);

/*
 * sched-thread.c: begin a session's helper, which lasts until it is stopped.
 *
 * Returns: false with an error when there is no thread for it
 */
bool sched_helper_start(SchedSession *session, Error **errp);

/* sched-status.c: see query-windows-sched-trace-status. */
WindowsSchedTraceStatus *sched_status_new(SchedSession *session);

/* Why a list of the guest's may not be all, a sentence; NULL when it is. */
char *sched_list_reason(const char *of, WinosListEnd end);

#endif
