/*
 * Windows scheduler trace: being told of stores to an address
 *
 * sched-watch.c says how, for x86_64.  It does not know what is stored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_WATCH_H
#define VMSCOPE_SCHED_WATCH_H

#include "sched-machine.h"

/* Who is told, on the vCPU's thread. */
typedef struct SchedWatcher {
    /* A store is about to be made; not under KVM. */
    void (*store)(CPUState *cpu);
    /* It is made; the vCPU stands still right behind it. */
    void (*hit)(CPUState *cpu);
} SchedWatcher;

/* Set while QEMU registers its types. */
extern const SchedWatcher *sched_watcher;

typedef struct SchedWatchArch {
    /**
     * watch: tell of stores to 8 bytes
     * @gva: guest-virtual, aligned; 0: tell no more
     *
     * As a work item of @cpu.  One address a vCPU.
     *
     * Returns: 0; -ENOTSUP, -EBUSY when gdb uses all breakpoints, or what
     *          KVM says; then nothing is watched
     */
    int (*watch)(CPUState *cpu, uint64_t gva);
    /* On @cpu's thread: may a store be made that was not told of yet? */
    bool (*hit_may_come)(CPUState *cpu);
} SchedWatchArch;

/* NULL when the target is not x86_64. */
extern const SchedWatchArch *sched_watch_arch;

#endif
