/*
 * vmscope: a session of a trace, from being turned on to its last reader
 *
 * What both traces have whatever they record: one session that is current,
 * references that keep it and its ring, turning off and waiting for that,
 * the end of QEMU.
 *
 * Of the same kind are:
 * guard.c    guarded memory beside QEMU's SIGBUS; see guard.h
 * ring.c     the ring of one trace; see ring.h
 * file.c     files that users name; see file.h
 * options.c  options of a trace that is on already; see options.h
 * reply.c    the reply to a query; see reply.h
 * hmp.c      the human monitor's commands; see hmp.h
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SESSION_H
#define VMSCOPE_SESSION_H

#include "qemu/coroutine.h"
#include "qemu/notify.h"
#include "qemu/rcu.h"
#include "ring.h"

/* From one enabling to the next: the ring outlives the recording. */
typedef struct VmscopeSession {
    struct rcu_head rcu;
    struct VmscopeTrace *trace;
    int refs;                   /* current, its own thread, queries, ... */
    bool enabled;
    bool done;                  /* by its own thread: the ring is settled */
    VmscopeRing ring;
} VmscopeSession;

/* One of the two traces; static, begins with its functions. */
typedef struct VmscopeTrace {
    /* Free all but the ring.  Context: a thread of its own. */
    void (*free)(VmscopeSession *session);
    /*
     * Turn it off and have its thread settle the ring, and do not wait; as
     * vmscope_session_end(), which it calls.
     */
    VmscopeSession *(*stop)(void);

    VmscopeSession *current;    /* written under the BQL, read under RCU */
    CoMutex lock;               /* of the command that turns it on and off */
    Notifier exit;
} VmscopeTrace;

/* While QEMU registers its types. */
void vmscope_trace_register(VmscopeTrace *trace);

/**
 * vmscope_trace_off: turn a trace off; its ring is settled when this returns,
 * unless that takes longer than 2.5 s
 *
 * Context: main loop, under the BQL, with the trace's lock.
 *
 * Returns: false when it was off
 */
bool coroutine_fn vmscope_trace_off(VmscopeTrace *trace);

/* A session that nobody knows yet; it has one reference. */
void vmscope_session_init(VmscopeSession *session, VmscopeTrace *trace);

/* From now on it is the current one, and enabled; BQL. */
void vmscope_session_begin(VmscopeSession *session);

/**
 * vmscope_session_end: the current session is enabled no more; BQL
 *
 * Returns: the session, with a reference; NULL when there is none
 */
VmscopeSession *vmscope_session_end(VmscopeTrace *trace);

/**
 * vmscope_session_get: the newest session, with a reference
 *
 * Context: any thread that is registered with RCU.
 *
 * Returns: NULL when the trace was never on; else for vmscope_session_put()
 */
VmscopeSession *vmscope_session_get(VmscopeTrace *trace);
void vmscope_session_ref(VmscopeSession *session);

/* The last one has it freed, by a thread of its own: that may take long. */
void vmscope_session_put(VmscopeSession *session);

#endif
