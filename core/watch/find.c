/*
 * watch/find: finding the kernel, keeping track of it, and learning.
 *
 * Runs on the engine thread.  How a kernel is recognised is core/winos; here
 * it is given registers and memory, and what it finds is put to use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long to wait for vCPUs to tell their registers. */
#define ASK_MS 50

/* Of the time that passes, what looking for a kernel may take: one in ... */
#define FIND_SHARE 10

/* How often vCPUs whose KPCR is not known are asked: first and last. */
#define ASK_FIRST_NS (100 * WATCH_MS)
#define ASK_LAST_NS (1000 * WATCH_MS)

/*
 * Time budget of a learning pass; the first 25 run every 200 ms, later ones
 * every second.
 */
#define PASS_NS (2 * WATCH_MS)
#define SOON_PASSES 25
#define SOON_NS (200 * WATCH_MS)
#define LATER_NS (1000 * WATCH_MS)

/* A reason stands for so long when less is seen than before. */
#define EVIDENCE_NS (10 * WATCH_S)

/* After so long a guest that never enters 64-bit mode is none of ours. */
#define LEGACY_NS (30 * WATCH_S)

static void watch_set_state(Watch *w, WatchState state, const char *reason)
{
    pthread_mutex_lock(&w->lock);
    w->told.state = state;
    snprintf(w->told.reason, sizeof(w->told.reason), "%s", reason);
    pthread_mutex_unlock(&w->lock);
}

/* --- the kernel that is traced */

void watch_settle_state(Watch *w)
{
    char text[sizeof(w->told.reason)] = "";
    char misfit[sizeof(text)];
    const char *reason = "";
    bool fits = !watch_misfit(&w->config.winos, &w->result.layout, misfit,
                              sizeof(misfit));
    bool well = watch_exact_is_well(w, &reason) && fits;

    watch_text_add(text, sizeof(text), "%s%s%s", reason,
                   *reason && *misfit ? "; " : "", misfit);
    watch_set_state(w, well ? WATCH_ACTIVE : WATCH_DEGRADED, text);
}

static void watch_note_ran(Watch *w, uint64_t thread)
{
    atomic_store_explicit(&w->ran[thread / 16 * 0x9e3779b1u >> 8 &
                                  (WATCH_RAN - 1)],
                          thread, memory_order_relaxed);
}

static void watch_record(void *opaque, const WinschedSwitch *event)
{
    Watch *w = opaque;

    watch_note_ran(w, event->to.thread);
    w->host->record(w->opaque, event);
}

static uint64_t watch_stamp(void *opaque)
{
    Watch *w = opaque;

    return w->host->stamp(w->opaque);
}

/* Have queries and what is recorded from now on go by w->result. */
static void watch_tell_result(Watch *w)
{
    if (w->host->found) {
        w->host->found(w->opaque, &w->result);
    }
    pthread_mutex_lock(&w->lock);
    w->told.found = true;
    w->told.result = w->result;
    pthread_mutex_unlock(&w->lock);
}

/* The same, and samplers. */
static bool watch_use_result(Watch *w)
{
    WatchView *view = calloc(1, sizeof(*view));

    if (!view) {
        return false;
    }
    view->ws.space = w->result.kernel.space;
    view->ws.layout = w->result.layout;
    view->ws.record = watch_record;
    view->ws.now = watch_stamp;
    view->ws.current = watch_slot_current;
    view->ws.opaque = w;
    watch_set_view(w, view);
    watch_tell_result(w);
    return true;
}

void watch_forget(Watch *w, const char *reason)
{
    w->active = false;
    watch_exact_end(w);
    w->backoff_ns = WATCH_FIRST_BACKOFF_NS;
    w->find_ns = w->early_ns;
    w->legacy_ns = 0;
    w->evidence = WATCH_NOTHING_SEEN;
    winos_learner_free(w->learner);
    w->learner = NULL;
    watch_slots_end(w);
    watch_set_view(w, NULL);
    pthread_mutex_lock(&w->lock);
    w->told.found = false;
    pthread_mutex_unlock(&w->lock);
    watch_set_state(w, WATCH_WAITING, reason);
}

/* --- registers */

