/*
 * vmscope: the branches where a watched store is seen
 *
 * Included where vCPUs store and where their debug exceptions end up.  It
 * knows function pointers, NULL while nothing is watched; what stands behind
 * them is vmscope/sched-watch.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_WATCH_HOOK_H
#define VMSCOPE_WATCH_HOOK_H

#include "qemu/atomic.h"

/* How many breakpoints x86 has for debuggers, while we hold none. */
#define VMSCOPE_ALL_BREAKPOINTS 4

struct kvm_guest_debug;
struct kvm_debug_exit_arch;

/* All on the vCPU's thread, but for merge, which is under the BQL. */
typedef struct VmscopeWatchHooks {
    /* TCG: must stores to this page take the slow path? */
    bool (*page)(CPUState *cpu, uint64_t page);
    /* TCG, before a store: true to have the instruction run again, alone. */
    bool (*store)(CPUState *cpu, uint64_t addr, uint64_t len, bool can_restart);
    /* TCG: what was stored is in memory. */
    void (*stored)(CPUState *cpu);
    /* KVM: add ours to the @used breakpoints of others. */
    void (*merge)(CPUState *cpu, struct kvm_guest_debug *dbg, unsigned used);
    /* KVM: take ours out of a debug exit; true when nothing is left. */
    bool (*debug)(CPUState *cpu, struct kvm_debug_exit_arch *exit,
                  unsigned used);
} VmscopeWatchHooks;

/* NULL: nothing was ever watched. */
extern const VmscopeWatchHooks *vmscope_watch_hooks;

/* A store of this thread's vCPU is under way. */
extern __thread bool vmscope_watch_pending;

/* How many breakpoints others may have. */
extern unsigned vmscope_watch_others;

static inline bool vmscope_watch_page(CPUState *cpu, uint64_t page)
{
    const VmscopeWatchHooks *hooks = qatomic_read(&vmscope_watch_hooks);

    return unlikely(hooks) && hooks->page(cpu, page);
}

static inline bool vmscope_watch_store(CPUState *cpu, uint64_t addr,
                                       uint64_t len, bool can_restart)
{
    const VmscopeWatchHooks *hooks = qatomic_read(&vmscope_watch_hooks);

    return unlikely(hooks) && hooks->store(cpu, addr, len, can_restart);
}

static inline void vmscope_watch_stored(CPUState *cpu)
{
    if (unlikely(vmscope_watch_pending)) {
        vmscope_watch_hooks->stored(cpu);
    }
}

static inline void vmscope_watch_merge(CPUState *cpu,
                                       struct kvm_guest_debug *dbg,
                                       unsigned used)
{
    const VmscopeWatchHooks *hooks = qatomic_read(&vmscope_watch_hooks);

    if (unlikely(hooks)) {
        hooks->merge(cpu, dbg, used);
    }
}

static inline bool vmscope_watch_debug(CPUState *cpu,
                                       struct kvm_debug_exit_arch *exit,
                                       unsigned used)
{
    const VmscopeWatchHooks *hooks = qatomic_read(&vmscope_watch_hooks);

    return unlikely(hooks) && hooks->debug(cpu, exit, used);
}

#endif
