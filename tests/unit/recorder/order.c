/*
 * recorder/ring, recorder/clock: each of their steps, and what may happen
 * between two of them.
 *
 * Their own source is compiled here with atomic operations that are
 * written down, and before any of which something else can be made to happen.
 * So every interleaving of a writer and a reader is tried, and the orders that
 * no x86 shows a lack of are seen in what is written down.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef enum Op { LOAD, STORE, EXCHANGE, ADD, FENCE } Op;

typedef struct Step {
    Op op;
    const void *at;         /* NULL: a fence */
    uint64_t value;         /* stored */
    memory_order order;
} Step;

enum { MAX_STEPS = 65536 };

static Step steps[MAX_STEPS];
static unsigned n_steps;
static unsigned fire_at;        /* the step before which @fire happens */
static void (*fire)(void);

static void step(Op op, const void *at, uint64_t value, memory_order order)
{
    void (*happens)(void) = fire;

    if (n_steps + 1 == fire_at && happens) {
        fire = NULL;
        happens();
    }
    g_assert_cmpuint(n_steps, <, MAX_STEPS);
    steps[n_steps++] = (Step){ op, at, value, order };
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_fetch_add_explicit
#undef atomic_thread_fence
#define atomic_load_explicit(at, order) \
    (step(LOAD, at, 0, order), *(at))
#define atomic_store_explicit(at, value, order) \
    (step(STORE, at, (uint64_t)(value), order), (void)(*(at) = (value)))
#define atomic_compare_exchange_strong_explicit(at, old, value, order, fail) \
    (step(EXCHANGE, at, value, order), \
     __atomic_compare_exchange_n((uint64_t *)(at), old, value, false, \
                                 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#define atomic_fetch_add_explicit(at, value, order) \
    (step(ADD, at, value, order), *(at) += (value))
#define atomic_thread_fence(order) step(FENCE, NULL, 0, order)

#include "recorder/clock.h"
#include "recorder/clock.c"
#include "recorder/ring.h"
#include "recorder/ring.c"

enum { ENTRIES = 64, WORDS = 3 };

static Evring ring;
static EvringHead head;
static void *slots;

static void ring_init(void)
{
    size_t bytes = ENTRIES * evring_slot_size(WORDS);

    if (!slots) {
        slots = aligned_alloc(64, bytes);
    }
    memset(&head, 0, sizeof(head));
    memset(slots, 0, bytes);
    evring_attach(&ring, &head, slots, ENTRIES, WORDS);
    n_steps = 0;
    fire_at = 0;
    fire = NULL;
}

static void fill(EvringSlot *slot, uint64_t seq)
{
    unsigned i;

    for (i = 0; i < WORDS; i++) {
        evring_put(slot, i, seq * 100 + i);
    }
}

static void push(void)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&ring, &seq);

    if (slot) {
        fill(slot, seq);
        evring_commit(slot, seq);
    }
}

static void push_many(unsigned n)
{
    while (n--) {
        push();
    }
}

/* What is read is what was written, as a whole. */
static EvringRead read_checked(uint64_t seq)
{
    uint64_t words[WORDS];
    EvringRead result = evring_read(&ring, seq, words);
    unsigned i;

    for (i = 0; result == EVRING_OK && i < WORDS; i++) {
        g_assert_cmpuint(words[i], ==, seq * 100 + i);
    }
    return result;
}

/* The steps since @from that touch the slot's state. */
static const Step *find_state(unsigned from, const EvringSlot *slot, Op op,
                              bool last)
{
    const Step *found = NULL;
    unsigned i;

    for (i = from; i < n_steps && (last || !found); i++) {
        if (steps[i].op == op && steps[i].at == &slot->state) {
            found = &steps[i];
        }
    }
    return found;
}

static bool releases(memory_order order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

static bool acquires(memory_order order)
{
    return order == memory_order_acquire || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

/* The mark, a release fence, the words, and the state with release. */
static void test_order_of_writing(void)
{
    EvringSlot *slot;
    const Step *mark;
    const Step *commit;
    const Step *at;

    ring_init();
    push_many(ENTRIES);
    n_steps = 0;
    push();
    slot = evring_slot(&ring, ENTRIES + 1);
    at = find_state(0, slot, LOAD, false);
    g_assert_nonnull(at);
    g_assert_true(acquires(at->order));
    mark = find_state(0, slot, STORE, false);
    commit = find_state(0, slot, STORE, true);
    g_assert_true(mark && commit && mark < commit);
    g_assert_cmpuint(mark->value, ==, 2 * (ENTRIES + 1) - 1);
    g_assert_cmpuint(commit->value, ==, 2 * (ENTRIES + 1));
    g_assert_true(releases(commit->order));
    g_assert_cmpint(mark[1].op, ==, FENCE);
    g_assert_true(releases(mark[1].order));
    for (at = mark + 2; at < commit; at++) {
        g_assert_cmpint(at->op, ==, STORE);
        g_assert_true(at->at == &slot->words[at - mark - 2]);
    }
    g_assert_cmpint(commit - mark, ==, 2 + WORDS);
    g_assert_true(commit == &steps[n_steps - 1]);
}

/* The state with acquire, the words, an acquire fence, the state again. */
static void test_order_of_reading(void)
{
    const EvringSlot *slot;

    ring_init();
    push();
    n_steps = 0;
    g_assert_cmpint(read_checked(1), ==, EVRING_OK);
    slot = evring_slot(&ring, 1);
    g_assert_cmpuint(n_steps, ==, WORDS + 3);
    g_assert_true(steps[0].op == LOAD && steps[0].at == &slot->state &&
                  acquires(steps[0].order));
    g_assert_true(steps[WORDS].at == &slot->words[WORDS - 1]);
    g_assert_true(steps[WORDS + 1].op == FENCE &&
                  acquires(steps[WORDS + 1].order));
    g_assert_true(steps[WORDS + 2].op == LOAD &&
                  steps[WORDS + 2].at == &slot->state);
}

/* A writer that finds another one's slot free sees what that one wrote. */
static void test_order_of_claiming_slowly(void)
{
    uint64_t seq;
    const Step *at;

    ring_init();
    push_many(ENTRIES);
    n_steps = 0;
    g_assert_nonnull(evring_claim_slow(&ring, &seq));
    at = find_state(0, evring_slot(&ring, seq), LOAD, false);
    g_assert_true(at && acquires(at->order));
}

/* All records, in the middle of the writing of number 65 and later ones. */
static void read_all(void)
{
    uint64_t given = atomic_load(&head.head);
    uint64_t seq;

    for (seq = 1; seq <= given + 2; seq++) {
        EvringRead result = read_checked(seq);

        if (seq > given) {
            g_assert_cmpint(result, ==, EVRING_FUTURE);
        } else if (seq + ENTRIES == given) {
            /* Its slot is given away, and may have been taken. */
            g_assert_true(result == EVRING_OK ||
                          result == EVRING_OVERWRITTEN);
        } else if (seq + ENTRIES < given) {
            g_assert_cmpint(result, ==, EVRING_OVERWRITTEN);
        } else if (seq < given) {
            g_assert_cmpint(result, ==, EVRING_OK);
        } else {
            g_assert_true(result == EVRING_OK || result == EVRING_PENDING);
        }
    }
}

static void test_read_between_any_two_steps(void)
{
    unsigned at;

    for (at = 1; at <= 2 * (WORDS + 6); at++) {
        ring_init();
        push_many(ENTRIES + 5);
        n_steps = 0;
        fire_at = at;
        fire = read_all;
        push_many(2);
        read_all();
    }
    g_assert_cmpuint(atomic_load(&head.dropped), ==, 0);
}

static void push_one(void)
{
    push();
}

static void push_a_lap(void)
{
    push_many(ENTRIES);
}

static void push_half(void)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&ring, &seq);

    evring_put(slot, 0, 77);
}

static void test_written_between_any_two_steps(void)
{
    static void (*const writers[])(void) = { push_one, push_a_lap, push_half };
    unsigned at;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(writers); i++) {
        for (at = 1; at <= WORDS + 3; at++) {
            EvringRead result;

            ring_init();
            push_many(ENTRIES);
            n_steps = 0;
            fire_at = at;
            fire = writers[i];
            /* The slot of the next one. */
            result = read_checked(1);
            g_assert_null(fire);
            g_assert_cmpint(result, ==, EVRING_OVERWRITTEN);
        }
    }
}

