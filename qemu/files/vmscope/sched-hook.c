/*
 * Windows scheduler trace: what happens when a vCPU exits; records
 *
 * Runs at every return from KVM_RUN.  While a vCPU's CurrentThread is known,
 * that is one load of it and a comparison, and no register is needed.  Until
 * then registers are left for the helper, which does all that takes time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "vmscope/kvm-hook.h"
#include "sched-trace.h"
#include "sched-watch.h"

static inline uint64_t stamp(const SchedSession *session)
{
    return clock_stamp(session->store.clock);
}

bool sched_read_thread(uint64_t gpa, uint64_t *thread)
{
    uint64_t raw;

    if (!sched_memory_read(gpa, &raw, sizeof(raw))) {
        return false;
    }
    *thread = le64_to_cpu(raw);
    return true;
}

/* One writer, so no atomic addition is needed; readers get whole numbers. */
static inline void add(uint64_t *to, uint64_t n)
{
    qatomic_set__nocheck(to, *to + n);
}

static void note_cost(SchedSlot *slot, uint64_t *cost, uint64_t stamps)
{
    add(cost, stamps);
    if (stamps > slot->longest) {
        qatomic_set__nocheck(&slot->longest, stamps);
    }
}

void sched_note_change(SchedSlot *slot, uint64_t stamps)
{
    note_cost(slot, &slot->change_cost, stamps);
}

static void leave_regs(SchedSession *session, SchedSlot *slot,
                       const SchedRegs *regs)
{
    WITH_QEMU_LOCK_GUARD(&session->lock) {
        slot->exit_regs = *regs;
        slot->has_exit_regs = true;
    }
    if (!qatomic_xchg(&session->told_regs, true)) {
        event_notifier_set(&session->wake);
    }
}

/*
 * A GS base in the upper half may be the KPCR; the same one is told once.
 * Whether it is, the helper finds out.
 */
static __attribute__((noinline))
void offer_regs(SchedSession *session, SchedSlot *slot, CPUState *cpu)
{
    SchedRegs regs = { .vcpu = cpu->cpu_index };

    slot->asked_regs = true;
    if (qatomic_read(&session->enabled) && sched_arch->exit_regs(cpu, &regs) &&
        regs.gs_base >> 63 &&
        regs.gs_base != qatomic_read__nocheck(&slot->tried_gs)) {
        qatomic_set__nocheck(&slot->tried_gs, regs.gs_base);
        leave_regs(session, slot, &regs);
    }
}

static __attribute__((noinline))
void end_regs(SchedSlot *slot, CPUState *cpu)
{
    sched_arch->end_exit_regs(cpu);
    slot->asked_regs = false;
}

/* An owned vCPU tells of each switch; this exit may be what tells. */
static void compare(SchedSession *session, SchedSlot *slot,
                    const SchedView *view, uint64_t thread, CPUState *cpu)
{
    if (winsched_is_owned(&slot->cpu) &&
        !sched_watch_arch->hit_may_come(cpu) &&
        !winsched_check(&view->ws, &slot->cpu, thread)) {
        sched_exact_tell(session);
    }
}

static inline void look(SchedSession *session, SchedSlot *slot,
                        const SchedView *view, uint64_t gpa, CPUState *cpu)
{
    bool measured = slot->exits % SCHED_COST_EVERY == 0;
    uint64_t *cost = &slot->sampled_cost;
    uint64_t start = measured ? stamp(session) : 0;
    uint64_t thread;

    add(&slot->exits, 1);
    if (unlikely(!sched_read_thread(gpa, &thread))) {
        winsched_fault(&slot->cpu);
        return;
    }
    if (unlikely(thread != slot->thread)) {
        slot->thread = thread;
        cost = &slot->change_cost;
        start = start ? start : stamp(session);
        measured = true;
    }
    if (unlikely(winsched_look(&view->ws, &slot->cpu, thread,
                               WINSCHED_EXIT))) {
        compare(session, slot, view, thread, cpu);
    }
    if (unlikely(measured)) {
        note_cost(slot, cost, stamp(session) - start);
    }
}

static void hook_exit(CPUState *cpu)
{
    unsigned index = cpu->cpu_index;
    SchedSession *session;
    SchedSlot *slot;
    SchedView *view;
    uint64_t gpa;

    RCU_READ_LOCK_GUARD();
    session = qatomic_rcu_read(&sched_current_session);
    if (unlikely(!session || index >= session->n_slots)) {
        return;
    }
    slot = &session->slots[index];
    /* Pairs with the release in sched_slot_begin(): then there is a view. */
    gpa = qatomic_load_acquire(&slot->gpa);
    view = qatomic_rcu_read(&session->view);
    if (unlikely(gpa == SCHED_NO_GPA || !view)) {
        offer_regs(session, slot, cpu);
        return;
    }
    if (unlikely(slot->asked_regs)) {
        end_regs(slot, cpu);
    }
    look(session, slot, view, gpa, cpu);
}

