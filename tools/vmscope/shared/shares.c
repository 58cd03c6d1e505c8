/*
 * shares: see shares.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/shares.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Threads that did nothing are forgotten when there are so many. */
enum { THREADS_TIDY = 4096 };

/* All threads that there is no room for. */
enum { OTHERS = 0 };

static void release_thread(ShareThread *thread)
{
    free(thread->image);
    free(thread->image_hex);
    free(thread->name);
}

static size_t add_thread(Shares *shares)
{
    shares->threads = grow(shares->threads, shares->n_threads,
                           &shares->threads_room, sizeof(*shares->threads));
    shares->threads[shares->n_threads].vcpu = -1;
    return shares->n_threads++;
}

static void add_others(Shares *shares)
{
    size_t i = add_thread(shares);

    shares->threads[i].image = keep("(others)");
    shares->threads[i].image_hex = keep("");
    shares->threads[i].name = keep("");
}

void shares_init(Shares *shares)
{
    memset(shares, 0, sizeof(*shares));
    add_others(shares);
}

void shares_release(Shares *shares)
{
    size_t i;

    for (i = 0; i < shares->n_threads; i++) {
        release_thread(&shares->threads[i]);
    }
    free(shares->threads);
    free(shares->vcpus);
    map_clear(&shares->index);
    memset(shares, 0, sizeof(*shares));
}

void shares_forget(Shares *shares)
{
    uint64_t begin_ns = shares->begin_ns;

    shares_release(shares);
    shares_init(shares);
    shares->begin_ns = begin_ns;
}

/* Threads. */

/*
 * Addresses of thread objects are used again, so the id is in the key.  The
 * upper 16 bits of a kernel address say nothing.
 */
static uint64_t key_of(uint64_t thread, uint32_t tid)
{
    return (thread & 0xffffffffffff) | (uint64_t)(tid >> 2 & 0xffff) << 48;
}

static bool is_same(const ShareThread *thread, const SchedEntry *entry)
{
    return thread->thread == entry->thread && thread->tid == entry->tid &&
           thread->pid == entry->pid && thread->has_ids == entry->has_ids;
}

static void update_text(char **kept, const char *text)
{
    if (!*kept || strcmp(*kept, text)) {
        free(*kept);
        *kept = keep(text);
    }
}

static void update_thread(ShareThread *thread, const SchedEntry *entry)
{
    thread->thread = entry->thread;
    thread->pid = entry->pid;
    thread->tid = entry->tid;
    thread->has_ids = entry->has_ids;
    thread->idle = entry->idle;
    thread->idle_unknown = entry->idle_unknown && !entry->idle;
    thread->has_priority = entry->has_priority;
    thread->priority = entry->priority;
    update_text(&thread->image, entry->image);
    update_text(&thread->image_hex, entry->image_hex);
    update_text(&thread->name, entry->name);
}

static size_t find_thread(Shares *shares, const SchedEntry *entry)
{
    uint64_t key = key_of(entry->thread, entry->tid);
    uint32_t found = map_get(&shares->index, key);
    size_t i;

    if (found && is_same(&shares->threads[found - 1], entry)) {
        i = found - 1;
    } else if (found) {     /* the object belongs to another one now */
        i = found - 1;
        shares->threads[i].run_ns = 0;
        shares->threads[i].switches = 0;
        shares->threads[i].left[0] = '\0';
    } else if (shares->n_threads < SHARES_THREADS_MAX) {
        i = add_thread(shares);
        map_put(&shares->index, key, (uint32_t)i + 1);
    } else {
        return OTHERS;
    }
    update_thread(&shares->threads[i], entry);
    return i;
}

/* vCPUs. */

static ShareVcpu *find_vcpu(Shares *shares, uint32_t vcpu)
{
    while (shares->n_vcpus <= vcpu) {
        shares->vcpus = grow(shares->vcpus, shares->n_vcpus,
                             &shares->vcpus_room, sizeof(*shares->vcpus));
        shares->n_vcpus++;
    }
    return &shares->vcpus[vcpu];
}

/* Give who runs the time up to @now_ns. */
static void count_time(Shares *shares, ShareVcpu *vcpu, uint64_t now_ns)
{
    ShareThread *thread = &shares->threads[vcpu->thread];
    uint64_t ns;

    if (!vcpu->known || now_ns <= vcpu->counted_ns) {
        return;
    }
    ns = now_ns - vcpu->counted_ns;
    vcpu->counted_ns = now_ns;
    thread->run_ns += ns;
    if (thread->idle) {
        vcpu->idle_ns += ns;
    } else if (thread->idle_unknown) {
        vcpu->unknown_ns += ns;
    } else {
        vcpu->busy_ns += ns;
    }
}

