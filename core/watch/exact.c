/*
 * watch/exact: exact mode: arming, verifying, and what is claimed.
 *
 * Each vCPU's CurrentThread is watched, and each watchpoint hit is recorded.
 * All other samples only compare.  That every switch is recorded is claimed
 * as long as nothing speaks against it: a sample that finds a thread which no
 * hit has told of, or the guest's own counter of switches.
 *
 * A vCPU is armed by a work item on its own thread; what it is to watch
 * stands in its slot, so that the item does the right thing whenever it runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How often to compare: at each turn of the engine, but not in haste. */
#define LEAST_CHECK_NS (WATCH_MS / 2)
#define CHECK_NS (20 * WATCH_MS)

/* How often a vCPU may be kicked out of the guest for a suspected miss. */
#define VERIFY_NS (10 * WATCH_MS)

/* Over how long switches are counted, for exact-limit. */
#define WINDOW_NS (100 * WATCH_MS)

#define SAMPLED "switches are sampled"

void watch_exact_tell(Watch *w)
{
    if (!atomic_exchange_explicit(&w->told_exact, true,
                                  memory_order_relaxed)) {
        watch_wake(w);
    }
}

static void watch_set_exact(Watch *w, bool holds)
{
    atomic_store_explicit(&w->exact_holds, holds, memory_order_relaxed);
    if (w->host->exact_changed) {
        w->host->exact_changed(w->opaque, holds);
    }
}

void watch_exact_lapse(Watch *w)
{
    if (atomic_load_explicit(&w->exact_holds, memory_order_relaxed)) {
        w->exact.phase = WATCH_EXACT_BEGINS;
        watch_set_exact(w, false);
    }
}

/* All are told, also those that are not sampled: it costs a moment. */
void watch_disarm(Watch *w)
{
    unsigned i;

    if (!w->config.exact) {
        return;
    }
    watch_set_exact(w, false);
    for (i = 0; i < w->shared.n_slots; i++) {
        atomic_store_explicit(&w->shared.slots[i].to_arm, 0,
                              memory_order_relaxed);
        winsched_disarm(&w->shared.slots[i].cpu);
    }
    w->host->run_on_vcpus(w->opaque, NULL, w->shared.n_slots,
                          WATCH_WORK_ARM);
}

bool watch_exact_holds(const Watch *w)
{
    unsigned i;

    if (!atomic_load_explicit(&w->exact_holds, memory_order_relaxed)) {
        return false;
    }
    for (i = 0; i < w->shared.n_slots; i++) {
        if (winsched_lost(&w->shared.slots[i].cpu)) {
            return false;
        }
    }
    return true;
}

static bool watch_exact_is_on(const Watch *w)
{
    return w->exact.phase == WATCH_EXACT_BEGINS ||
           w->exact.phase == WATCH_EXACT_HOLDS;
}

void watch_exact_begin(Watch *w)
{
    WatchExact *exact = &w->exact;

    if (!w->config.exact || exact->phase == WATCH_EXACT_ENDED) {
        return;
    }
    exact->phase = WATCH_EXACT_BEGINS;
    exact->checked_ns = 0;
    exact->window_ns = 0;
    snprintf(exact->reason, sizeof(exact->reason), "%s",
             WATCH_EXACT_BEGINS_TEXT);
}

void watch_exact_end(Watch *w)
{
    if (watch_exact_is_on(w)) {
        watch_disarm(w);
    }
    if (w->exact.phase != WATCH_EXACT_ENDED) {
        w->exact.phase = WATCH_EXACT_OFF;
    }
}

bool watch_exact_is_well(const Watch *w, const char **reason)
{
    const WatchExact *exact = &w->exact;

    if (exact->phase != WATCH_EXACT_OFF &&
        exact->phase != WATCH_EXACT_HOLDS) {
        *reason = exact->reason;
    }
    return exact->phase != WATCH_EXACT_FAILED;
}

static void __attribute__((format(printf, 3, 4)))
watch_exact_finish(Watch *w, WatchExactPhase phase, const char *format, ...)
{
    WatchExact *exact = &w->exact;
    va_list args;

    va_start(args, format);
    vsnprintf(exact->reason, sizeof(exact->reason), format, args);
    va_end(args);
    exact->phase = phase;
    watch_disarm(w);
    watch_settle_state(w);
}

