/*
 * watch/status: what others are told of the engine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include <stdio.h>

void watch_status(Watch *w, WatchStatus *status)
{
    pthread_mutex_lock(&w->lock);
    *status = w->told;
    pthread_mutex_unlock(&w->lock);
    /* The engine thread follows within a moment; until then no claim. */
    status->exact = watch_exact_holds(w);
    if (w->config.exact && !status->exact && status->state == WATCH_ACTIVE &&
        !status->reason[0]) {
        snprintf(status->reason, sizeof(status->reason), "%s",
                 WATCH_EXACT_BEGINS_TEXT);
    }
}

static uint64_t watch_cost_ns(const Watch *w, const WatchSlot *slot)
{
    uint64_t sampled = atomic_load_explicit(&slot->sampled_cost,
                                            memory_order_relaxed);
    uint64_t change = atomic_load_explicit(&slot->change_cost,
                                           memory_order_relaxed);

    return w->host->stamps_to_ns(w->opaque,
                                 sampled * WATCH_COST_EVERY + change);
}

void watch_vcpu_status(Watch *w, unsigned vcpu, WatchVcpuStatus *status)
{
    WatchSlot *slot = &w->shared.slots[vcpu];
    const WatchView *view;
    WinschedCounts now = {};

    /*
     * Once the address is seen to be set, nothing but figures changes in the
     * slot before this read-side section has ended.
     */
    status->known = atomic_load_explicit(&slot->gpa, memory_order_acquire) !=
                    WATCH_NO_GPA;
    view = atomic_load_explicit(&w->shared.view, memory_order_acquire);
    pthread_mutex_lock(&w->lock);
    status->present = slot->present;
    status->begun = slot->begun;
    status->parked = slot->parked && slot->present && !status->known;
    status->kpcr = slot->info.kpcr;
    status->number = slot->begun ? slot->info.number : UINT32_MAX;
    status->counts = slot->before;
    if (slot->begun) {
        winsched_recorded(&slot->cpu, &now);
    }
    pthread_mutex_unlock(&w->lock);
    if (status->known && status->begun && view) {
        winsched_counts(&view->ws, &slot->cpu, &now);
    }
    watch_add_counts(&status->counts, &now);
    status->exits = atomic_load_explicit(&slot->exits, memory_order_relaxed);
    status->cost_ns = watch_cost_ns(w, slot);
    status->longest_ns = w->host->stamps_to_ns(
        w->opaque, atomic_load_explicit(&slot->longest,
                                        memory_order_relaxed));
}
