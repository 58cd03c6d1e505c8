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
#include "hw/i386/apic.h"
#include "vmscope/compat.h"
#include "vmscope/compat-kvm.h"
#include "sched-machine.h"

static void x86_regs_of_env(CPUState *cpu, WinosRegs *regs)
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

static void x86_code_of_env(CPUState *cpu, SchedCode *code)
{
    const CPUX86State *env = &X86_CPU(cpu)->env;

    code->code.address = env->segs[R_CS].base + env->eip;
    code->code.cpl = env->hflags & HF_CPL_MASK;
    code->code.protected_mode = env->cr[0] & CR0_PE_MASK;
    code->code.paging = env->cr[0] & CR0_PG_MASK;
    code->code.long_mode = env->efer & MSR_EFER_LMA;
    code->gs_base = env->segs[R_GS].base;
    code->irql = cpu_get_apic_tpr(X86_CPU(cpu)->apic_state);
}

#ifdef CONFIG_KVM
static void x86_regs_of_sregs(const struct kvm_sregs *sregs, WinosRegs *regs)
{
    /* CS.DPL is not the CPL in conforming code. */
    regs->cpl = sregs->ss.dpl;
    regs->long_mode = sregs->efer & MSR_EFER_LMA;
    regs->la57 = sregs->cr4 & CR4_LA57_MASK;
    regs->gs_base = sregs->gs.base;
    regs->cr3 = sregs->cr3;
    regs->idt_base = sregs->idt.base;
}

static void x86_read_msrs(CPUState *cpu, WinosRegs *regs)
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

static bool x86_read_kvm(CPUState *cpu, WinosRegs *regs)
{
    struct kvm_sregs sregs;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_SREGS, &sregs) < 0) {
        return false;
    }
    x86_regs_of_sregs(&sregs, regs);
    x86_read_msrs(cpu, regs);
    return true;
}

static void x86_read_regs(CPUState *cpu, WinosRegs *regs)
{
    /* When QEMU has changed registers, KVM does not know them yet. */
    if (!kvm_enabled() || cpu->vcpu_dirty || !x86_read_kvm(cpu, regs)) {
        x86_regs_of_env(cpu, regs);
    }
}

static bool x86_code_of_kvm(CPUState *cpu, SchedCode *code)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &regs) < 0 ||
        kvm_vcpu_ioctl(cpu, KVM_GET_SREGS, &sregs) < 0) {
        return false;
    }
    code->code.address = sregs.cs.base + regs.rip;
    code->code.cpl = sregs.ss.dpl;
    code->code.protected_mode = sregs.cr0 & CR0_PE_MASK;
    code->code.paging = sregs.cr0 & CR0_PG_MASK;
    code->code.long_mode = sregs.efer & MSR_EFER_LMA;
    code->gs_base = sregs.gs.base;
    code->irql = sregs.cr8;
    return true;
}

static void x86_read_code(CPUState *cpu, SchedCode *code)
{
    if (!kvm_enabled() || cpu->vcpu_dirty || !x86_code_of_kvm(cpu, code)) {
        x86_code_of_env(cpu, code);
    }
}

/* Returns: whether KVM can hand out registers with each exit. */
static bool x86_has_exit_regs(void)
{
    static int answer = -1;
    int known = qatomic_read(&answer);

    if (known < 0) {
        known = kvm_check_extension(kvm_state, KVM_CAP_SYNC_REGS);
        qatomic_set(&answer, known);
    }
    return known & KVM_SYNC_X86_SREGS;
}

static bool x86_exit_regs(CPUState *cpu, WinosRegs *regs)
{
    struct kvm_run *run = cpu->kvm_run;

    if (!(run->kvm_valid_regs & KVM_SYNC_X86_SREGS)) {
        if (x86_has_exit_regs()) {
            run->kvm_valid_regs |= KVM_SYNC_X86_SREGS;
        }
        return false;
    }
    x86_regs_of_sregs(&run->s.regs.sregs, regs);
    return true;
}

static void x86_end_exit_regs(CPUState *cpu)
{
    if (kvm_enabled() && cpu->kvm_run) {
        cpu->kvm_run->kvm_valid_regs &= ~KVM_SYNC_X86_SREGS;
    }
}
#else
static void x86_read_regs(CPUState *cpu, WinosRegs *regs)
{
    x86_regs_of_env(cpu, regs);
}

static void x86_read_code(CPUState *cpu, SchedCode *code)
{
    x86_code_of_env(cpu, code);
}

/* Without KVM nothing exits from it. */
static bool x86_exit_regs(CPUState *cpu, WinosRegs *regs)
{
    return false;
}

static void x86_end_exit_regs(CPUState *cpu)
{
}
#endif

static const SchedArch arch = {
    .read_regs = x86_read_regs,
    .read_code = x86_read_code,
    .exit_regs = x86_exit_regs,
    .end_exit_regs = x86_end_exit_regs,
};

static void x86_register_arch(void)
{
    sched_arch = &arch;
}

type_init(x86_register_arch)
