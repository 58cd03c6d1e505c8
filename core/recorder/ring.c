/*
 * recorder/ring: see ring.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/ring.h"

uint64_t evring_round_entries(uint64_t entries)
{
    uint64_t rounded = EVRING_MIN_ENTRIES;

    if (entries > EVRING_MAX_ENTRIES) {
        return 0;
    }
    while (rounded < entries) {
        rounded *= 2;
    }
    return rounded;
}

size_t evring_slot_size(unsigned n_words)
{
    size_t size = sizeof(EvringSlot) + n_words * sizeof(uint64_t);

    return (size + 63) & ~(size_t)63;
}

void evring_attach(Evring *ring, EvringHead *shared, void *slots,
                   uint64_t entries, unsigned n_words)
{
    ring->shared = shared;
    ring->slots = slots;
    ring->mask = entries - 1;
    ring->slot_size = evring_slot_size(n_words);
    ring->n_words = n_words;
}

EvringSlot *evring_claim_slow(const Evring *ring, uint64_t *seq)
{
    uint64_t head = atomic_load_explicit(&ring->shared->head,
                                         memory_order_relaxed);

    for (;;) {
        uint64_t n = head + 1;
        uint64_t done = n > ring->mask + 1 ? n - ring->mask - 1 : 0;
        EvringSlot *slot = evring_slot(ring, n);
        /* Pairs with the release in evring_commit(). */
        uint64_t state = atomic_load_explicit(&slot->state,
                                              memory_order_acquire);
        /*
         * A later record that is complete is one of memory that was replaced:
         * its writer had its number before the ring began anew.
         */
        bool is_free = state == 2 * done || (state > 2 * n && state % 2 == 0);

        if (!is_free && head == atomic_load_explicit(&ring->shared->head,
                                                     memory_order_relaxed)) {
            atomic_fetch_add_explicit(&ring->shared->dropped, 1,
                                      memory_order_relaxed);
            return NULL;
        }
        /* Each failure is another writer's success. */
        if (is_free && atomic_compare_exchange_strong_explicit(
                           &ring->shared->head, &head, n,
                           memory_order_relaxed, memory_order_relaxed)) {
            *seq = n;
            return evring_begin(slot, n);
        }
        head = atomic_load_explicit(&ring->shared->head,
                                    memory_order_relaxed);
    }
}

static EvringRead why_absent(const Evring *ring, uint64_t seq)
{
    uint64_t head = evring_head(ring);

    if (seq > head) {
        return EVRING_FUTURE;
    }
    return head - seq > ring->mask ? EVRING_OVERWRITTEN : EVRING_PENDING;
}

EvringRead evring_read_first(const Evring *ring, uint64_t seq, unsigned n,
                             uint64_t *words)
{
    EvringSlot *slot = evring_slot(ring, seq);
    /* Pairs with the release in evring_commit(). */
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    unsigned i;

    if (state > 2 * seq) {
        return EVRING_OVERWRITTEN;
    }
    if (state != 2 * seq) {
        return why_absent(ring, seq);
    }
    for (i = 0; i < n; i++) {
        words[i] = atomic_load_explicit(&slot->words[i],
                                        memory_order_relaxed);
    }
    /* Pairs with the release fence in evring_begin(). */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) != state) {
        return EVRING_OVERWRITTEN;
    }
    return EVRING_OK;
}

EvringRead evring_read(const Evring *ring, uint64_t seq, uint64_t *words)
{
    return evring_read_first(ring, seq, ring->n_words, words);
}