/* Two writers: each number is given once, and none is lost. */
static void test_claimed_between_any_two_steps(void)
{
    unsigned at;

    for (at = 1; at <= WORDS + 5; at++) {
        uint64_t seq;

        ring_init();
        push_many(ENTRIES);
        n_steps = 0;
        fire_at = at;
        fire = push_one;
        push();
        g_assert_cmpuint(atomic_load(&head.head), ==, ENTRIES + 2);
        g_assert_cmpuint(atomic_load(&head.dropped), ==, 0);
        for (seq = ENTRIES + 1; seq <= ENTRIES + 2; seq++) {
            g_assert_cmpint(read_checked(seq), ==, EVRING_OK);
        }
    }
}

/* A number that another writer took meanwhile is no reason to drop. */
static void test_claimed_slowly_between_any_two_steps(void)
{
    unsigned at;

    for (at = 1; at <= 5; at++) {
        uint64_t seq;

        ring_init();
        push_many(ENTRIES);
        n_steps = 0;
        fire_at = at;
        fire = push_one;
        g_assert_nonnull(evring_claim_slow(&ring, &seq));
        g_assert_cmpuint(seq, >, ENTRIES);
        g_assert_cmpuint(atomic_load(&head.dropped), ==, 0);
    }
}

/*
 * The ring began anew in zeroed memory while a writer with a high number was
 * at it: its slot is left alone until it has finished, and then is as free.
 */
