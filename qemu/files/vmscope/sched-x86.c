/*
 * Windows scheduler trace: reading registers of an x86_64 vCPU
 *
 * Never by cpu_synchronize_state(): that reads the whole of a vCPU and has it
 * all written back, for a hundred times the cost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "vmscope/compat.h"
#include "vmscope/compat-kvm.h"
#include "sched-machine.h"

static void regs_of_env(CPUState *cpu, SchedRegs *regs)
{
    const CPUX86State *env = &X86_CPU(cpu)->env;

    regs->cpl = env->hflags & HF_CPL_MASK;
    regs->long_mode = env->efer & MSR_EFER_LMA;
    regs->la57 = env->cr[4] & CR4_LA57_MASK;
    regs->gs_base = env->segs[R_GS].base;
    regs->kernel_gs_base = env->kernelgsbase;
    regs->cr3 = env->cr[3];
    regs->lstar = env->lstar;
    regs->idt_base = env->idt.base;
}

#ifdef CONFIG_KVM
static void regs_of_sregs(const struct kvm_sregs *sregs, SchedRegs *regs)
{
    /* CS.DPL is not the CPL in conforming code. */
    regs->cpl = sregs->ss.dpl;
    regs->long_mode = sregs->efer & MSR_EFER_LMA;
    regs->la57 = sregs->cr4 & CR4_LA57_MASK;
    regs->gs_base = sregs->gs.base;
    regs->cr3 = sregs->cr3;
    regs->idt_base = sregs->idt.base;
}

static void read_msrs(CPUState *cpu, SchedRegs *regs)
{
    struct {
        struct kvm_msrs info;
        struct kvm_msr_entry entries[2];
    } msrs = {
        .info.nmsrs = 2,
        .entries = { { .index = MSR_LSTAR }, { .index = MSR_KERNELGSBASE } },
    };
    int n = kvm_vcpu_ioctl(cpu, KVM_GET_MSRS, &msrs);

    if (n >= 1) {
        regs->lstar = msrs.entries[0].data;
    }
    if (n >= 2) {
        regs->kernel_gs_base = msrs.entries[1].data;
    }
}

static bool read_kvm(CPUState *cpu, SchedRegs *regs)
{
    struct kvm_sregs sregs;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_SREGS, &sregs) < 0) {
        return false;
    }
    regs_of_sregs(&sregs, regs);
    read_msrs(cpu, regs);
    return true;
}

static void read_regs(CPUState *cpu, SchedRegs *regs)
{
    /* When QEMU has changed registers, KVM does not know them yet. */
    if (!kvm_enabled() || cpu->vcpu_dirty || !read_kvm(cpu, regs)) {
        regs_of_env(cpu, regs);
    }
}

/* Returns: whether KVM can hand out registers with each exit. */
static bool has_exit_regs(void)
{
    static int answer = -1;
    int known = qatomic_read(&answer);

    if (known < 0) {
        known = kvm_check_extension(kvm_state, KVM_CAP_SYNC_REGS);
        qatomic_set(&answer, known);
    }
    return known & KVM_SYNC_X86_SREGS;
}

static bool exit_regs(CPUState *cpu, SchedRegs *regs)
{
    struct kvm_run *run = cpu->kvm_run;

    if (!(run->kvm_valid_regs & KVM_SYNC_X86_SREGS)) {
        if (has_exit_regs()) {
            run->kvm_valid_regs |= KVM_SYNC_X86_SREGS;
        }
        return false;
    }
    regs_of_sregs(&run->s.regs.sregs, regs);
    return true;
}

static void end_exit_regs(CPUState *cpu)
{
    if (kvm_enabled() && cpu->kvm_run) {
        cpu->kvm_run->kvm_valid_regs &= ~KVM_SYNC_X86_SREGS;
    }
}
#else
static void read_regs(CPUState *cpu, SchedRegs *regs)
{
    regs_of_env(cpu, regs);
}

/* Without KVM nothing exits from it. */
static bool exit_regs(CPUState *cpu, SchedRegs *regs)
{
    return false;
}

static void end_exit_regs(CPUState *cpu)
{
}
#endif

static const SchedArch arch = {
    .read_regs = read_regs,
    .exit_regs = exit_regs,
    .end_exit_regs = end_exit_regs,
};

static void register_arch(void)
{
    sched_arch = &arch;
}

type_init(register_arch)