void sched_hook_enable(bool enable)
{
    qatomic_set(&vmscope_kvm_exit_hook, enable ? hook_exit : NULL);
}

/* What is known of a thread, and how a record says so. */
typedef struct HasBit {
    uint32_t thread;            /* in WinschedThread.has */
    uint32_t event;             /* in SchedlogEvent.has */
} HasBit;

static const HasBit new_bits[] = {
    { WINSCHED_HAS_PROCESS, SCHEDLOG_HAS_PROCESS },
    { WINSCHED_HAS_ATTACHED, SCHEDLOG_HAS_ATTACHED },
    { WINSCHED_HAS_IDS, SCHEDLOG_HAS_IDS },
    { WINSCHED_HAS_IMAGE, SCHEDLOG_HAS_IMAGE },
    { WINSCHED_HAS_NAME, SCHEDLOG_HAS_NAME },
    { WINSCHED_NAME_CUT, SCHEDLOG_NAME_CUT },
    { WINSCHED_HAS_STATE, SCHEDLOG_HAS_STATE },
    { WINSCHED_HAS_PRIORITY, SCHEDLOG_HAS_PRIORITY },
    { WINSCHED_HAS_SWITCHES, SCHEDLOG_HAS_SWITCHES },
    { WINSCHED_HAS_WAIT_TIME, SCHEDLOG_HAS_WAIT_TIME },
    { WINSCHED_IS_IDLE, SCHEDLOG_IDLE },
};

static const HasBit old_bits[] = {
    { WINSCHED_HAS_IDS, SCHEDLOG_HAS_OLD_IDS },
    { WINSCHED_HAS_STATE, SCHEDLOG_HAS_OLD_STATE },
    { WINSCHED_HAS_WAIT_REASON, SCHEDLOG_HAS_OLD_WAIT_REASON },
    { WINSCHED_HAS_PRIORITY, SCHEDLOG_HAS_OLD_PRIORITY },
};

static uint32_t translate_bits(const HasBit *bits, size_t n, uint32_t has)
{
    uint32_t result = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        result |= has & bits[i].thread ? bits[i].event : 0;
    }
    return result;
}

static void fill_new(SchedlogEvent *event, const WinschedThread *to)
{
    QEMU_BUILD_BUG_ON(sizeof(event->image) != sizeof(to->image));
    QEMU_BUILD_BUG_ON(sizeof(event->name) != sizeof(to->name));

    event->thread = to->thread;
    event->process = to->process;
    event->attached = to->attached;
    event->pid = to->pid;
    event->tid = to->tid;
    event->state = to->state;
    event->priority = to->priority;
    event->switches = to->context_switches;
    event->wait_time = to->wait_time;
    memcpy(event->image, to->image, sizeof(event->image));
    memcpy(event->name, to->name, sizeof(event->name));
    event->has |= translate_bits(new_bits, ARRAY_SIZE(new_bits), to->has);
}

static void fill_old(SchedlogEvent *event, const WinschedThread *from)
{
    event->old_thread = from->thread;
    event->old_pid = from->pid;
    event->old_tid = from->tid;
    event->old_state = from->state;
    event->old_wait_reason = from->wait_reason;
    event->old_priority = from->priority;
    event->has |= SCHEDLOG_HAS_OLD |
                  translate_bits(old_bits, ARRAY_SIZE(old_bits), from->has);
}

void sched_record(void *opaque, const WinschedSwitch *sw)
{
    SchedSession *session = opaque;
    SchedlogEvent event = {
        .stamp = sw->stamp,
        .vcpu = sw->vcpu,
        .origin = (uint8_t)sw->origin,
        .missed = sw->missed,
        .has = sw->has_missed ? SCHEDLOG_HAS_MISSED : 0,
    };

    QEMU_BUILD_BUG_ON((int)SCHEDLOG_EXIT != (int)WINSCHED_EXIT);
    QEMU_BUILD_BUG_ON((int)SCHEDLOG_POLL != (int)WINSCHED_POLL);
    QEMU_BUILD_BUG_ON((int)SCHEDLOG_EXACT != (int)WINSCHED_EXACT);
    fill_new(&event, &sw->to);
    if (sw->from.thread) {
        fill_old(&event, &sw->from);
    }
    schedlog_store_record(&session->store, &event);
}

uint64_t sched_now(void *opaque)
{
    return stamp(opaque);
}

bool sched_current(void *opaque, const WinschedCpu *cpu, uint64_t *thread)
{
    const SchedSlot *slot = container_of(cpu, SchedSlot, cpu);
    uint64_t gpa = qatomic_read__nocheck(&slot->gpa);

    return gpa != SCHED_NO_GPA && sched_read_thread(gpa, thread);
}

uint64_t sched_stamps_to_ns(const SchedSession *session, uint64_t stamps)
{
    const ClockMap *map = &session->store.header->clock;
    uint64_t now = stamp(session);

    return clock_map_ns(map, now) - clock_map_ns(map, now - stamps);
}
