/*
 * Scheduler trace: ns a vCPU's exit, beside reading it the naive way
 *
 * The emulator with this file in it, and no other difference.  With the
 * environment's VMSCOPE_SCHED_BENCH=ROUNDS it waits until vCPU 0 is traced,
 * then measures in its thread, and prints lines "SUBJECT NS" on stderr, in
 * the end "done".  NS is CPU time.  There must be one vCPU, under KVM, that
 * writes to ports and switches, and the trace must be on, with a poll-hz of 0.
 *
 *   exit-...   a whole exit, guest and KVM included; all subjects take turns.
 *              Meanwhile the guest is made to write to its port forever.
 *   ...        the hook alone, called again and again
 *
 * It leaves to others: medians, ratios and the page (bench/sched).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/kvm.h>
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "system/hw_accel.h"
#include "vmscope/kvm-hook.h"
#include "vmscope/compat-memory.h"
#include "vmscope/sched-trace.h"

/* Exits before a subject takes turns with the next. */
#define BLOCK 1000

#define CALLS 1000000
#define CHANGES 20000

/* GS:[0x188] is CurrentThread in every Windows of 64 bits. */
#define FROM_GS 0x188

static VmscopeKvmExitHook *trace_hook;
static unsigned rounds;

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void tell(const char *subject, uint64_t ns, unsigned n)
{
    fprintf(stderr, "%s %.2f\n", subject, (double)ns / n);
}

/* --- a guest that does nothing but exit */

/* OUT to a port that is part of it, and its length. */
#define OUT 0xe7
#define OUT_LEN 2

/* To the OUT before it. */
static const uint8_t jump_back[] = { 0xeb, 0xfc };

static uint8_t were_there[sizeof(jump_back)];
static uint64_t behind_out;

static bool guest_bytes(CPUState *cpu, uint64_t gva, void *bytes, size_t len,
                        bool write)
{
    return cpu_memory_rw_debug(cpu, gva, bytes, len, write) == 0;
}

static bool is_out(CPUState *cpu, uint64_t gva)
{
    uint8_t code;

    return guest_bytes(cpu, gva, &code, sizeof(code), false) && code == OUT;
}

/* Returns: false when @cpu is not at an OUT. */
static bool hold_guest(CPUState *cpu)
{
    uint8_t jump[sizeof(jump_back)];
    uint64_t pc;

    if (cpu->kvm_run->exit_reason != KVM_EXIT_IO) {
        return false;
    }
    cpu_synchronize_state(cpu);
    pc = cpu->cc->get_pc(cpu);
    /* KVM steps over it now or when it enters the guest again. */
    if (is_out(cpu, pc - OUT_LEN)) {
        behind_out = pc;
    } else if (is_out(cpu, pc)) {
        behind_out = pc + OUT_LEN;
    } else {
        return false;
    }
    memcpy(jump, jump_back, sizeof(jump));
    return guest_bytes(cpu, behind_out, were_there, sizeof(were_there),
                       false) &&
           guest_bytes(cpu, behind_out, jump, sizeof(jump), true);
}

static void let_guest_go(CPUState *cpu)
{
    guest_bytes(cpu, behind_out, were_there, sizeof(were_there), true);
}

/* --- whole exits */

static void exit_off(CPUState *cpu)
{
}

static void exit_trace(CPUState *cpu)
{
    trace_hook(cpu);
}

/* As one would do it with what QEMU has; its debugger does. */
static void exit_naive(CPUState *cpu)
{
    WinosRegs regs = {};
    uint64_t thread = 0;
    uint64_t kpcr;

    cpu_synchronize_state(cpu);
    sched_arch->read_regs(cpu, &regs);
    kpcr = regs.gs_base >> 63 ? regs.gs_base : regs.kernel_gs_base;
    cpu_memory_rw_debug(cpu, kpcr + FROM_GS, &thread, sizeof(thread), false);
    if (!(thread >> 63)) {
        error_report("sched-bench: the naive way saw 0x%" PRIx64, thread);
    }
}

static const struct {
    const char *name;
    VmscopeKvmExitHook *hook;
} exits[] = {
    { "exit-off", exit_off },
    { "exit-trace", exit_trace },
    { "exit-naive", exit_naive },
};

/* Returns: false once all rounds are done. */
static bool take_turns(CPUState *cpu)
{
    static unsigned n_exits, subject, round;
    static uint64_t begin;

    if (n_exits == 0) {
        begin = cpu_ns();
    }
    exits[subject].hook(cpu);
    if (++n_exits < BLOCK) {
        return true;
    }
    tell(exits[subject].name, cpu_ns() - begin, BLOCK);
    n_exits = 0;
    subject = (subject + 1) % ARRAY_SIZE(exits);
    round += subject == 0;
    return round < rounds;
}