void watch_forget_regs(Watch *w)
{
    WinosRegs dropped;
    unsigned i;

    if (w->asking) {
        w->host->cancel_regs(w->opaque);
        w->asking = false;
    }
    for (i = 0; i < w->shared.n_slots; i++) {
        watch_take_regs(&w->shared.slots[i], &dropped);
    }
}

/* A vCPU asked inside of user code, or between swaps, may hide its KPCR. */
static void watch_add_exit_gs(Watch *w, WinosRegs *regs)
{
    WinosRegs left;

    if (!(regs->gs_base >> 63) && !(regs->kernel_gs_base >> 63) &&
        watch_take_regs(&w->shared.slots[regs->vcpu], &left)) {
        regs->kernel_gs_base = left.gs_base;
    }
}

/* Returns: how many w->regs there are. */
static unsigned watch_ask(Watch *w, const bool *wanted, unsigned wait_ms)
{
    uint64_t longest = 0;
    unsigned n, i;

    if (!w->asking && !w->host->ask_regs(w->opaque, wanted,
                                         w->shared.n_slots)) {
        return 0;
    }
    n = w->host->collect_regs(w->opaque, w->regs, w->shared.n_slots, wait_ms,
                              &w->asking, &longest);
    pthread_mutex_lock(&w->lock);
    w->told.longest_vcpu_ns = watch_max(longest, w->told.longest_vcpu_ns);
    pthread_mutex_unlock(&w->lock);
    for (i = 0; i < n; i++) {
        watch_add_exit_gs(w, &w->regs[i]);
    }
    return n;
}

/* --- looking for a kernel */

static unsigned watch_begin_slots(Watch *w)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < w->result.n_cpus; i++) {
        n += watch_slot_begin(w, &w->cpus[i]);
    }
    return n;
}

static void watch_begin_tracing(Watch *w)
{
    w->active = true;
    w->learner = winos_learner_new();
    w->passes = 0;
    w->learn_ns = 0;
    w->keep_ns = 0;
    w->poll_ns = 0;
    w->ask_ns = 0;
    w->ask_backoff_ns = ASK_FIRST_NS;
    pthread_mutex_lock(&w->lock);
    w->told.kernels++;
    w->told.dense = watch_dense_state(w);
    pthread_mutex_unlock(&w->lock);
    watch_exact_begin(w);
    watch_settle_state(w);
}

static bool watch_detect(Watch *w, unsigned n_regs, Err *err)
{
    gmem_fresh(w->config.mem);
    if (!winos_detect(w->config.mem, w->regs, n_regs, &w->config.winos,
                      &w->result, w->cpus, err)) {
        return false;
    }
    if (!watch_use_result(w)) {
        err_set(err, ERR_NOMEM, "no memory to trace with");
        return false;
    }
    if (!watch_begin_slots(w)) {
        err_set(err, ERR_FAULT, "a Windows kernel of build %u is there, but "
                "no vCPU's running thread is in memory",
                w->result.kernel.build);
        watch_forget(w, err->text);
        return false;
    }
    return true;
}

/* Something that is no Windows may take long to rule out, again and again. */
static void watch_back_off(Watch *w, uint64_t took_ns)
{
    uint64_t now = watch_now(w);

    w->early_ns = now + took_ns * FIND_SHARE;
    w->find_ns = watch_max(now + w->backoff_ns, w->early_ns);
    w->backoff_ns = watch_min(w->backoff_ns * 2, w->config.retry_ns);
}

/*
 * Firmware and a 64-bit system's loader pass through other modes; a 32-bit
 * system stays there.
 */
static bool watch_is_legacy(Watch *w, unsigned n_regs)
{
    uint64_t now = watch_now(w);
    unsigned i;

    for (i = 0; i < n_regs; i++) {
        if (w->regs[i].long_mode) {
            break;
        }
    }
    if (i < n_regs || !watch_is_running(w)) {
        w->legacy_ns = 0;
        return false;
    }
    if (!w->legacy_ns) {
        w->legacy_ns = now;
    }
    return now - w->legacy_ns >= LEGACY_NS;
}

/*
 * Answers are late on a busy host, and only some vCPUs give one: what was
 * seen before is still so, until it was not seen for some time.
 * @whole: nothing is missing from what this was concluded from
 *
 * Returns: whether this is worth saying
 */
