/*
 * watch/slot: what vCPU threads do; only for hosts whose vCPUs tell.
 *
 * A slot is the place of one vCPU.  While its gpa is set, samplers read
 * CurrentThread there.  It is unpublished and waited for before anything else
 * in the slot changes.
 *
 * All functions: on the vCPU's own thread or while it stands still, inside of
 * a read-side section; lock-free, no allocation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WATCH_SLOT_H
#define VMSCOPE_WATCH_SLOT_H

#include "watch/watch.h"

/* What the samplers go by; replaced as a whole when the layout grows. */
typedef struct WatchView {
    Winsched ws;
} WatchView;

typedef struct WatchSlot {
    WinschedCpu cpu;
    /*
     * Guest-physical address of CurrentThread, or WATCH_NO_GPA.  Published
     * with release by the engine thread, unpublished by it and watch_reset().
     */
    _Atomic uint64_t gpa;

    /* Written by the vCPU's thread alone; read by anybody. */
    _Alignas(64) _Atomic uint64_t exits;    /* while it was sampled */
    uint64_t thread;            /* CurrentThread at the last exit */
    _Atomic uint64_t sampled_cost;  /* stamps; one exit in WATCH_COST_EVERY */
    _Atomic uint64_t change_cost;   /* of changes; each is measured */
    _Atomic uint64_t longest;
    bool asked_regs;            /* the host hands out registers at exits */
    uint64_t stored;            /* stamp of a store that is being made */

    /* Registers left by the vCPU for the engine; see watch_offer_regs(). */
    _Atomic unsigned offer;
    _Atomic uint64_t offered_gs;    /* GS base offered last; 0: none */
    WinosRegs offered;

    /* Exact mode: what is to be armed (guest-virtual, 0: nothing) ... */
    _Alignas(64) _Atomic uint64_t to_arm;
    _Atomic uint64_t armed;     /* ... what is; the vCPU's */
    _Atomic int arm_error;      /* -errno */
    _Atomic bool verifying;     /* a work item is under way */

    /* The engine's; read under its lock. */
    bool present;
    bool begun;
    bool parked;                /* has told registers of another mode */
    WinosCpu info;
    WinschedCounts before;      /* figures from before cpu was begun */

    /* The engine thread's: bytes that say what the vCPU does, WATCH_NO_GPA. */
    uint64_t nesting_gpa;
    uint64_t dpc_gpa;
    /* Written by the engine thread, read by anybody. */
    _Atomic uint64_t doing[WATCH_N_DOING];
    _Atomic bool doing_odd;     /* what those bytes say is nothing */
} WatchSlot;

enum { WATCH_COST_EVERY = 64 };

/* What vCPU threads need of an engine; constant but for view. */
typedef struct WatchShared {
    WatchSlot *slots;           /* by vCPU index */
    unsigned n_slots;
    _Atomic(const WatchView *) view;    /* NULL: no kernel is known */
} WatchShared;

/* Valid as long as @w. */
WatchShared *watch_shared(Watch *w);

/**
 * watch_offer_regs - leave registers for the engine
 *
 * For vCPUs that are in user mode whenever they are asked: what they exit
 * with tells sooner.  Each GS base is offered once.
 */
void watch_offer_regs(Watch *w, const WinosRegs *regs);

/* Would it be taken?  A GS base in the upper half that was not offered yet. */
static inline bool watch_wants_regs(const WatchSlot *slot, uint64_t gs_base)
{
    return gs_base >> 63 &&
           gs_base != atomic_load_explicit(&slot->offered_gs,
                                           memory_order_relaxed);
}

/**
 * watch_exit_changed - out of line: CurrentThread at an exit is not the last
 * @thread: as it was read
 *
 * Makes a record, or in exact mode sees whether the switch was told of.
 */
void watch_exit_changed(Watch *w, WatchSlot *slot, const WatchView *view,
                        uint64_t thread);

/* Exact mode: a store to what is armed is about to be made (not under KVM). */
void watch_store(Watch *w, unsigned vcpu);

/* ... was made; the vCPU stands still right behind it. */
void watch_hit(Watch *w, unsigned vcpu);

/* What run_on_vcpus() was asked for. */
void watch_vcpu_work(Watch *w, unsigned vcpu, WatchWork work);

#endif
