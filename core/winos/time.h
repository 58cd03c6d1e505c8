/*
 * winos/time: where a vCPU's time goes, by Windows' own account.
 *
 * At each clock interrupt Windows adds a tick to what was interrupted: user
 * mode, or the kernel and in it a DPC, an interrupt or a thread.  The idle
 * thread's ticks are its CPU's idle ones.  The counters are those of
 * Windows' Task Manager.  They know nothing of the host: a vCPU that does
 * not run takes no ticks, and what it missed may be added later or never.
 *
 * Sources: docs/guest-facts/time-wait.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_TIME_H
#define VMSCOPE_WINOS_TIME_H

#include "winos/extra.h"

/* Ticks since boot, modulo 2^32; each tick is in one of the first five. */
typedef struct WinosCpuTime {
    uint32_t user;
    uint32_t kernel;            /* of threads other than the idle one */
    uint32_t dpc;
    uint32_t interrupt;
    uint32_t idle;
    uint32_t interrupts;        /* events, not ticks */
    uint32_t dpcs;              /* events; 0 when not known */
    bool has_clocks;            /* the next one is known */
    uint32_t clocks;            /* interrupts of the clock among them */
    bool in_dpc;                /* now */
} WinosCpuTime;

/* The clock that all CPUs share. */
typedef struct WinosClock {
    uint64_t ticks;             /* since boot */
    uint64_t tick_ns;           /* how long one is */
} WinosClock;

/**
 * winos_clock_read - how many ticks there were
 *
 * From KUSER_SHARED_DATA, which is the same in all builds.
 *
 * Returns: false when it cannot be read or holds no clock
 */
bool winos_clock_read(const WinosResult *result, WinosClock *clock);

/**
 * winos_time_read - the counters of one CPU
 * @prcb, @idle: addresses of its KPRCB and its idle thread
 * @err: says what does not hold, so that nothing is told
 *
 * Four counters are read in one piece, so that none is older than another by
 * more than the guest needs to write them; still the newest tick may be in
 * one and not yet in the next, and differences below some ticks say nothing.
 *
 * Context: any thread; allocates nothing; a handful of reads.
 *
 * Returns: true when the counters are what they have to be: parts no larger
 * than the whole, not all zero, and where the kernel's file is not known, as
 * many ticks as the clock had
 */
bool winos_time_read(const WinosResult *result, const WinosExtra *extra,
                     uint64_t prcb, uint64_t idle, WinosCpuTime *time,
                     Err *err);

/**
 * winos_cpu_prcb - the KPRCB of a KPCR
 *
 * Returns: false when it cannot be read
 */
bool winos_cpu_prcb(const WinosResult *result, uint64_t kpcr, uint64_t *prcb);

#endif