static bool watch_is_news(Watch *w, WatchEvidence evidence, bool whole)
{
    uint64_t now = watch_now(w);

    if (!whole && evidence < w->evidence && now - w->evidence_ns < EVIDENCE_NS) {
        return false;
    }
    w->evidence = evidence;
    w->evidence_ns = now;
    return true;
}

static WatchEvidence watch_evidence_of(const Watch *w, unsigned n_regs)
{
    unsigned i;

    if (w->result.kernel.image.base) {
        return WATCH_KERNEL;
    }
    if (w->result.kernel.saw_shared_data) {
        return WATCH_ANCHORED;
    }
    for (i = 0; i < n_regs; i++) {
        if (w->regs[i].long_mode) {
            return WATCH_NO_KERNEL;
        }
    }
    return WATCH_NO_LONG_MODE;
}

static void watch_say_not_found(Watch *w, unsigned n_regs, const Err *err,
                                bool legacy)
{
    char text[sizeof(w->told.reason)] = "";
    char given[sizeof(text)];

    if (!watch_is_news(w, watch_evidence_of(w, n_regs), false)) {
        return;
    }
    if (legacy) {
        watch_text_add(text, sizeof(text), "no vCPU was in 64-bit mode for "
                       "%u s: this looks like a 32-bit system, which is not "
                       "supported", (unsigned)(LEGACY_NS / WATCH_S));
        watch_set_state(w, WATCH_WAITING, text);
        return;
    }
    if (!w->result.kernel.image.base) {
        watch_set_state(w, WATCH_WAITING, err->text);
        return;
    }
    watch_given(&w->config.winos, &w->result.layout, given, sizeof(given));
    watch_text_add(text, sizeof(text), "%s%s%s", err->text,
                   *given ? "; " : "", given);
    watch_set_state(w, WATCH_DETECTING, text);
}

static uint64_t watch_reads(const Watch *w)
{
    return w->host->reads ? w->host->reads(w->opaque) : 0;
}

static void watch_find_with(Watch *w, unsigned n_regs)
{
    uint64_t reads = watch_reads(w);
    uint64_t start = watch_now(w);
    bool legacy = watch_is_legacy(w, n_regs);
    Err err = {};
    bool found = watch_detect(w, n_regs, &err);
    uint64_t took = watch_now(w) - start;

    pthread_mutex_lock(&w->lock);
    w->told.attempts++;
    w->told.last_ns = took;
    w->told.reads = watch_reads(w) - reads;
    pthread_mutex_unlock(&w->lock);
    watch_back_off(w, took);
    if (found) {
        watch_begin_tracing(w);
    } else {
        watch_say_not_found(w, n_regs, &err, legacy);
    }
}

unsigned watch_note_present(Watch *w)
{
    unsigned n = w->host->vcpus(w->opaque, w->present, w->shared.n_slots);
    unsigned i;

    pthread_mutex_lock(&w->lock);
    for (i = 0; i < w->shared.n_slots; i++) {
        w->shared.slots[i].present = w->present[i];
    }
    pthread_mutex_unlock(&w->lock);
    return n;
}

void watch_find_kernel(Watch *w)
{
    unsigned present = watch_note_present(w);
    unsigned n = present ? watch_ask(w, w->present, ASK_MS) : 0;

    if (n) {
        watch_find_with(w, n);
        return;
    }
    watch_back_off(w, 0);
    if (watch_is_news(w, present ? WATCH_NO_REGS : WATCH_NO_VCPU,
                      !present)) {
        watch_set_state(w, WATCH_WAITING,
                        present ? "no vCPU has told its registers yet" :
                                  "the machine has no vCPU yet");
    }
}

/* --- keeping track */

static void watch_check_slots(Watch *w)
{
    unsigned i;

    for (i = 0; i < w->limit; i++) {
        WatchSlot *slot = &w->shared.slots[i];

        if (!watch_slot_is_on(slot)) {
            continue;
        }
        if (!w->present[i] || !winos_cpu_is_there(&w->result, &slot->info)) {
            watch_slot_end(slot);
        } else {
            watch_slot_follow(w, slot);
        }
    }
}

static void watch_try_regs(Watch *w, const WinosRegs *regs)
{
    WatchSlot *slot = &w->shared.slots[regs->vcpu];
    WinosCpu cpu;

    pthread_mutex_lock(&w->lock);
    slot->parked = !regs->long_mode;
    pthread_mutex_unlock(&w->lock);
    if (!watch_slot_is_on(slot) &&
        winos_cpu_find(&w->result, regs, &cpu)) {
        watch_slot_begin(w, &cpu);
    }
}

