/*
 * winsched/sampler: which thread runs on each vCPU, and when that changed.
 *
 * Samples come from several threads: the vCPU's own at a KVM exit, one that
 * polls, one that reports watchpoint hits.  All feed one history per vCPU: a
 * change is recorded once, by whoever sees it first.  Non-blocking: if another
 * thread holds busy, a sample returns.  Only a watchpoint hit tries for some
 * microseconds, as it may be the only one to see the switch.
 *
 * While a vCPU is armed, watchpoint hits alone make records, and all other
 * samples only compare: a change that no hit has reported is a missed one.
 *
 * Where CurrentThread is read from, and where records go, is the embedder's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINSCHED_SAMPLER_H
#define VMSCOPE_WINSCHED_SAMPLER_H

#include "winsched/thread.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum WinschedOrigin {
    WINSCHED_EXIT,      /* at a KVM exit: the vCPU stands still */
    WINSCHED_POLL,      /* by the helper: the vCPU runs on */
    WINSCHED_EXACT,     /* at the switch itself: the vCPU stands still */
    WINSCHED_N_ORIGINS,
} WinschedOrigin;

/* A switch that was seen. */
typedef struct WinschedSwitch {
    unsigned vcpu;
    WinschedOrigin origin;
    uint64_t stamp;             /* evring clock's; when it was seen */
    uint32_t missed;            /* switches since the last record, unseen */
    bool has_missed;
    WinschedThread to;
    WinschedThread from;        /* thread 0 at the first; has tells the rest */
} WinschedSwitch;

/* Figures of one vCPU; plain counts, read by anybody at any time. */
typedef struct WinschedCounts {
    uint64_t samples[WINSCHED_N_ORIGINS];
    uint64_t switches;          /* recorded */
    uint64_t missed;            /* known to have happened unseen */
    uint64_t faults;            /* CurrentThread could not be read */
    uint64_t implausible;       /* what was there is no thread */
    uint64_t torn;              /* changed while it was read; repeated */
} WinschedCounts;

/* One vCPU.  Begins as zeroes; only the functions below use it. */
typedef struct WinschedCpu {
    unsigned vcpu;
    uint64_t prcb;              /* guest virtual */
    _Atomic uint64_t idle_thread;   /* 0: not known (yet) */
    _Alignas(64) _Atomic uint64_t last;     /* thread of the last record */
    atomic_flag busy;           /* somebody handles a change */
    _Atomic uint64_t samples[WINSCHED_N_ORIGINS];   /* one writer each */
    /* Written by whoever has busy. */
    _Atomic uint64_t switches, missed, implausible, torn;
    _Atomic uint64_t faults;
    WinschedThread last_read;
    uint64_t counter_gpa;       /* of KeContextSwitches; 0: not found yet */
    /*
     * The guest's counter of switches against ours; 0: not begun.  Bits 0-31
     * are KeContextSwitches when it was last read, bits 32-62 say how far it
     * was behind, bit 63 is set.
     */
    _Atomic uint64_t counter;
    unsigned still;             /* records in which it has not moved */
    _Atomic bool counter_dead;  /* what is there is no counter of switches */

    _Atomic bool armed;
    _Atomic bool in_hit;       /* winsched_hit() is running */
    _Atomic uint64_t lost;      /* known to be missed while armed */
    _Atomic uint32_t baseline;  /* of the counter: missed before arming */
    /* Of whoever polls: what it saw last, a suspected miss. */
    uint64_t suspect_thread;
    uint64_t suspect_switches;
} WinschedCpu;

/* What all vCPUs share; constant while sampling goes on. */
typedef struct Winsched {
    GmemSpace space;
    WinosLayout layout;
    /* Called with each switch, on the thread that saw it. */
    void (*record)(void *opaque, const WinschedSwitch *event);
    /* The time now, as a stamp. */
    uint64_t (*now)(void *opaque);
    /* Read CurrentThread of @cpu again, as cheaply as can be. */
    bool (*current)(void *opaque, const WinschedCpu *cpu, uint64_t *thread);
    void *opaque;
} Winsched;

/**
 * winsched_cpu_init - begin with a vCPU, or begin anew
 *
 * Nobody may be sampling it meanwhile.
 */
void winsched_cpu_init(WinschedCpu *cpu, unsigned vcpu, uint64_t prcb,
                       uint64_t idle_thread);

/**
 * winsched_set_idle - the idle thread has become known
 *
 * Context: any thread, while others sample.
 */
