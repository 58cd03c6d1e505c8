/*
 * watch/engine: see watch.h: life, turns, and polling at a rate.
 *
 * All that takes longer than a sample is done here, by turns: finding the
 * kernel, keeping track of it, and sampling all vCPUs at a steady rate
 * through guest memory, which holds nobody up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often to see whether all is as it was: in haste, running, stopped. */
#define KEEP_LEAST_NS (10 * WATCH_MS)
#define KEEP_NS (100 * WATCH_MS)
#define KEEP_STOPPED_NS (1000 * WATCH_MS)

/* --- life */

static bool watch_alloc(Watch *w)
{
    unsigned n = w->config.max_vcpus;

    w->shared.slots = aligned_alloc(_Alignof(WatchSlot),
                                    n * sizeof(*w->shared.slots));
    w->present = calloc(n, sizeof(*w->present));
    w->wanted = calloc(n, sizeof(*w->wanted));
    w->regs = calloc(n, sizeof(*w->regs));
    w->cpus = calloc(n, sizeof(*w->cpus));
    w->index = calloc(n, sizeof(*w->index));
    w->gpas = calloc(n, sizeof(*w->gpas));
    w->threads = calloc(n, sizeof(*w->threads));
    w->ok = calloc(n, sizeof(*w->ok));
    w->dense.mapped = calloc(n, sizeof(*w->dense.mapped));
    w->exact.counted = calloc(n, sizeof(*w->exact.counted));
    w->exact.verified_ns = calloc(n, sizeof(*w->exact.verified_ns));
    w->exact.was_present = calloc(n, sizeof(*w->exact.was_present));
    w->exact.work = calloc(n, sizeof(*w->exact.work));
    return watch_doing_alloc(w) && w->shared.slots && w->present &&
           w->wanted && w->regs && w->cpus &&
           w->index && w->gpas && w->threads && w->ok && w->dense.mapped &&
           w->exact.counted && w->exact.verified_ns && w->exact.was_present &&
           w->exact.work;
}

Watch *watch_new(const WatchConfig *config)
{
    Watch *w = calloc(1, sizeof(*w));
    unsigned i;

    if (!w) {
        return NULL;
    }
    w->config = *config;
    w->host = config->host;
    w->opaque = config->opaque;
    w->config.max_vcpus = config->max_vcpus ? config->max_vcpus : 1;
    w->config.retry_ns = config->retry_ns ? config->retry_ns : WATCH_S;
    w->backoff_ns = WATCH_FIRST_BACKOFF_NS;
    atomic_init(&w->running, config->running);
    pthread_mutex_init(&w->lock, NULL);
    if (!watch_alloc(w)) {
        watch_free(w);
        return NULL;
    }
    memset(w->shared.slots, 0,
           w->config.max_vcpus * sizeof(*w->shared.slots));
    w->shared.n_slots = w->config.max_vcpus;
    for (i = 0; i < w->shared.n_slots; i++) {
        atomic_init(&w->shared.slots[i].gpa, WATCH_NO_GPA);
    }
    snprintf(w->told.reason, sizeof(w->told.reason), "%s",
             "nothing was looked at yet");
    return w;
}

static void watch_free_retired(Watch *w)
{
    while (w->n_retired) {
        free(w->retired[--w->n_retired]);
    }
}

void watch_free(Watch *w)
{
    if (!w) {
        return;
    }
    winos_learner_free(w->learner);
    watch_free_retired(w);
    free((void *)atomic_load_explicit(&w->shared.view, memory_order_relaxed));
    free(w->exact.work);
    free(w->exact.was_present);
    free(w->exact.verified_ns);
    free(w->exact.counted);
    free(w->dense.mapped);
    watch_doing_free(w);
    free(w->ok);
    free(w->threads);
    free(w->gpas);
    free(w->index);
    free(w->cpus);
    free(w->regs);
    free(w->wanted);
    free(w->present);
    free(w->shared.slots);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

WatchShared *watch_shared(Watch *w)
{
    return &w->shared;
}

void watch_grace(Watch *w)
{
    if (w->host->grace) {
        w->host->grace(w->opaque);
    }
    watch_free_retired(w);
}

void watch_set_view(Watch *w, WatchView *view)
{
    const WatchView *old;

    if (w->n_retired == WATCH_MAX_RETIRED) {
        watch_grace(w);
    }
    old = atomic_load_explicit(&w->shared.view, memory_order_relaxed);
    /* Pairs with the acquire of whoever samples: its content first. */
    atomic_store_explicit(&w->shared.view, view, memory_order_release);
    if (old) {
        w->retired[w->n_retired++] = (WatchView *)old;
    }
}

/* --- what the machine tells */

void watch_reset(Watch *w)
{
    unsigned i;

    /*
     * Sequentially consistent, as are the two in watch_slot_begin(): either
     * that sees the reset, or the slot it has published is unpublished here.
     */
    atomic_fetch_add(&w->resets, 1);
    for (i = 0; i < w->shared.n_slots; i++) {
        atomic_store(&w->shared.slots[i].gpa, WATCH_NO_GPA);
    }
    watch_disarm(w);
    watch_wake(w);
}

void watch_set_running(Watch *w, bool running)
{
    atomic_store_explicit(&w->running, running, memory_order_relaxed);
    if (running) {
        atomic_fetch_add_explicit(&w->resumes, 1, memory_order_relaxed);
    }
    watch_wake(w);
}

/*
 * Look for a kernel or a vCPU soon, as something has changed.  A guest that
 * makes it seem so all the time does not make this thread run all the time.
 */
static void watch_hurry(Watch *w)
{
    w->find_ns = watch_min(w->find_ns, w->early_ns);
    w->keep_ns = watch_min(w->keep_ns, w->kept_ns + KEEP_LEAST_NS);
}

static void watch_follow_machine(Watch *w)
{
    unsigned resets = atomic_load_explicit(&w->resets, memory_order_relaxed);
    unsigned resumes = atomic_load_explicit(&w->resumes,
                                            memory_order_relaxed);

    if (resets != w->seen_resets) {
        w->seen_resets = resets;
        watch_forget_regs(w);
        watch_forget(w, "the machine was reset");
    }
    if (resumes != w->seen_resumes) {
        w->seen_resumes = resumes;
        w->rested = false;
        w->backoff_ns = WATCH_FIRST_BACKOFF_NS;
        w->legacy_ns = 0;
        watch_hurry(w);
        w->keep_ns = 0;
    }
    if (atomic_exchange_explicit(&w->told_regs, false,
                                 memory_order_relaxed)) {
        watch_hurry(w);
    }
}

/* --- polling */

unsigned watch_list_slots(Watch *w)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < w->limit; i++) {
        uint64_t gpa = atomic_load_explicit(&w->shared.slots[i].gpa,
                                            memory_order_relaxed);

        if (gpa != WATCH_NO_GPA) {
            w->index[n] = i;
            w->gpas[n++] = gpa;
        }
    }
    return n;
}

