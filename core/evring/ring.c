/*
 * evring/ring: see ring.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "evring/ring.h"

/* Two writers a lap apart meet at a slot at most; more tries are pointless. */
enum { CLAIM_TRIES = 4 };

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

/* Tells the slot's readers that @seq will never come. */
static void skip(const Evring *ring, EvringSlot *slot, uint64_t seq)
{
    uint64_t old = atomic_load_explicit(&slot->skipped, memory_order_relaxed);
    int tries;

    for (tries = 0; tries < CLAIM_TRIES && old < seq; tries++) {
        if (atomic_compare_exchange_strong_explicit(&slot->skipped, &old, seq,
                                                    memory_order_release,
                                                    memory_order_relaxed)) {
            break;
        }
    }
    atomic_fetch_add_explicit(&ring->shared->skipped, 1,
                              memory_order_relaxed);
}

EvringSlot *evring_claim_slow(const Evring *ring, EvringSlot *slot,
                              uint64_t seq)
{
    uint64_t old = atomic_load_explicit(&slot->state, memory_order_relaxed);
    int tries;

    for (tries = 0; tries < CLAIM_TRIES; tries++) {
        if ((old & 1) || old >= 2 * seq) {
            break;
        }
        if (atomic_compare_exchange_strong_explicit(&slot->state, &old,
                                                    2 * seq - 1,
                                                    memory_order_acquire,
                                                    memory_order_relaxed)) {
            /* As in evring_claim(). */
            atomic_thread_fence(memory_order_release);
            return slot;
        }
    }
    skip(ring, slot, seq);
    return NULL;
}

static EvringRead why_absent(const Evring *ring, const EvringSlot *slot,
                             uint64_t seq)
{
    uint64_t head = evring_head(ring);

    if (seq > head) {
        return EVRING_FUTURE;
    }
    if (head - seq > ring->mask) {
        return EVRING_OVERWRITTEN;
    }
    if (atomic_load_explicit(&slot->skipped, memory_order_acquire) >= seq) {
        return EVRING_SKIPPED;
    }
    return EVRING_PENDING;
}

EvringRead evring_read(const Evring *ring, uint64_t seq, uint64_t *words)
{
    EvringSlot *slot = evring_slot(ring, seq);
    /* Pairs with the release in evring_commit(). */
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
    unsigned i;

    if (state > 2 * seq) {
        return EVRING_OVERWRITTEN;
    }
    if (state != 2 * seq) {
        return why_absent(ring, slot, seq);
    }
    for (i = 0; i < ring->n_words; i++) {
        words[i] = atomic_load_explicit(&slot->words[i],
                                        memory_order_relaxed);
    }
    /* Pairs with the release fence in evring_claim(). */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&slot->state, memory_order_relaxed) != state) {
        return EVRING_OVERWRITTEN;
    }
    return EVRING_OK;
}
