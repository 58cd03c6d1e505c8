/*
 * Windows scheduler trace: being told of stores to an address, for x86_64
 *
 * Under KVM by a debug register of the vCPU, beside those that gdb uses;
 * under TCG by having stores to that page take the slow path.  Whoever is
 * told finds what was stored in memory, and the vCPU standing still.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "vmscope/compat.h"
#include "vmscope/compat-kvm.h"
#include "vmscope/compat-tcg.h"
#include "vmscope/watch-hook.h"
#include "core/winsched/debugreg.h"
#include "sched-watch.h"

#define WATCH_SIZE 8
#define WATCH_PAGE_MASK (~(uint64_t)0xfff)

/* Where a store under TCG has come to. */
typedef enum StoreState {
    STORE_NONE,
    STORE_ALONE,                /* its instruction is about to run again */
    STORE_PENDING,              /* it is being made */
} StoreState;

/* Of one vCPU; written by its thread, under the BQL. */
typedef struct Watch {
    uint64_t gva;               /* 0: none */
    uint64_t dr7;               /* what KVM was given, others' included */
    StoreState state;           /* its thread's alone */
} QEMU_ALIGNED(64) Watch;

static Watch watches[SCHED_MAX_VCPUS];
static unsigned n_watches;

static Watch *watch_of(CPUState *cpu)
{
    return (unsigned)cpu->cpu_index < SCHED_MAX_VCPUS ?
           &watches[cpu->cpu_index] : NULL;
}

/* --- TCG */

static bool watch_page(CPUState *cpu, uint64_t page)
{
    const Watch *watch = watch_of(cpu);

    return watch && watch->gva && (watch->gva & WATCH_PAGE_MASK) == page;
}

static void watch_stored(CPUState *cpu)
{
    Watch *watch = watch_of(cpu);

    vmscope_watch_pending = false;
    if (watch && watch->state == STORE_PENDING) {
        watch->state = STORE_NONE;
        sched_watcher->hit(cpu);
    }
}

static bool watch_store(CPUState *cpu, uint64_t addr, uint64_t len,
                        bool can_restart)
{
    Watch *watch = watch_of(cpu);

    if (!watch || !watch->gva || addr >= watch->gva + WATCH_SIZE ||
        addr + len <= watch->gva) {
        return false;
    }
    if (watch->state == STORE_NONE && can_restart) {
        watch->state = STORE_ALONE;
        return true;
    }
    /* An instruction may store twice: what the first did is in memory. */
    watch_stored(cpu);
    watch->state = STORE_PENDING;
    vmscope_watch_pending = true;
    sched_watcher->store(cpu);
    return false;
}

static int watch_tcg(CPUState *cpu)
{
    tlb_flush(cpu);
    return 0;
}

/* --- KVM */

#ifdef CONFIG_KVM
static bool merge_failed;       /* under the BQL */

#ifdef VMSCOPE_TEST_EXEC_WATCH
/*
 * For tests where data breakpoints do not fire: an instruction breakpoint on
 * the nop that the NT test guest has behind its store of CurrentThread.
 */
#define GUEST_NOP_AT 0x800198
#define WATCH_KIND DEBUGREG_CODE

static uint64_t watch_address(const Watch *watch)
{
    uint64_t address = 0;

    sched_memory_read(GUEST_NOP_AT, &address, sizeof(address));
    return le64_to_cpu(address);
}

/* It has stored, and the breakpoint is the next instruction. */
static bool watch_is_before_nop(CPUState *cpu)
{
    const Watch *watch = watch_of(cpu);
    struct kvm_regs regs;

    return watch && watch->gva &&
           kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &regs) == 0 &&
           regs.rip == watch_address(watch);
}

/* Execution breakpoints come before the instruction: go on behind it. */
static void watch_step_over(CPUState *cpu, struct kvm_debug_exit_arch *debug)
{
    struct kvm_regs regs;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_REGS, &regs) == 0 &&
        regs.rip == debug->pc) {
        regs.rip++;
        kvm_vcpu_ioctl(cpu, KVM_SET_REGS, &regs);
    }
}
#else
#define WATCH_KIND DEBUGREG_STORE

static uint64_t watch_address(const Watch *watch)
{
    return watch->gva;
}

static bool watch_is_before_nop(CPUState *cpu)
{
    return false;
}