void watch_sample_slot(Watch *w, unsigned i, const WatchView *view,
                       bool ok, uint64_t thread)
{
    WatchSlot *slot = &w->shared.slots[w->index[i]];

    if (ok) {
        winsched_sample(&view->ws, &slot->cpu, thread, WINSCHED_POLL);
    } else {
        winsched_fault(&slot->cpu);
    }
}

static void watch_round(Watch *w)
{
    const WatchView *view = atomic_load_explicit(&w->shared.view,
                                                 memory_order_relaxed);
    unsigned n, i;

    watch_read_begin(w);
    n = watch_list_slots(w);
    if (n) {
        w->host->sample(w->opaque, w->gpas, w->threads, w->ok, n);
    }
    if (__builtin_expect(w->counts_doing && n, 0)) {
        /* At once: reading a switch takes longer than what it counts. */
        watch_doing_round(w, n);
    }
    for (i = 0; i < n; i++) {
        watch_sample_slot(w, i, view, w->ok[i], w->threads[i]);
    }
    if (w->learner) {
        winos_learn_sample(w->learner, &w->result);
    }
    watch_read_end(w);
}

static uint64_t watch_period(const Watch *w)
{
    uint32_t hz = w->config.poll_hz;

    return WATCH_S / (hz == WATCH_POLL_DENSE ? WATCH_PLAIN_HZ : hz);
}

/* Deadlines are absolute; those that were slept through are skipped. */
static void watch_poll_if_due(Watch *w, uint64_t now)
{
    uint64_t period = watch_period(w);

    if (now < w->poll_ns) {
        return;
    }
    watch_round(w);
    w->poll_ns += period;
    if (w->poll_ns <= now) {
        w->poll_ns = now + period;
    }
}

/* Who runs while the machine stands still is seen, however short it ran. */
static void watch_sample_at_rest(Watch *w)
{
    if (!w->rested) {
        w->rested = true;
        watch_round(w);
    }
}

/* --- turns */

/* Returns: whether the next turn is due at once. */
static bool watch_trace(Watch *w, uint64_t now)
{
    bool polls = w->config.poll_hz && watch_is_running(w);

    w->counts_doing = polls && now < atomic_load_explicit(
                                         &w->doing_until_ns,
                                         memory_order_relaxed);

    if (now >= w->keep_ns) {
        w->kept_ns = now;
        w->keep_ns = now + (watch_is_running(w) ? KEEP_NS : KEEP_STOPPED_NS);
        watch_keep_track(w);
        w->exact.checked_ns = 0;
    }
    if (w->active) {
        watch_exact_turn(w);
    }
    if (w->active && polls && watch_dense_due(w, now)) {
        watch_dense_burst(w);
        return true;
    }
    watch_dense_pause(w);
    if (w->active && polls) {
        watch_poll_if_due(w, now);
    } else if (w->active && !watch_is_running(w)) {
        watch_sample_at_rest(w);
    }
    return false;
}

static uint64_t watch_next(const Watch *w)
{
    uint64_t next;

    if (!w->active) {
        return w->find_ns;
    }
    next = watch_min(w->keep_ns, watch_exact_next(w));
    return w->config.poll_hz && watch_is_running(w) ?
           watch_min(next, w->poll_ns) : next;
}

uint64_t watch_turn(Watch *w)
{
    uint64_t now;

    watch_follow_machine(w);
    now = watch_now(w);
    if (w->active) {
        return watch_trace(w, now) ? 0 : watch_next(w);
    }
    watch_dense_pause(w);
    if (now >= w->find_ns) {
        watch_find_kernel(w);
    }
    return watch_next(w);
}

void watch_stop(Watch *w)
{
    w->active = false;
    if (w->asking) {
        w->host->cancel_regs(w->opaque);
        w->asking = false;
    }
    watch_slots_end(w);
}