/* --- the hook alone */

/* Two threads of the guest that were seen to run, and where that is said. */
static uint64_t threads[2];
static uint64_t *current;

/* Returns: whether there are two. */
static bool see_threads(void)
{
    const WatchSlot *slot = &sched_trace_current()->shared->slots[0];

    if (threads[1] || slot->thread == slot->info.idle_thread) {
        return threads[1];
    }
    if (!threads[0]) {
        threads[0] = slot->thread;
    } else if (slot->thread != threads[0]) {
        threads[1] = slot->thread;
    }
    return threads[1];
}

static void measure_off(CPUState *cpu)
{
    uint64_t begin;
    unsigned i;

    qatomic_set(&vmscope_kvm_exit_hook, NULL);
    begin = cpu_ns();
    for (i = 0; i < CALLS; i++) {
        vmscope_kvm_exit(cpu);
    }
    tell("off", cpu_ns() - begin, CALLS);
}

static void measure_read(CPUState *cpu)
{
    uint64_t gpa = sched_trace_current()->shared->slots[0].gpa;
    uint64_t begin = cpu_ns();
    uint64_t thread;
    unsigned i;

    for (i = 0; i < CALLS; i++) {
        sched_read_thread(gpa, &thread);
    }
    tell("read", cpu_ns() - begin, CALLS);
}

static void measure_same(CPUState *cpu)
{
    uint64_t begin = cpu_ns();
    unsigned i;

    for (i = 0; i < CALLS; i++) {
        trace_hook(cpu);
    }
    tell("same", cpu_ns() - begin, CALLS);
}

static void measure_changed(CPUState *cpu)
{
    uint64_t was = *current;
    uint64_t head = evring_head(&sched_trace_current()->store.ring);
    uint64_t begin = cpu_ns();
    unsigned i;

    for (i = 0; i < CHANGES; i++) {
        qatomic_set__nocheck(current, threads[i & 1]);
        trace_hook(cpu);
    }
    tell("changed", cpu_ns() - begin, CHANGES);
    qatomic_set__nocheck(current, was);
    head = evring_head(&sched_trace_current()->store.ring) - head;
    if (head < CHANGES - 1) {
        error_report("sched-bench: of %d changes %" PRIu64 " were recorded",
                     CHANGES, head);
    }
}

static void measure_hook(CPUState *cpu)
{
    unsigned i;

    for (i = 0; i < rounds; i++) {
        measure_off(cpu);
        measure_read(cpu);
        measure_same(cpu);
        measure_changed(cpu);
    }
}

/* Where vCPU 0's CurrentThread is in our memory; NULL until it is known. */
static uint64_t *map_current(void)
{
    uint64_t gpa = sched_trace_current()->shared->slots[0].gpa;
    hwaddr len = sizeof(uint64_t);

    return gpa == WATCH_NO_GPA ? NULL :
           address_space_map(&address_space_memory, gpa, &len, true,
                             MEMTXATTRS_UNSPECIFIED);
}

static void finish(CPUState *cpu)
{
    let_guest_go(cpu);
    current = map_current();
    if (current) {
        measure_hook(cpu);
        address_space_unmap(&address_space_memory, current, sizeof(*current),
                            true, sizeof(*current));
    }
    qatomic_set(&vmscope_kvm_exit_hook, trace_hook);
    fprintf(stderr, "done\n");
}

static void on_exit_of_vcpu(CPUState *cpu)
{
    static bool held;

    if (!held) {
        trace_hook(cpu);
        held = see_threads() && hold_guest(cpu);
    } else if (!take_turns(cpu)) {
        finish(cpu);
    }
}

static void *wait_for_trace(void *opaque)
{
    rcu_register_thread();
    for (;;) {
        g_usleep(10000);
        RCU_READ_LOCK_GUARD();
        if (sched_trace_current() &&
            sched_trace_current()->shared->slots[0].exits) {
            break;
        }
    }
    trace_hook = vmscope_kvm_exit_hook;
    qatomic_set(&vmscope_kvm_exit_hook, on_exit_of_vcpu);
    rcu_unregister_thread();
    return NULL;
}

static void begin(void)
{
    const char *given = getenv("VMSCOPE_SCHED_BENCH");
    QemuThread thread;

    rounds = given ? atoi(given) : 0;
    if (rounds) {
        qemu_thread_create(&thread, "sched-bench", wait_for_trace, NULL,
                           QEMU_THREAD_DETACHED);
    }
}

type_init(begin)
