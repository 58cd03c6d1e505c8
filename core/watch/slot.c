/*
 * watch/slot: see slot.h: publishing a vCPU's slot, and what vCPUs do.
 *
 * Others sample a slot whenever its address is set, in read-side sections.
 * So it is unpublished and a grace period waited for, before anything else in
 * the slot changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include <errno.h>

/* --- registers that vCPUs leave */

/* The state of WatchSlot.offered. */
enum {
    OFFER_EMPTY,
    OFFER_WRITING,              /* by the vCPU */
    OFFER_FULL,
    OFFER_TAKING,               /* by the engine thread */
};

void watch_offer_regs(Watch *w, const WinosRegs *regs)
{
    WatchSlot *slot = &w->shared.slots[regs->vcpu];
    unsigned state = atomic_load_explicit(&slot->offer, memory_order_relaxed);

    /* Pairs with the release in watch_take_regs(): what was copied first. */
    if (state == OFFER_TAKING ||
        !atomic_compare_exchange_strong_explicit(
            &slot->offer, &state, OFFER_WRITING, memory_order_acquire,
            memory_order_relaxed)) {
        /* Non-blocking: the next exit offers it again. */
        return;
    }
    slot->offered = *regs;
    /* Pairs with the acquire in watch_take_regs(). */
    atomic_store_explicit(&slot->offer, OFFER_FULL, memory_order_release);
    atomic_store_explicit(&slot->offered_gs, regs->gs_base,
                          memory_order_relaxed);
    if (!atomic_exchange_explicit(&w->told_regs, true,
                                  memory_order_relaxed)) {
        watch_wake(w);
    }
}

bool watch_take_regs(WatchSlot *slot, WinosRegs *regs)
{
    unsigned state = OFFER_FULL;

    /* Pairs with the release in watch_offer_regs(). */
    if (!atomic_compare_exchange_strong_explicit(
            &slot->offer, &state, OFFER_TAKING, memory_order_acquire,
            memory_order_relaxed)) {
        return false;
    }
    *regs = slot->offered;
    /* Pairs with the acquire in watch_offer_regs(). */
    atomic_store_explicit(&slot->offer, OFFER_EMPTY, memory_order_release);
    return true;
}

/* --- beginning and ending */

bool watch_slot_current(void *opaque, const WinschedCpu *cpu,
                        uint64_t *thread)
{
    Watch *w = opaque;
    const WatchSlot *slot = &w->shared.slots[cpu->vcpu];
    uint64_t gpa = atomic_load_explicit(&slot->gpa, memory_order_relaxed);
    bool ok = false;

    if (gpa != WATCH_NO_GPA) {
        w->host->sample(w->opaque, &gpa, thread, &ok, 1);
    }
    return ok;
}

void watch_slot_end(WatchSlot *slot)
{
    atomic_store_explicit(&slot->gpa, WATCH_NO_GPA, memory_order_relaxed);
}

void watch_add_counts(WinschedCounts *to, const WinschedCounts *from)
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

/* After a grace period: nobody samples it. */
static void watch_keep_figures(Watch *w, WatchSlot *slot)
{
    WinschedCounts counts;

    pthread_mutex_lock(&w->lock);
    if (slot->begun) {
        winsched_recorded(&slot->cpu, &counts);
        watch_add_counts(&slot->before, &counts);
        slot->begun = false;
    }
    pthread_mutex_unlock(&w->lock);
}

void watch_slots_end(Watch *w)
{
    unsigned i;

    for (i = 0; i < w->shared.n_slots; i++) {
        WatchSlot *slot = &w->shared.slots[i];

        watch_slot_end(slot);
        /* The same KPCR may be another kernel's. */
        atomic_store_explicit(&slot->offered_gs, 0, memory_order_relaxed);
    }
    watch_grace(w);
    for (i = 0; i < w->shared.n_slots; i++) {
        watch_keep_figures(w, &w->shared.slots[i]);
    }
    w->limit = 0;
}

