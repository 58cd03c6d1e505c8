/*
 * watch/dense: polling without sleeping between rounds.
 *
 * A round of a few vCPUs costs some tens of nanoseconds where their memory
 * is mapped, so on a host with a CPU to spare nearly every switch is seen.
 * Where there is none, this thread takes away what the vCPUs would use.  A
 * thread that is kept from running although it could is the sign of that: on
 * a CPU of its own it never is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

/* One turn's share: others want to be seen to, too. */
#define BURST_NS (100000)
enum { ROUNDS_PER_CLOCK = 16 };

/* Over how long waiting for a CPU is measured, and what share is too much. */
#define WINDOW_NS (100 * WATCH_MS)
#define MAX_WAIT_SHARE 10           /* one in ... */

/* How long to let others have the CPU, first and last. */
#define FIRST_YIELD_NS (1 * WATCH_S)
#define LAST_YIELD_NS (16 * WATCH_S)

static void watch_dense_note(Watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->told.dense = watch_dense_state(w);
    pthread_mutex_unlock(&w->lock);
}

WatchDense watch_dense_state(const Watch *w)
{
    if (w->config.poll_hz != WATCH_POLL_DENSE) {
        return WATCH_DENSE_OFF;
    }
    if (w->dense.ended) {
        return WATCH_DENSE_ENDED;
    }
    return w->dense.resume_ns ? WATCH_DENSE_YIELDED : WATCH_DENSE_ON;
}

static void watch_dense_begin(Watch *w, uint64_t now)
{
    WatchDensity *dense = &w->dense;

    dense->resume_ns = 0;
    dense->begun_ns = now;
    dense->window_ns = now;
    dense->waited_ns = w->host->cpu_wait_ns ?
                       w->host->cpu_wait_ns(w->opaque) : 0;
    if (!dense->since_ns) {
        dense->since_ns = now;
    }
    watch_dense_note(w);
}

/* Returns: whether others need this CPU. */
static bool watch_dense_is_crowded(Watch *w, uint64_t now)
{
    WatchDensity *dense = &w->dense;
    uint64_t passed = now - dense->window_ns;
    uint64_t waited;

    if (!w->host->cpu_wait_ns || passed < WINDOW_NS) {
        return false;
    }
    waited = w->host->cpu_wait_ns(w->opaque) - dense->waited_ns;
    dense->window_ns = now;
    dense->waited_ns += waited;
    return waited > passed / MAX_WAIT_SHARE;
}

static void watch_dense_yield(Watch *w, uint64_t now)
{
    WatchDensity *dense = &w->dense;
    bool lasted = now - dense->begun_ns > LAST_YIELD_NS;

    dense->backoff_ns = !dense->backoff_ns || lasted ? FIRST_YIELD_NS :
                        watch_min(dense->backoff_ns * 2, LAST_YIELD_NS);
    dense->resume_ns = now + dense->backoff_ns;
    pthread_mutex_lock(&w->lock);
    w->told.dense_yields++;
    pthread_mutex_unlock(&w->lock);
    watch_dense_pause(w);
    watch_dense_note(w);
}

bool watch_dense_due(Watch *w, uint64_t now)
{
    WatchDensity *dense = &w->dense;
    uint64_t ms = w->config.dense_ms;

    if (w->config.poll_hz != WATCH_POLL_DENSE || dense->ended ||
        now < dense->resume_ns) {
        return false;
    }
    if (ms && dense->since_ns && now - dense->since_ns >= ms * WATCH_MS) {
        dense->ended = true;
        dense->resume_ns = 0;
        watch_dense_note(w);
        return false;
    }
    if (!dense->begun_ns) {
        watch_dense_begin(w, now);
    }
    if (watch_dense_is_crowded(w, now)) {
        watch_dense_yield(w, now);
        return false;
    }
    return true;
}

void watch_dense_pause(Watch *w)
{
    w->dense.begun_ns = 0;
    w->dense.last_stamp = 0;
}

static void watch_dense_gap(Watch *w, uint64_t stamp)
{
    WatchDensity *dense = &w->dense;
    uint64_t gap = stamp - dense->last_stamp;

    /* Stamps that were set right meanwhile may go back. */
    if (dense->last_stamp && (int64_t)gap > 0 && gap > dense->longest_gap) {
        dense->longest_gap = gap;
        pthread_mutex_lock(&w->lock);
        w->told.longest_gap_ns = w->host->stamps_to_ns(w->opaque, gap);
        pthread_mutex_unlock(&w->lock);
    }
    dense->last_stamp = stamp;
}

/* Returns: whether all of them can be loaded from. */
static bool watch_dense_map(Watch *w, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        w->dense.mapped[i] = w->host->map && w->gpas[i] % 8 == 0 ?
                             w->host->map(w->opaque, w->gpas[i]) : NULL;
        if (!w->dense.mapped[i]) {
            return false;
        }
    }
    return n > 0;
}

static uint64_t watch_load(const uint64_t *from)
{
    uint64_t value = __atomic_load_n(from, __ATOMIC_RELAXED);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static void watch_dense_round(Watch *w, const WatchView *view, unsigned n,
                              bool mapped)
{
    unsigned i;

    if (!mapped) {
        w->host->sample(w->opaque, w->gpas, w->threads, w->ok, n);
    }
    for (i = 0; i < n; i++) {
        const WatchSlot *slot = &w->shared.slots[w->index[i]];
        uint64_t gpa = atomic_load_explicit(&slot->gpa, memory_order_relaxed);

        /* It may be unpublished at any time, by a reset. */
        if (gpa == w->gpas[i]) {
            watch_sample_slot(w, i, view, mapped || w->ok[i],
                              mapped ? watch_load(w->dense.mapped[i]) :
                                       w->threads[i]);
        }
    }
}

void watch_dense_burst(Watch *w)
{
    const WatchView *view = atomic_load_explicit(&w->shared.view,
                                                 memory_order_relaxed);
    uint64_t end = watch_now(w) + BURST_NS;
    bool mapped;
    unsigned n, i;

    watch_read_begin(w);
    n = watch_list_slots(w);
    mapped = watch_dense_map(w, n);
    do {
        for (i = 0; n && i < ROUNDS_PER_CLOCK; i++) {
            watch_dense_round(w, view, n, mapped);
            watch_dense_gap(w, w->host->stamp(w->opaque));
        }
    } while (n && watch_now(w) < end);
    if (w->counts_doing && n) {
        /* Once a burst is often enough. */
        w->host->sample(w->opaque, w->gpas, w->threads, w->ok, n);
        watch_doing_round(w, n);
    }
    if (w->learner) {
        winos_learn_sample(w->learner, &w->result);
    }
    watch_read_end(w);
}
