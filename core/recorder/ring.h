/*
 * recorder/ring: a flight recorder of fixed-size records.
 *
 * Many writers, any number of readers, in one piece of memory that may be a
 * file mapped by several processes.  A full ring overwrites its oldest record.
 * Nobody waits for anybody: a writer takes a number and its slot with one
 * atomic operation; readers copy and check afterwards.  Every number ends, for
 * a reader, as exactly one of: read, overwritten, or still pending.
 *
 * A writer that is stopped between its two instructions for so long that the
 * others come round to its slot makes them drop what they have; that is
 * counted.  It takes a whole ring of records in the time of one.
 *
 * What a record means, and where the memory comes from, is for others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_RING_H
#define VMSCOPE_RECORDER_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVRING_MIN_ENTRIES = 64,
    EVRING_MAX_ENTRIES = 4194304,
    EVRING_MAX_WORDS = 31,      /* payload of a record, 8-byte words */
};

/* Shared between writers and readers; begins as zeroes. */
typedef struct EvringHead {
    _Alignas(64) _Atomic uint64_t head;     /* numbers given out so far */
    _Alignas(64) _Atomic uint64_t dropped;  /* records that got no number */
} EvringHead;

/*
 * A slot is its state and the payload.  State: 0 never used; 2 * seq while it
 * holds record seq; 2 * seq - 1 while record seq is being written.
 */
typedef struct EvringSlot {
    _Atomic uint64_t state;
    _Atomic uint64_t words[];
} EvringSlot;

/* One process's view of a ring; plain values, copied freely. */
typedef struct Evring {
    EvringHead *shared;
    void *slots;
    uint64_t mask;          /* entries - 1 */
    size_t slot_size;       /* bytes; a multiple of 64 */
    unsigned n_words;       /* payload words in a slot */
} Evring;

typedef enum EvringRead {
    EVRING_OK,
    EVRING_OVERWRITTEN,     /* its slot has a newer record, or will have */
    EVRING_PENDING,         /* its writer has not finished */
    EVRING_FUTURE,          /* no such number was given out yet */
} EvringRead;

/**
 * evring_round_entries - the capacity a ring gets for a wish
 * @entries: wished for
 *
 * Returns: the next power of two, at least EVRING_MIN_ENTRIES; 0 when the
 *          wish is beyond EVRING_MAX_ENTRIES
 */
uint64_t evring_round_entries(uint64_t entries);

/**
 * evring_slot_size - bytes of a slot
 * @n_words: payload, at most EVRING_MAX_WORDS
 *
 * Returns: a multiple of 64, so that no two slots share a cache line
 */
size_t evring_slot_size(unsigned n_words);

/**
 * evring_attach - look at a ring that lies in memory
 * @ring: filled in
 * @shared: the head, zeroed when the ring is new
 * @slots: @entries slots of evring_slot_size(@n_words), 64-byte aligned,
 *         zeroed when the ring is new; both stay the caller's
 * @entries: a power of two
 * @n_words: payload words
 */
void evring_attach(Evring *ring, EvringHead *shared, void *slots,
                   uint64_t entries, unsigned n_words);

/**
 * evring_head - the highest number given out
 */
static inline uint64_t evring_head(const Evring *ring)
{
    return atomic_load_explicit(&ring->shared->head, memory_order_acquire);
}

/**
 * evring_oldest - the lowest number that may still be read
 */
static inline uint64_t evring_oldest(const Evring *ring)
{
    uint64_t head = evring_head(ring);

    return head > ring->mask ? head - ring->mask : 1;
}

/**
 * evring_dropped - records that found the ring busy and are not in it
 */
static inline uint64_t evring_dropped(const Evring *ring)
{
    return atomic_load_explicit(&ring->shared->dropped, memory_order_relaxed);
}

static inline EvringSlot *evring_slot(const Evring *ring, uint64_t seq)
{
    return (EvringSlot *)((char *)ring->slots +
                          (seq & ring->mask) * ring->slot_size);
}

/* Out of line: others were quicker, or a slot's writer is a lap late. */
EvringSlot *evring_claim_slow(const Evring *ring, uint64_t *seq);

/* Marks a slot for @seq; the number must be the caller's alone. */
static inline EvringSlot *evring_begin(EvringSlot *slot, uint64_t seq)
{
    atomic_store_explicit(&slot->state, 2 * seq - 1, memory_order_relaxed);
    /* Pairs with the acquire fence in evring_read(): mark, then words. */
    atomic_thread_fence(memory_order_release);
    return slot;
}

/**
 * evring_claim - take the next number and its slot
 * @ring: where to
 * @seq: receives the number, from 1
 *
 * Between claim and commit the caller fills the words with evring_put() and
 * must not stop for long.  Context: any thread, signal handlers too; no lock.
 *
 * A number is given out only once the number a lap before it is committed, in
 * the slot they share; and each is given out once.  So nobody else has the
 * slot.
 *
 * Returns: the slot; NULL when the writer of a lap ago is still at it, and
 *          then the record counts as dropped and there is nothing to commit
 */
static inline EvringSlot *evring_claim(const Evring *ring, uint64_t *seq)
{
    uint64_t head = atomic_load_explicit(&ring->shared->head,
                                         memory_order_relaxed);
    uint64_t n = head + 1;
    uint64_t done = n > ring->mask + 1 ? n - ring->mask - 1 : 0;
    EvringSlot *slot = evring_slot(ring, n);

    /* Acquire pairs with evring_commit(): the last writer's words are in. */
    if (__builtin_expect(
            atomic_load_explicit(&slot->state,
                                 memory_order_acquire) != 2 * done ||
            !atomic_compare_exchange_strong_explicit(
                &ring->shared->head, &head, n,
                memory_order_relaxed, memory_order_relaxed), 0)) {
        return evring_claim_slow(ring, seq);
    }
    *seq = n;
    return evring_begin(slot, n);
}

/**
 * evring_put - fill one word of a claimed slot
 */
static inline void evring_put(EvringSlot *slot, unsigned word, uint64_t value)
{
    atomic_store_explicit(&slot->words[word], value, memory_order_relaxed);
}

/**
 * evring_commit - let readers have the record
 */
static inline void evring_commit(EvringSlot *slot, uint64_t seq)
{
    /* Pairs with the acquire in evring_read() and evring_claim(). */
    atomic_store_explicit(&slot->state, 2 * seq, memory_order_release);
}

/**
 * evring_read_first - copy the first words of a record out
 * @n: how many, at most ring->n_words
 *
 * For who looks at many records and wants few.  The rest as evring_read().
 */
EvringRead evring_read_first(const Evring *ring, uint64_t seq, unsigned n,
                             uint64_t *words);

/**
 * evring_read - copy one record out
 * @ring: where from; may be written meanwhile
 * @seq: its number, from 1
 * @words: receives ring->n_words words when the answer is EVRING_OK, else
 *         unspecified
 *
 * Context: any thread; takes no lock and never waits.
 */
EvringRead evring_read(const Evring *ring, uint64_t seq, uint64_t *words);

#endif