/* Returns: how many vCPUs have not been found, by w->wanted. */
static unsigned watch_try_exit_regs(Watch *w)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < w->shared.n_slots; i++) {
        WatchSlot *slot = &w->shared.slots[i];
        bool missing = w->present[i] && !watch_slot_is_on(slot);
        WinosRegs left;

        if (missing && watch_take_regs(slot, &left)) {
            watch_try_regs(w, &left);
        }
        w->wanted[i] = missing && !watch_slot_is_on(slot);
        n += w->wanted[i];
    }
    return n;
}

/* Answers are not waited for: they are there at the next turn. */
static void watch_find_more(Watch *w)
{
    unsigned missing = watch_try_exit_regs(w);
    uint64_t now = watch_now(w);
    unsigned n;

    if (!w->asking && (!missing || now < w->ask_ns)) {
        return;
    }
    n = watch_ask(w, w->wanted, 0);
    while (n--) {
        watch_try_regs(w, &w->regs[n]);
    }
    if (!w->asking) {
        w->ask_ns = now + w->ask_backoff_ns;
        w->ask_backoff_ns = watch_min(w->ask_backoff_ns * 2, ASK_LAST_NS);
    }
}

/* Returns: how many w->cpus are sampled. */
static unsigned watch_list_cpus(Watch *w)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < w->limit; i++) {
        if (watch_slot_is_on(&w->shared.slots[i])) {
            w->cpus[n++] = w->shared.slots[i].info;
        }
    }
    return n;
}

static void watch_follow_layout(Watch *w)
{
    unsigned i;

    if (!watch_use_result(w)) {
        return;
    }
    for (i = 0; i < w->limit; i++) {
        WatchSlot *slot = &w->shared.slots[i];

        watch_slot_follow(w, slot);
        if (watch_slot_is_on(slot)) {
            watch_slot_complete(w, slot);
        }
    }
    watch_settle_state(w);
}

/* What the user or a source took for the counter of switches stands still. */
static bool watch_refute_counter(Watch *w)
{
    unsigned i;

    for (i = 0; i < w->limit; i++) {
        const WatchSlot *slot = &w->shared.slots[i];

        if (watch_slot_is_on(slot) && winsched_counter_is_dead(&slot->cpu)) {
            return winos_refute(&w->result, &w->config.winos,
                                WINOS_PRCB_CONTEXT_SWITCHES);
        }
    }
    return false;
}

static void watch_learn(Watch *w, unsigned n_cpus)
{
    uint64_t now = watch_now(w);
    bool grown;
    unsigned i;

    if (!w->learner || now < w->learn_ns) {
        return;
    }
    for (i = 0; i < WATCH_RAN; i++) {
        winos_learn_ran(w->learner, atomic_load_explicit(
                            &w->ran[i], memory_order_relaxed));
    }
    watch_read_begin(w);
    grown = winos_learn(w->learner, &w->result, &w->config.winos, w->cpus,
                        n_cpus, PASS_NS);
    watch_read_end(w);
    if (grown) {
        watch_follow_layout(w);
    }
    w->passes++;
    w->learn_ns = now + (w->passes < SOON_PASSES ? SOON_NS : LATER_NS);
    if (winos_learner_done(w->learner, &w->result)) {
        winos_learner_free(w->learner);
        w->learner = NULL;
    }
}

void watch_keep_track(Watch *w)
{
    unsigned n;

    gmem_fresh(w->config.mem);
    if (!winos_kernel_is_there(&w->result.kernel)) {
        watch_forget(w, "the Windows kernel is no longer there");
        return;
    }
    if (winos_kernel_follow_build(&w->result.kernel)) {
        watch_tell_result(w);
    }
    watch_note_present(w);
    watch_check_slots(w);
    watch_find_more(w);
    n = watch_list_cpus(w);
    if (n == 0) {
        watch_forget(w, "no vCPU's KPCR is where it was");
        return;
    }
    if (watch_refute_counter(w)) {
        watch_follow_layout(w);
    }
    if (watch_is_running(w)) {
        watch_learn(w, n);
    }
}