static bool watch_locate(const Watch *w, uint64_t prcb, uint64_t *gpa)
{
    int32_t at = winos_offset(&w->result.layout, WINOS_PRCB_CURRENT_THREAD);
    uint64_t left;

    return at >= 0 &&
           gmem_translate(&w->result.kernel.space, prcb + (uint64_t)at, gpa,
                          &left, NULL) && left >= sizeof(uint64_t);
}

static void watch_slot_init(Watch *w, WatchSlot *slot, const WinosCpu *info)
{
    WinosRegs dropped;

    pthread_mutex_lock(&w->lock);
    winsched_cpu_init(&slot->cpu, info->vcpu, info->prcb, info->idle_thread);
    slot->info = *info;
    slot->begun = true;
    watch_doing_locate(w, slot);
    pthread_mutex_unlock(&w->lock);
    watch_take_regs(slot, &dropped);
    watch_exact_lapse(w);
    atomic_store_explicit(&slot->to_arm, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->armed, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->arm_error, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->verifying, false, memory_order_relaxed);
}

/* What was found may be of the guest before; then it is found anew soon. */
static bool watch_was_reset(const Watch *w)
{
    return atomic_load(&w->resets) != w->seen_resets;
}

bool watch_slot_begin(Watch *w, const WinosCpu *info)
{
    WatchSlot *slot;
    uint64_t gpa;

    if (info->vcpu >= w->shared.n_slots || watch_was_reset(w) ||
        !watch_locate(w, info->prcb, &gpa)) {
        return false;
    }
    slot = &w->shared.slots[info->vcpu];
    if (slot->begun) {
        watch_slot_end(slot);
        watch_grace(w);
        watch_keep_figures(w, slot);
    }
    watch_slot_init(w, slot, info);
    /*
     * Pairs with the acquire of samplers: all else first.  Sequentially
     * consistent for watch_reset(): one of the two unpublishes it.
     */
    atomic_store(&slot->gpa, gpa);
    if (info->vcpu >= w->limit) {
        w->limit = info->vcpu + 1;
    }
    if (watch_was_reset(w)) {
        watch_slot_end(slot);
        return false;
    }
    return true;
}

bool watch_slot_follow(Watch *w, WatchSlot *slot)
{
    uint64_t old = atomic_load_explicit(&slot->gpa, memory_order_relaxed);
    uint64_t gpa;

    if (old == WATCH_NO_GPA) {
        return false;
    }
    if (!watch_locate(w, slot->info.prcb, &gpa)) {
        watch_slot_end(slot);
        return false;
    }
    watch_doing_locate(w, slot);
    /*
     * The old place for the new one only: a reset may have unpublished the
     * slot meanwhile, and the place would be the old kernel's.
     */
    return gpa == old ||
           atomic_compare_exchange_strong_explicit(&slot->gpa, &old, gpa,
                                                   memory_order_relaxed,
                                                   memory_order_relaxed);
}

void watch_slot_complete(Watch *w, WatchSlot *slot)
{
    pthread_mutex_lock(&w->lock);
    winos_cpu_complete(&w->result, &slot->info);
    winsched_set_idle(&slot->cpu, slot->info.idle_thread);
    pthread_mutex_unlock(&w->lock);
}

/* --- on a vCPU's thread, in a read-side section */

/* The view of a slot that is sampled, with CurrentThread; else NULL. */
static const WatchView *watch_slot_read(Watch *w, WatchSlot *slot,
                                        uint64_t *thread)
{
    /* Pairs with the store in watch_slot_begin(): then there is a view. */
    uint64_t gpa = atomic_load_explicit(&slot->gpa, memory_order_acquire);
    const WatchView *view = atomic_load_explicit(&w->shared.view,
                                                 memory_order_acquire);
    bool ok;

    if (gpa == WATCH_NO_GPA || !view) {
        return NULL;
    }
    w->host->sample(w->opaque, &gpa, thread, &ok, 1);
    if (!ok) {
        winsched_fault(&slot->cpu);
        return NULL;
    }
    return view;
}

/*
 * An armed vCPU tells of each switch.  So what an exit finds and was not told
 * of is a miss, unless this exit is the watchpoint's own.
 */
