/*
 * Windows scheduler trace: beginning and ending to look at a vCPU
 *
 * Others look at a slot whenever its address is set, under RCU.  So it is
 * taken away first and waited for, before anything else in the slot changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "sched-helper.h"

bool sched_slot_is_on(const SchedSlot *slot)
{
    return qatomic_read__nocheck(&slot->gpa) != SCHED_NO_GPA;
}

void sched_slot_end(SchedSlot *slot)
{
    qatomic_set__nocheck(&slot->gpa, SCHED_NO_GPA);
}

static void add_counts(WinschedCounts *to, const WinschedCounts *from)
{
    unsigned i;

    for (i = 0; i < WINSCHED_N_ORIGINS; i++) {
        to->samples[i] += from->samples[i];
    }
    to->switches += from->switches;
    to->missed += from->missed;
    to->faults += from->faults;
    to->implausible += from->implausible;
    to->torn += from->torn;
}

/* The figures alone, without a look at a guest that may have changed. */
static void recorded_counts(SchedSlot *slot, WinschedCounts *counts)
{
    Winsched nothing = {};

    winos_layout_init(&nothing.layout);
    winsched_counts(&nothing, &slot->cpu, counts);
}

void sched_slot_counts(SchedSession *session, SchedSlot *slot,
                       WinschedCounts *counts)
{
    SchedView *view = qatomic_rcu_read(&session->view);
    WinschedCounts now = {};

    if (slot->begun && view && sched_slot_is_on(slot)) {
        winsched_counts(&view->ws, &slot->cpu, &now);
    } else if (slot->begun) {
        recorded_counts(slot, &now);
    }
    *counts = slot->before;
    add_counts(counts, &now);
}

/* Nobody may be looking. */
static void keep_figures(SchedSession *session, SchedSlot *slot)
{
    WinschedCounts counts;

    QEMU_LOCK_GUARD(&session->lock);
    if (slot->begun) {
        recorded_counts(slot, &counts);
        add_counts(&slot->before, &counts);
        slot->begun = false;
    }
}

void sched_slots_end(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned i;

    for (i = 0; i < session->n_slots; i++) {
        sched_slot_end(&session->slots[i]);
        /* The same KPCR may be another kernel's. */
        qatomic_set__nocheck(&session->slots[i].tried_gs, 0);
    }
    synchronize_rcu();
    for (i = 0; i < session->n_slots; i++) {
        keep_figures(session, &session->slots[i]);
    }
    helper->limit = 0;
}

static bool locate(const SchedHelper *helper, uint64_t prcb, uint64_t *gpa)
{
    const WinosResult *result = &helper->result;
    int32_t at = winos_offset(&result->layout, WINOS_PRCB_CURRENT_THREAD);
    uint64_t left;

    return at >= 0 &&
           gmem_translate(&result->kernel.space, prcb + at, gpa, &left,
                          NULL) && left >= sizeof(uint64_t);
}

static void init_slot(SchedSession *session, SchedSlot *slot,
                      const WinosCpu *info)
{
    QEMU_LOCK_GUARD(&session->lock);
    winsched_cpu_init(&slot->cpu, info->vcpu, info->prcb, info->idle_thread);
    slot->info = *info;
    slot->begun = true;
    slot->has_exit_regs = false;
    /* Until it is watched, not all of its switches are recorded. */
    qatomic_set(&session->exact, false);
    slot->watch = 0;
    slot->watched = 0;
    slot->watch_error = 0;
    slot->checking = false;
}

/* What was found may be of the guest before; then it is found anew soon. */
static bool was_reset(const SchedHelper *helper)
{
    return qatomic_read(&helper->session->resets) != helper->resets;
}

bool sched_slot_begin(SchedHelper *helper, const WinosCpu *info)
{
    SchedSession *session = helper->session;
    SchedSlot *slot;
    uint64_t gpa;

    if (info->vcpu >= session->n_slots || was_reset(helper) ||
        !locate(helper, info->prcb, &gpa)) {
        return false;
    }
    slot = &session->slots[info->vcpu];
    if (slot->begun) {
        sched_slot_end(slot);
        synchronize_rcu();
        keep_figures(session, slot);
    }
    init_slot(session, slot, info);
    /* Pairs with the acquire in hook_exit(): all else first. */
    qatomic_store_release(&slot->gpa, gpa);
    helper->limit = MAX(helper->limit, info->vcpu + 1);
    /* Pairs with the one in machine_reset(): one of us takes it away. */
    smp_mb();
    if (was_reset(helper)) {
        sched_slot_end(slot);
        return false;
    }
    return true;
}

bool sched_slot_follow(SchedHelper *helper, SchedSlot *slot)
{
    uint64_t gpa;

    if (!locate(helper, slot->info.prcb, &gpa)) {
        sched_slot_end(slot);
        return false;
    }
    if (gpa != qatomic_read__nocheck(&slot->gpa)) {
        qatomic_set__nocheck(&slot->gpa, gpa);
    }
    return true;
}
