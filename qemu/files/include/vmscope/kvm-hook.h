/*
 * vmscope: the branch behind KVM_RUN
 *
 * Included where vCPUs return from KVM.  It knows one function pointer, NULL
 * while nobody looks; what stands behind it is vmscope/sched-hook.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_KVM_HOOK_H
#define VMSCOPE_KVM_HOOK_H

#include "qemu/atomic.h"

/**
 * VmscopeKvmExitHook: look at a vCPU that has just returned from KVM_RUN
 * @cpu: the vCPU; its registers are still KVM's
 *
 * Context: the vCPU's own thread, without the BQL.  Also called when a signal
 * or a request ended KVM_RUN, so it must be quick.
 */
typedef void VmscopeKvmExitHook(CPUState *cpu);

extern VmscopeKvmExitHook *vmscope_kvm_exit_hook;

static inline void vmscope_kvm_exit(CPUState *cpu)
{
    VmscopeKvmExitHook *hook = qatomic_read(&vmscope_kvm_exit_hook);

    if (unlikely(hook)) {
        hook(cpu);
    }
}

#endif