static void test_late_writer_of_other_memory(void)
{
    EvringSlot *slot;
    uint64_t seq;

    ring_init();
    slot = evring_slot(&ring, 3);
    atomic_store(&slot->state, 2 * (10 * ENTRIES + 3) - 1);
    push_many(2);
    g_assert_null(evring_claim(&ring, &seq));
    g_assert_cmpuint(atomic_load(&head.dropped), ==, 1);
    g_assert_cmpuint(atomic_load(&head.head), ==, 2);
    evring_commit(slot, 10 * ENTRIES + 3);
    g_assert_cmpint(read_checked(3), ==, EVRING_OVERWRITTEN);
    push_many(ENTRIES);
    g_assert_cmpuint(atomic_load(&head.head), ==, ENTRIES + 2);
    g_assert_cmpint(read_checked(3), ==, EVRING_OK);
}

/* Which it is, at the very border: the states are gone. */
static void test_why_absent(void)
{
    uint64_t words[WORDS];

    ring_init();
    atomic_store(&head.head, 100);
    g_assert_cmpint(evring_read(&ring, 36, words), ==, EVRING_OVERWRITTEN);
    g_assert_cmpint(evring_read(&ring, 37, words), ==, EVRING_PENDING);
    g_assert_cmpint(evring_read(&ring, 100, words), ==, EVRING_PENDING);
    g_assert_cmpint(evring_read(&ring, 101, words), ==, EVRING_FUTURE);
}

/* The clock's map: all its segments lie on one line, ns = stamp / 2 - 1000. */

static ClockMap map;
static uint64_t n_appended;

static void append_one(void)
{
    n_appended++;
    clock_map_append(&map, n_appended * 4000, n_appended * 2000 - 1000,
                     UINT64_C(1) << 31);
}

static void append_a_lap(void)
{
    unsigned i;

    for (i = 0; i < CLOCK_SEGMENTS; i++) {
        append_one();
    }
}

static void test_map_between_any_two_steps(void)
{
    static void (*const writers[])(void) = { append_one, append_a_lap };
    unsigned at;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(writers); i++) {
        for (at = 1; at < 4 * CLOCK_SEGMENTS; at++) {
            memset(&map, 0, sizeof(map));
            atomic_store(&map.kind, CLOCK_KIND_TSC);
            n_appended = 0;
            n_steps = 0;
            fire = NULL;
            append_a_lap();
            n_steps = 0;
            fire_at = at;
            fire = writers[i];
            g_assert_cmpuint(clock_map_ns(&map, 8000), ==, 3000);
        }
    }
}

static void read_map(void)
{
    uint64_t stamp;

    for (stamp = 4000; stamp < n_appended * 4000; stamp += 4000) {
        g_assert_cmpuint(clock_map_ns(&map, stamp), ==, stamp / 2 - 1000);
    }
}

static void test_map_read_while_appended(void)
{
    unsigned at;

    for (at = 1; at <= 6; at++) {
        memset(&map, 0, sizeof(map));
        atomic_store(&map.kind, CLOCK_KIND_TSC);
        n_appended = 0;
        fire = NULL;
        n_steps = 0;
        append_a_lap();
        n_steps = 0;
        fire_at = at;
        fire = read_map;
        append_one();
        n_steps = 0;
        read_map();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recorder/order/writing", test_order_of_writing);
    g_test_add_func("/recorder/order/reading", test_order_of_reading);
    g_test_add_func("/recorder/order/claiming-slowly",
                    test_order_of_claiming_slowly);
    g_test_add_func("/recorder/order/read-between-any-two-steps",
                    test_read_between_any_two_steps);
    g_test_add_func("/recorder/order/written-between-any-two-steps",
                    test_written_between_any_two_steps);
    g_test_add_func("/recorder/order/claimed-between-any-two-steps",
                    test_claimed_between_any_two_steps);
    g_test_add_func("/recorder/order/claimed-slowly-between-any-two-steps",
                    test_claimed_slowly_between_any_two_steps);
    g_test_add_func("/recorder/order/late-writer-of-other-memory",
                    test_late_writer_of_other_memory);
    g_test_add_func("/recorder/order/why-absent", test_why_absent);
    g_test_add_func("/recorder/order/map-between-any-two-steps",
                    test_map_between_any_two_steps);
    g_test_add_func("/recorder/order/map-read-while-appended",
                    test_map_read_while_appended);
    return g_test_run();
}
