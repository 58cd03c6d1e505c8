/*
 * Windows scheduler trace: a run of it, and what its parts offer each other
 *
 * sched-trace.c   turning on and off, and what the machine tells
 * sched-hook.c    what happens when a vCPU exits; records
 * sched-thread.c  the helper thread: its turns, and polling
 * sched-find.c    finding the kernel, and keeping track of it
 * sched-slot.c    beginning and ending to look at a vCPU
<<<<<<< HEAD
 * sched-overrides.c  overrides that do not fit the guest, in words
=======
 * sched-exact.c   being told of each switch, and whether that is so
>>>>>>> ddd5eea (qemu: exact mode (wip))
 * sched-qmp.c     the QMP commands; sched-status.c the status;
 *                 sched-hmp.c the monitor's
 *
 * What it asks of the machine is in sched-machine.h.  Of Windows it knows
 * nothing: that is core/winos and core/winsched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_TRACE_H
#define VMSCOPE_SCHED_TRACE_H

#include "qemu/event_notifier.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qapi/qapi-types-vmscope.h"
#include "schedlog/store.h"
#include "winos/detect.h"
#include "winsched/sampler.h"
#include "common.h"
#include "sched-machine.h"

/* In place of the address of a CurrentThread that is not known. */
#define SCHED_NO_GPA UINT64_MAX

/* What the samplers go by; replaced as a whole when the layout grows. */
typedef struct SchedView {
    struct rcu_head rcu;
    Winsched ws;
} SchedView;

/* Of one vCPU. */
typedef struct SchedSlot {
    WinschedCpu cpu;
    /*
     * Where its CurrentThread is, guest-physical.  Set last, with release, by
     * the helper; taken away by the helper, and by whoever resets the machine.
     */
    uint64_t gpa;

    /* The vCPU thread's own; others read the figures, atomically. */
    uint64_t exits QEMU_ALIGNED(64);    /* while looked at */
    uint64_t thread;            /* CurrentThread at the last of them */
    uint64_t sampled_cost;      /* stamps; of one exit in SCHED_COST_EVERY */
    uint64_t change_cost;       /* of changes, each of which is measured */
    uint64_t longest;
    bool asked_regs;            /* KVM hands out registers with each exit */
    uint64_t tried_gs;          /* GS base told last; the helper zeroes it */

    uint64_t stored;            /* stamp of a store that is being made */

    /*
     * For exact mode.  What is to be watched, guest-virtual, 0 for nothing:
     * the helper's, and zeroed by whoever resets the machine.  The rest is
     * the vCPU thread's.
     */
    uint64_t watch QEMU_ALIGNED(64);
    uint64_t watched;           /* it is, and each switch is told of */
    int watch_error;            /* -errno */
    bool checking;              /* set by the helper: a check is to come */

    /* Under the session's lock. */
    bool present;
    bool begun;                 /* cpu and info are of a vCPU looked at */
    WinosCpu info;
    WinschedCounts before;      /* figures from before cpu was begun */
    bool has_exit_regs;         /* told by the vCPU, not used yet */
    SchedRegs exit_regs;
} SchedSlot;

#define SCHED_COST_EVERY 64

/* What the helper has found out; copied for whoever asks. */
typedef struct SchedFindings {
    WindowsSchedTraceState state;
    char reason[1536];          /* "" when there is nothing to say */
    bool found;                 /* result is of the kernel traced now */
    WinosResult result;
    uint64_t attempts;
    uint64_t kernels;
    uint64_t last_ns;
    uint64_t reads;
    uint64_t longest_vcpu_ns;
} SchedFindings;

/* From one enabling to the next; the ring outlives the tracing. */
typedef struct SchedSession {
    struct rcu_head rcu;
    int refs;                   /* current, the helper, queries */

    /* What it was enabled with; constant. */
    WinosOptions winos;
    WindowsSchedTraceMode mode;
    uint32_t poll_hz;
    uint32_t exact_ms;          /* 0: for good */
    uint32_t exact_limit;
    char *ring_file;            /* NULL: memory */

    /* Where switches are kept. */
    void *mem;
    size_t mem_size;
    SchedlogStore store;
    ClockKeeper keeper;         /* the helper's */
    bool enabled;

    GuestMem guest;
    SchedSlot *slots;           /* by cpu_index */
    unsigned n_slots;
    SchedView *view;            /* under RCU; NULL: no kernel is known */

    /* Told to the helper, with wake. */
    EventNotifier wake;
    bool told_regs;             /* a vCPU has left registers */
    bool told_exact;            /* a vCPU is watched now, or missed one */
    bool running;               /* the machine is */
    unsigned resets;            /* of the machine */
    unsigned resumes;
    bool stop;
    bool done;                  /* by the helper: the ring is settled */

    bool exact;                 /* by the helper: no switch goes unseen */

    QemuMutex lock;             /* for what follows, and slots; held briefly */
    SchedFindings findings;
} SchedSession;

/**
 * sched_trace_get: the newest session, with a reference
 *
 * Context: any thread that is registered with RCU.
 *
 * Returns: NULL when the trace was never on; else for sched_trace_put()
 */
SchedSession *sched_trace_get(void);
void sched_trace_ref(SchedSession *session);
void sched_trace_put(SchedSession *session);

/**
 * sched_trace_start: turn the trace on
 * @opts: checked, with enable
 *
 * Context: main loop, under the BQL.
 */
bool sched_trace_start(const WindowsSchedTraceOptions *opts, Error **errp);

/**
 * sched_trace_stop: turn the trace off, if it is on
 *
 * Context: as sched_trace_start().  Does not wait for the ring to be settled:
 * session->done tells when.
 *
 * Returns: the session that ends, with a reference; NULL when it was off
 */
SchedSession *sched_trace_stop(void);

/* sched-hook.c: set and take away the hook; BQL. */
void sched_hook_enable(bool enable);

/* What a session's samplers call; see Winsched. */
void sched_record(void *opaque, const WinschedSwitch *event);
uint64_t sched_now(void *opaque);
bool sched_current(void *opaque, const WinschedCpu *cpu, uint64_t *thread);

/* Read CurrentThread of a vCPU: @gpa is its slot's. */
bool sched_read_thread(uint64_t gpa, uint64_t *thread);

/* Account for stamps spent on a change; the vCPU's thread. */
void sched_note_change(SchedSlot *slot, uint64_t stamps);

/* Nanoseconds that so many stamps are, as of now. */
uint64_t sched_stamps_to_ns(const SchedSession *session, uint64_t stamps);

/* sched-thread.c: begin a session's helper, which lasts until it is stopped. */
void sched_helper_start(SchedSession *session);

/* sched-exact.c */

#define SCHED_EXACT_BEGINS_TEXT \
    "exact mode begins; until all vCPUs are watched, switches are sampled"

/* Watch nothing any more; BQL. */
void sched_exact_unwatch(SchedSession *session);

/* Is each switch recorded, as far as anybody knows?  Under the lock. */
bool sched_exact_holds(SchedSession *session);

/* A look at an exit found a change that it was not told of. */
void sched_exact_tell(SchedSession *session);

/* sched-status.c: see query-windows-sched-trace-status. */
WindowsSchedTraceStatus *sched_status_new(SchedSession *session);

/* The current session, under RCU; changed under the BQL. */
extern SchedSession *sched_current_session;

#endif
