/*
 * Windows scheduler trace: what happens when a vCPU exits
 *
 * Runs at every return from KVM_RUN.  While a vCPU's CurrentThread is known,
 * that is one load of it and a comparison, and no register is needed.  Until
 * then registers are left for the engine, which does all that takes time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "vmscope/kvm-hook.h"
#include "sched-trace.h"

static inline uint64_t hook_stamp(const SchedSession *session)
{
    return clock_stamp(&session->store.clock);
}

/* One writer, so no atomic addition is needed; readers get whole numbers. */
static inline void hook_add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, n + atomic_load_explicit(to,
                                                       memory_order_relaxed),
                          memory_order_relaxed);
}

static void hook_note_cost(WatchSlot *slot, _Atomic uint64_t *cost,
                           uint64_t stamps)
{
    if (unlikely((int64_t)stamps < 0)) {
        /* The clock's keeper has set stamps right meanwhile. */
        return;
    }
    hook_add(cost, stamps);
    if (stamps > atomic_load_explicit(&slot->longest, memory_order_relaxed)) {
        atomic_store_explicit(&slot->longest, stamps, memory_order_relaxed);
    }
}

/*
 * A GS base in the upper half may be the KPCR; the same one is told once.
 * Whether it is, the engine finds out.
 */
static __attribute__((noinline))
void hook_offer_regs(SchedSession *session, WatchSlot *slot, CPUState *cpu)
{
    WinosRegs regs = { .vcpu = cpu->cpu_index };

    slot->asked_regs = true;
    if (qatomic_read(&session->base.enabled) &&
        sched_arch->exit_regs(cpu, &regs) &&
        watch_wants_regs(slot, regs.gs_base)) {
        watch_offer_regs(session->watch, &regs);
    }
}

static __attribute__((noinline))
void hook_end_regs(WatchSlot *slot, CPUState *cpu)
{
    sched_arch->end_exit_regs(cpu);
    slot->asked_regs = false;
}

static inline void hook_sample(SchedSession *session, WatchSlot *slot,
                               const WatchView *view, uint64_t gpa)
{
    uint64_t exits = atomic_load_explicit(&slot->exits, memory_order_relaxed);
    bool measured = exits % WATCH_COST_EVERY == 0;
    _Atomic uint64_t *cost = &slot->sampled_cost;
    uint64_t start = measured ? hook_stamp(session) : 0;
    uint64_t thread;

    hook_add(&slot->exits, 1);
    if (unlikely(!sched_read_thread(gpa, &thread))) {
        winsched_fault(&slot->cpu);
        return;
    }
    if (unlikely(thread != slot->thread)) {
        slot->thread = thread;
        cost = &slot->change_cost;
        start = start ? start : hook_stamp(session);
        measured = true;
    }
    if (unlikely(winsched_sample(&view->ws, &slot->cpu, thread,
                               WINSCHED_EXIT))) {
        watch_exit_changed(session->watch, slot, view, thread);
    }
    if (unlikely(measured)) {
        hook_note_cost(slot, cost, hook_stamp(session) - start);
    }
}

static void hook_exit(CPUState *cpu)
{
    unsigned index = cpu->cpu_index;
    SchedSession *session;
    const WatchView *view;
    WatchShared *shared;
    WatchSlot *slot;
    uint64_t gpa;

    RCU_READ_LOCK_GUARD();
    session = sched_trace_current();
    if (unlikely(!session)) {
        return;
    }
    shared = session->shared;
    if (unlikely(index >= shared->n_slots)) {
        return;
    }
    slot = &shared->slots[index];
    /* Pairs with the store in watch_slot_begin(): then there is a view. */
    gpa = atomic_load_explicit(&slot->gpa, memory_order_acquire);
    view = atomic_load_explicit(&shared->view, memory_order_acquire);
    if (unlikely(gpa == WATCH_NO_GPA || !view)) {
        hook_offer_regs(session, slot, cpu);
        return;
    }
    if (unlikely(slot->asked_regs)) {
        hook_end_regs(slot, cpu);
    }
    hook_sample(session, slot, view, gpa);
}

void sched_hook_enable(bool enable)
{
    qatomic_set(&vmscope_kvm_exit_hook, enable ? hook_exit : NULL);
}