static uint64_t watch_hits_of(const WinschedCpu *cpu)
{
    return atomic_load_explicit(&cpu->samples[WINSCHED_EXACT],
                                memory_order_relaxed);
}

static void watch_fail_for_lost(Watch *w, unsigned index)
{
    const WinschedCpu *cpu = &w->shared.slots[index].cpu;
    uint64_t lost = winsched_lost(cpu);
    uint64_t hits = watch_hits_of(cpu);

    if (!hits) {
        watch_exact_finish(w, WATCH_EXACT_FAILED, "data breakpoints do not "
                           "fire on this host: vCPU %u switched threads "
                           "without a notification; " SAMPLED, index);
    } else {
        watch_exact_finish(w, WATCH_EXACT_FAILED, "at least %" PRIu64
                           " switches of vCPU %u were missed after %" PRIu64
                           " that were told of; " SAMPLED, lost, index, hits);
    }
}

static void watch_fail_for_error(Watch *w, unsigned index, int err)
{
    if (err == -EBUSY) {
        watch_exact_finish(w, WATCH_EXACT_FAILED, "a debugger uses all four "
                           "breakpoints of vCPU %u and exact mode needs one: "
                           "remove one there and turn the trace off and on "
                           "again; " SAMPLED, index);
    } else if (err == -ENOTSUP) {
        watch_exact_finish(w, WATCH_EXACT_FAILED, "this accelerator has no "
                           "data breakpoints for QEMU, so exact mode is not "
                           "available; " SAMPLED);
    } else {
        watch_exact_finish(w, WATCH_EXACT_FAILED, "a data breakpoint cannot "
                           "be set on vCPU %u (%s), so exact mode is not "
                           "available; " SAMPLED, index, strerror(-err));
    }
}

/* Returns: whether there was a reason to end. */
static bool watch_find_fault(Watch *w)
{
    unsigned i;

    for (i = 0; i < w->limit; i++) {
        WatchSlot *slot = &w->shared.slots[i];
        int err = atomic_load_explicit(&slot->arm_error,
                                       memory_order_relaxed);

        if (!watch_slot_is_on(slot)) {
            continue;
        }
        if (winsched_lost(&slot->cpu)) {
            watch_fail_for_lost(w, i);
            return true;
        }
        if (err) {
            watch_fail_for_error(w, i, err);
            return true;
        }
    }
    return false;
}

static bool watch_is_too_often(Watch *w, uint64_t now)
{
    WatchExact *exact = &w->exact;
    uint64_t since = now - exact->window_ns;
    bool first = !exact->window_ns;
    unsigned i;

    if (!first && since < WINDOW_NS) {
        return false;
    }
    exact->window_ns = now;
    for (i = 0; i < w->limit; i++) {
        uint64_t hits = watch_hits_of(&w->shared.slots[i].cpu);
        uint64_t rate = 0;

        /* Fewer than before: the slot has begun anew. */
        if (!first && hits >= exact->counted[i]) {
            rate = (hits - exact->counted[i]) * WATCH_S / since;
        }
        if (rate > w->config.exact_limit) {
            watch_exact_finish(w, WATCH_EXACT_FAILED, "vCPU %u switches %"
                               PRIu64 " times a second and exact-limit is %"
                               PRIu32 "; " SAMPLED, i, rate,
                               w->config.exact_limit);
            return true;
        }
        exact->counted[i] = hits;
    }
    return false;
}

static bool watch_is_over(Watch *w, uint64_t now)
{
    uint32_t ms = w->config.exact_ms;

    if (!ms || !w->exact.since_ns ||
        now - w->exact.since_ns < ms * WATCH_MS) {
        return false;
    }
    watch_exact_finish(w, WATCH_EXACT_ENDED, "exact mode has ended after %"
                       PRIu32 " ms, as exact-ms says; " SAMPLED, ms);
    return true;
}