void watch_exit_changed(Watch *w, WatchSlot *slot, const WatchView *view,
                        uint64_t thread)
{
    if (winsched_is_armed(&slot->cpu) &&
        !w->host->hit_pending(w->opaque, slot->cpu.vcpu) &&
        !winsched_verify(&view->ws, &slot->cpu, thread)) {
        watch_exact_tell(w);
    }
}

void watch_store(Watch *w, unsigned vcpu)
{
    w->shared.slots[vcpu].stored = w->host->stamp(w->opaque);
}

static void watch_note_cost(WatchSlot *slot, uint64_t stamps)
{
    uint64_t cost = atomic_load_explicit(&slot->change_cost,
                                         memory_order_relaxed);

    if ((int64_t)stamps < 0) {
        return;     /* stamps were set right meanwhile */
    }
    atomic_store_explicit(&slot->change_cost, cost + stamps,
                          memory_order_relaxed);
    if (stamps > atomic_load_explicit(&slot->longest, memory_order_relaxed)) {
        atomic_store_explicit(&slot->longest, stamps, memory_order_relaxed);
    }
}

void watch_hit(Watch *w, unsigned vcpu)
{
    WatchSlot *slot = &w->shared.slots[vcpu];
    uint64_t start = w->host->stamp(w->opaque);
    const WatchView *view;
    uint64_t thread;

    view = watch_slot_read(w, slot, &thread);
    if (view) {
        winsched_hit(&view->ws, &slot->cpu, thread,
                     slot->stored ? slot->stored : start);
        watch_note_cost(slot, w->host->stamp(w->opaque) - start);
    }
    slot->stored = 0;
    if (winsched_lost(&slot->cpu)) {
        watch_exact_tell(w);
    }
}

/* Returns: 0 when each switch from now on is told of. */
static int watch_slot_arm(Watch *w, WatchSlot *slot, unsigned vcpu,
                          uint64_t gva)
{
    const WatchView *view;
    uint64_t thread;
    int err = w->host->arm(w->opaque, vcpu, gva);

    if (err) {
        return err;
    }
    view = watch_slot_read(w, slot, &thread);
    if (view && winsched_arm(&view->ws, &slot->cpu, thread)) {
        return 0;
    }
    w->host->arm(w->opaque, vcpu, 0);
    return view ? -EAGAIN : -EFAULT;
}

/* Whatever the slot asks for when this runs, however late. */
static void watch_work_arm(Watch *w, WatchSlot *slot, unsigned vcpu)
{
    uint64_t gva = 0;
    int err = 0;

    /* Pairs with the store in watch_slot_begin(). */
    if (atomic_load_explicit(&slot->gpa,
                             memory_order_acquire) != WATCH_NO_GPA) {
        gva = atomic_load_explicit(&slot->to_arm, memory_order_relaxed);
    }
    if (gva) {
        err = watch_slot_arm(w, slot, vcpu, gva);
    } else {
        w->host->arm(w->opaque, vcpu, 0);
    }
    if (err == -EAGAIN) {
        /* A sampler was held up while busy: the engine asks again. */
        atomic_store_explicit(&slot->to_arm, 0, memory_order_relaxed);
        gva = 0;
        err = 0;
    }
    atomic_store_explicit(&slot->arm_error, err, memory_order_relaxed);
    atomic_store_explicit(&slot->armed, err ? 0 : gva, memory_order_relaxed);
    watch_exact_tell(w);
}

/* All stores so far were told of, so what differs was missed. */
static void watch_work_verify(Watch *w, WatchSlot *slot, unsigned vcpu)
{
    uint64_t thread;
    const WatchView *view = watch_slot_read(w, slot, &thread);

    if (view && !w->host->hit_pending(w->opaque, vcpu) &&
        !winsched_verify(&view->ws, &slot->cpu, thread)) {
        watch_exact_tell(w);
    }
    atomic_store_explicit(&slot->verifying, false, memory_order_relaxed);
}

void watch_vcpu_work(Watch *w, unsigned vcpu, WatchWork work)
{
    WatchSlot *slot = &w->shared.slots[vcpu];

    if (work == WATCH_WORK_ARM) {
        watch_work_arm(w, slot, vcpu);
    } else {
        watch_work_verify(w, slot, vcpu);
    }
}