static void leave(Shares *shares, ShareVcpu *vcpu, const SchedEntry *entry)
{
    ShareThread *thread = &shares->threads[vcpu->thread];

    if (!vcpu->known) {
        return;
    }
    if (thread->vcpu == (int32_t)entry->vcpu) {
        thread->vcpu = -1;
    }
    if (thread->thread == entry->old_thread || !entry->old_thread) {
        /* An idle thread's State stays Running, or is Standby: it says nothing. */
        snprintf(thread->left, sizeof(thread->left), "%s",
                 thread->idle ? "" : sched_entry_left(entry));
    }
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void enter(Shares *shares, ShareVcpu *vcpu, const SchedEntry *entry)
{
    vcpu->thread = find_thread(shares, entry);
    vcpu->seen = true;
    vcpu->known = true;
    vcpu->since_ns = entry->time_ns;
    vcpu->counted_ns = later(vcpu->counted_ns,
                             later(entry->time_ns, shares->begin_ns));
    if (vcpu->thread != OTHERS) {
        shares->threads[vcpu->thread].vcpu = (int32_t)entry->vcpu;
    }
}

void shares_begin_with(Shares *shares, const SchedEntry *entry)
{
    ShareVcpu *vcpu = find_vcpu(shares, entry->vcpu);

    leave(shares, vcpu, entry);
    enter(shares, vcpu, entry);
}

void shares_add(Shares *shares, const SchedEntry *entry)
{
    ShareVcpu *vcpu = find_vcpu(shares, entry->vcpu);

    count_time(shares, vcpu, entry->time_ns);
    leave(shares, vcpu, entry);
    enter(shares, vcpu, entry);
    vcpu->switches++;
    vcpu->missed += entry->missed;
    shares->threads[vcpu->thread].switches++;
    shares->switches++;
    shares->missed += entry->missed;
    shares->counts_missed |= entry->has_missed;
}

void shares_lose(Shares *shares, uint64_t count)
{
    size_t i;

    shares->lost += count;
    for (i = 0; i < shares->n_vcpus; i++) {
        if (shares->vcpus[i].known) {
            shares->threads[shares->vcpus[i].thread].vcpu = -1;
        }
        shares->vcpus[i].known = false;
    }
}

/* Intervals. */

/* Whom some vCPU last ran must stay: let it have done something. */
static void keep_runners(Shares *shares)
{
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        shares->threads[shares->vcpus[i].thread].run_ns |= 1;
    }
}

static void move_runners(Shares *shares, const size_t *moved)
{
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        shares->vcpus[i].thread = moved[shares->vcpus[i].thread];
    }
}

/* Forget threads that did nothing; indices of those that stay change. */
static void tidy(Shares *shares)
{
    ShareThread *threads = shares->threads;
    size_t *moved = calloc(shares->n_threads, sizeof(*moved));
    size_t n = OTHERS + 1;
    size_t i;

    if (!moved) {
        return;         /* there is no need to */
    }
    keep_runners(shares);
    map_clear(&shares->index);
    for (i = n; i < shares->n_threads; i++) {
        if (!threads[i].run_ns) {
            release_thread(&threads[i]);
            continue;
        }
        moved[i] = n;
        map_put(&shares->index, key_of(threads[i].thread, threads[i].tid),
                (uint32_t)n + 1);
        threads[n++] = threads[i];
    }
    memset(&threads[n], 0, (shares->n_threads - n) * sizeof(*threads));
    shares->n_threads = n;
    move_runners(shares, moved);
    free(moved);
}

void shares_begin(Shares *shares, uint64_t now_ns)
{
    ShareVcpu *vcpu;
    size_t i;

    if (shares->n_threads > THREADS_TIDY) {
        tidy(shares);
    }
    for (i = 0; i < shares->n_threads; i++) {
        shares->threads[i].run_ns = 0;
        shares->threads[i].switches = 0;
    }
    for (i = 0; i < shares->n_vcpus; i++) {
        vcpu = &shares->vcpus[i];
        vcpu->busy_ns = vcpu->idle_ns = vcpu->unknown_ns = 0;
        vcpu->switches = vcpu->missed = 0;
    }
    shares->begin_ns = now_ns;
    shares->end_ns = now_ns;
    shares->switches = shares->missed = shares->lost = 0;
}

void shares_end(Shares *shares, uint64_t now_ns)
{
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        count_time(shares, &shares->vcpus[i], now_ns);
    }
    shares->end_ns = now_ns;
}

uint64_t shares_length_ns(const Shares *shares)
{
    return shares->end_ns > shares->begin_ns
        ? shares->end_ns - shares->begin_ns : 1;
}

uint64_t shares_busy_ns(const Shares *shares)
{
    uint64_t ns = 0;
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        ns += shares->vcpus[i].busy_ns;
    }
    return ns;
}

uint64_t shares_idle_ns(const Shares *shares)
{
    uint64_t ns = 0;
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        ns += shares->vcpus[i].idle_ns;
    }
    return ns;
}

uint64_t shares_unknown_ns(const Shares *shares)
{
    uint64_t ns = 0;
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        ns += shares->vcpus[i].unknown_ns;
    }
    return ns;
}