static void watch_step_over(CPUState *cpu, struct kvm_debug_exit_arch *debug)
{
}
#endif

static void watch_merge(CPUState *cpu, struct kvm_guest_debug *dbg,
                        unsigned used)
{
    Watch *watch = watch_of(cpu);
    uint64_t dr[8];

    if (!watch) {
        return;
    }
    watch->dr7 = used ? dbg->arch.debugreg[7] : 0;
    if (!watch->gva) {
        return;
    }
    QEMU_BUILD_BUG_ON(sizeof(dr) != sizeof(dbg->arch.debugreg));
    memcpy(dr, dbg->arch.debugreg, sizeof(dr));
    if (!debugreg_merge(dr, used, WATCH_KIND, watch_address(watch))) {
        merge_failed = true;
        return;
    }
    memcpy(dbg->arch.debugreg, dr, sizeof(dr));
    watch->dr7 = dr[7];
    dbg->control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
}

static void watch_end_stale(CPUState *cpu, run_on_cpu_data data)
{
    kvm_update_guest_debug(cpu, 0);
}

static bool watch_debug(CPUState *cpu, struct kvm_debug_exit_arch *debug,
                        unsigned used)
{
    const Watch *watch = watch_of(cpu);
    uint64_t dr6 = debug->dr6;

    if (!watch || debug->exception != EXCP01_DB) {
        return false;
    }
    /* KVM's emulator leaves DR7 out, and gdb's would not be known as such. */
    if (watch->dr7) {
        debug->dr7 = watch->dr7;
    }
    if (!debugreg_take(&dr6, used)) {
        return false;
    }
    debug->dr6 = dr6;
    watch_step_over(cpu, debug);
    if (watch->gva) {
        sched_watcher->hit(cpu);
    } else {
        /* A vCPU that was plugged in again may have an older one's. */
        async_run_on_cpu(cpu, watch_end_stale, RUN_ON_CPU_NULL);
    }
    return !debugreg_rest(dr6, used);
}

static int watch_kvm(CPUState *cpu)
{
    int err;

    merge_failed = false;
    err = kvm_update_guest_debug(cpu, 0);
    if (!err && merge_failed) {
        err = -EBUSY;
    }
    return err;
}

/* The reason may be of an earlier exit; then the next look tells. */
static bool watch_hit_may_come(CPUState *cpu)
{
    return kvm_enabled() && (cpu->kvm_run->exit_reason == KVM_EXIT_DEBUG ||
                             watch_is_before_nop(cpu));
}
#else
#define watch_merge NULL
#define watch_debug NULL

static int watch_kvm(CPUState *cpu)
{
    return -ENOTSUP;
}

static bool watch_hit_may_come(CPUState *cpu)
{
    return false;
}
#endif

/* --- either */

static const VmscopeWatchHooks hooks = {
    .page = watch_page,
    .store = watch_store,
    .stored = watch_stored,
    .merge = watch_merge,
    .debug = watch_debug,
};

static int watch_apply(CPUState *cpu)
{
    if (kvm_enabled()) {
        return watch_kvm(cpu);
    }
    return tcg_enabled() ? watch_tcg(cpu) : -ENOTSUP;
}

static void watch_set(Watch *watch, uint64_t gva)
{
    n_watches += !!gva - !!watch->gva;
    watch->gva = gva;
    watch->state = STORE_NONE;
    qatomic_set(&vmscope_watch_others, n_watches ? DEBUGREG_OURS :
                                                   VMSCOPE_ALL_BREAKPOINTS);
}

static int watch_vcpu(CPUState *cpu, uint64_t gva)
{
    Watch *watch = watch_of(cpu);
    int err;

    if (!watch) {
        return -ENOTSUP;
    }
    if (gva % WATCH_SIZE) {
        return -EINVAL;
    }
    qatomic_set(&vmscope_watch_hooks, &hooks);
    watch_set(watch, gva);
    err = watch_apply(cpu);
    if (err && gva) {
        watch_set(watch, 0);
    }
    return err;
}

static const SchedWatchArch arch = {
    .watch = watch_vcpu,
    .hit_may_come = watch_hit_may_come,
};

static void watch_register(void)
{
    sched_watch_arch = &arch;
}

type_init(watch_register)