/* Guest-virtual, of a slot's CurrentThread; 0 when it is not sampled. */
static uint64_t watch_to_arm(const Watch *w, const WatchSlot *slot)
{
    int32_t at = winos_offset(&w->result.layout,
                              WINOS_PRCB_CURRENT_THREAD);

    return watch_slot_is_on(slot) && at >= 0 ? slot->info.prcb + at : 0;
}

/* Returns: whether all are armed. */
static bool watch_arm_all(Watch *w)
{
    WatchExact *exact = &w->exact;
    bool all = true;
    bool any = false;
    unsigned i;

    for (i = 0; i < w->shared.n_slots; i++) {
        WatchSlot *slot = &w->shared.slots[i];
        uint64_t gva = watch_to_arm(w, slot);
        bool is_new = w->present[i] && !exact->was_present[i];

        exact->was_present[i] = w->present[i];
        if (is_new) {
            /* Another vCPU's thread than the one that was armed. */
            winsched_disarm(&slot->cpu);
            atomic_store(&slot->armed, 0);
        }
        exact->work[i] = w->present[i] &&
                         (is_new || gva != atomic_load(&slot->to_arm));
        if (exact->work[i]) {
            atomic_store(&slot->to_arm, gva);
            any = true;
        }
        all = all && (!w->present[i] ||
                      (gva && atomic_load(&slot->armed) == gva));
    }
    if (any) {
        w->host->run_on_vcpus(w->opaque, exact->work, w->shared.n_slots,
                              WATCH_WORK_ARM);
    }
    return all && !any;
}

static void watch_claim(Watch *w, bool all, uint64_t now)
{
    WatchExact *exact = &w->exact;
    bool held = atomic_load_explicit(&w->exact_holds, memory_order_relaxed);

    if (all == held) {
        return;
    }
    exact->phase = all ? WATCH_EXACT_HOLDS : WATCH_EXACT_BEGINS;
    if (all && !exact->since_ns) {
        exact->since_ns = now;
    }
    watch_set_exact(w, all);
    watch_settle_state(w);
}

/* Under a read-side section. */
static bool watch_suspects(Watch *w, WatchSlot *slot)
{
    const WatchView *view = atomic_load_explicit(&w->shared.view,
                                                 memory_order_relaxed);
    uint64_t thread;

    return view && winsched_is_armed(&slot->cpu) &&
           watch_slot_current(w, &slot->cpu, &thread) &&
           winsched_suspect(&view->ws, &slot->cpu, thread);
}

/* A suspected miss is verified in a work item on the vCPU's thread. */
static void watch_compare_all(Watch *w, uint64_t now)
{
    WatchExact *exact = &w->exact;
    bool any = false;
    unsigned i;

    watch_read_begin(w);
    for (i = 0; i < w->shared.n_slots; i++) {
        WatchSlot *slot = &w->shared.slots[i];

        exact->work[i] = w->present[i] && watch_suspects(w, slot) &&
                         now - exact->verified_ns[i] >= VERIFY_NS &&
                         !atomic_exchange_explicit(&slot->verifying, true,
                                                   memory_order_relaxed);
        if (exact->work[i]) {
            exact->verified_ns[i] = now;
            any = true;
        }
    }
    watch_read_end(w);
    if (any) {
        w->host->run_on_vcpus(w->opaque, exact->work, w->shared.n_slots,
                              WATCH_WORK_VERIFY);
    }
}

uint64_t watch_exact_next(const Watch *w)
{
    return watch_exact_is_on(w) ? w->exact.checked_ns + CHECK_NS : WATCH_NEVER;
}

void watch_exact_turn(Watch *w)
{
    uint64_t now = watch_now(w);

    if (!watch_exact_is_on(w)) {
        return;
    }
    if (!atomic_exchange_explicit(&w->told_exact, false,
                                  memory_order_relaxed) &&
        now < w->exact.checked_ns + LEAST_CHECK_NS) {
        return;
    }
    w->exact.checked_ns = now;
    watch_note_present(w);
    if (watch_find_fault(w) || watch_is_over(w, now) ||
        watch_is_too_often(w, now)) {
        return;
    }
    watch_compare_all(w, now);
    watch_claim(w, watch_arm_all(w), now);
}