static inline void winsched_set_idle(WinschedCpu *cpu, uint64_t thread)
{
    atomic_store_explicit(&cpu->idle_thread, thread, memory_order_relaxed);
}

/**
 * winsched_counter_is_dead - does KeContextSwitches stand still?
 *
 * It cannot while switches are recorded; so it is another place, and what it
 * says of missed switches is nothing.
 */
static inline bool winsched_counter_is_dead(const WinschedCpu *cpu)
{
    return atomic_load_explicit(&cpu->counter_dead, memory_order_relaxed);
}

/**
 * winsched_change - out of line: the thread is not the last one
 *
 * What is recorded was current at the instant of the stamp, and was the same
 * object before and after.  When that fails four times in a row, the
 * next sample has to see it.
 */
void winsched_change(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                     WinschedOrigin origin);

/**
 * winsched_sample - one sample; the hot path
 * @thread: CurrentThread, by one aligned 8-byte load
 * @origin: each origin samples from one thread at a time
 *
 * A load, a compare and a count when nothing changed.
 *
 * Returns: true when it was a change
 */
static inline bool winsched_sample(const Winsched *ws, WinschedCpu *cpu,
                                 uint64_t thread, WinschedOrigin origin)
{
    _Atomic uint64_t *samples = &cpu->samples[origin];

    atomic_store_explicit(samples,
                          atomic_load_explicit(samples,
                                               memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (__builtin_expect(thread == atomic_load_explicit(
                             &cpu->last, memory_order_relaxed), 1)) {
        return false;
    }
    winsched_change(ws, cpu, thread, origin);
    return true;
}

/**
 * winsched_arm - from now on each switch is reported by winsched_hit()
 * @thread: CurrentThread; recorded when it is not the last one
 *
 * Context: the vCPU stands still.
 *
 * Returns: false when somebody was busy for too long; then nothing changed
 */
bool winsched_arm(const Winsched *ws, WinschedCpu *cpu, uint64_t thread);

/**
 * winsched_disarm - all samples make records again
 *
 * Context: any thread.  A last winsched_hit() may still come.
 */
void winsched_disarm(WinschedCpu *cpu);

static inline bool winsched_is_armed(const WinschedCpu *cpu)
{
    return atomic_load_explicit(&cpu->armed, memory_order_relaxed);
}

/* How many switches are known to be missed since winsched_arm(). */
static inline uint64_t winsched_lost(const WinschedCpu *cpu)
{
    return atomic_load_explicit(&cpu->lost, memory_order_relaxed);
}

/**
 * winsched_hit - CurrentThread was stored to
 * @thread: what it is now; when it is as before, that was no switch
 * @stamp: of the store
 *
 * A switch is recorded even when nothing can be read of its thread.
 *
 * Context: the vCPU's thread; the vCPU stands still right behind the store.
 */
void winsched_hit(const Winsched *ws, WinschedCpu *cpu, uint64_t thread,
                  uint64_t stamp);

/**
 * winsched_verify - were all switches of an armed vCPU reported?
 * @thread: CurrentThread
 *
 * Counts what was not as lost.  By the thread, and by the guest's counter,
 * which may be one ahead inside of a switch.
 *
 * Context: the vCPU's thread; all stores so far were reported.
 *
 * Returns: false when some were not
 */
bool winsched_verify(const Winsched *ws, WinschedCpu *cpu, uint64_t thread);

/**
 * winsched_suspect - the same from another thread, while the vCPU runs
 *
 * A store is seen before its hit is reported, so what is seen once says
 * nothing.
 *
 * Context: one thread at a time.
 *
 * Returns: true when the same was seen twice, with no hit in between:
 *          a suspected miss, for winsched_verify()
 */
bool winsched_suspect(const Winsched *ws, WinschedCpu *cpu, uint64_t thread);

/**
 * winsched_fault - CurrentThread could not be read
 */
void winsched_fault(WinschedCpu *cpu);

/**
 * winsched_recorded - the figures alone, without reading the guest
 *
 * missed is what the last record knew.
 */
void winsched_recorded(const WinschedCpu *cpu, WinschedCounts *counts);

/**
 * winsched_counts - the figures of a vCPU
 *
 * With the guest's counter known, missed includes switches since the last
 * record, up to now, but not one that the next sample may still see.
 * It is never too high by the counter's doing, and too low by one at most.
 *
 * Context: any thread.
 */
void winsched_counts(const Winsched *ws, const WinschedCpu *cpu,
                     WinschedCounts *counts);

#endif
