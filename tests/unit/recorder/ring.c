/*
 * recorder/ring: every number ends as read, overwritten or pending,
 * with any number of writers and readers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/ring.h"

#include <glib.h>
#include <string.h>

enum { WORDS = 6 };

typedef struct TestRing {
    Evring ring;
    EvringHead *head;
    void *slots;
} TestRing;

static void test_ring_init(TestRing *t, uint64_t entries, unsigned n_words)
{
    size_t bytes = entries * evring_slot_size(n_words);

    t->head = aligned_alloc(64, sizeof(*t->head));
    t->slots = aligned_alloc(64, bytes);
    memset(t->head, 0, sizeof(*t->head));
    memset(t->slots, 0, bytes);
    evring_attach(&t->ring, t->head, t->slots, entries, n_words);
}

static void test_ring_deinit(TestRing *t)
{
    free(t->head);
    free(t->slots);
}

/* A record whose words all follow from two numbers: tearing shows. */
static void fill(EvringSlot *slot, uint64_t writer, uint64_t count)
{
    unsigned i;

    evring_put(slot, 0, writer);
    evring_put(slot, 1, count);
    for (i = 2; i < WORDS; i++) {
        evring_put(slot, i, writer * 1000003 + count * 31 + i);
    }
}

static bool is_whole(const uint64_t *words)
{
    unsigned i;

    for (i = 2; i < WORDS; i++) {
        if (words[i] != words[0] * 1000003 + words[1] * 31 + i) {
            return false;
        }
    }
    return true;
}

static uint64_t push(const Evring *ring, uint64_t writer, uint64_t count)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(ring, &seq);

    if (slot) {
        fill(slot, writer, count);
        evring_commit(slot, seq);
    }
    return seq;
}

typedef struct RoundCase {
    const char *name;
    uint64_t wish;
    uint64_t entries;
} RoundCase;

static const RoundCase round_cases[] = {
    { "nothing", 0, 64 },
    { "least", 64, 64 },
    { "one-more", 65, 128 },
    { "power", 65536, 65536 },
    { "most", 4194304, 4194304 },
    { "too-many", 4194305, 0 },
    { "absurd", UINT64_MAX, 0 },
};

static void test_round(gconstpointer data)
{
    const RoundCase *c = data;

    g_assert_cmpuint(evring_round_entries(c->wish), ==, c->entries);
}

static void test_slot_size(void)
{
    g_assert_cmpuint(evring_slot_size(0), ==, 64);
    g_assert_cmpuint(evring_slot_size(7), ==, 64);
    g_assert_cmpuint(evring_slot_size(8), ==, 128);
    g_assert_cmpuint(evring_slot_size(22), ==, 192);
}

static void test_in_order(void)
{
    uint64_t words[WORDS];
    TestRing t;
    uint64_t seq;

    test_ring_init(&t, 64, WORDS);
    g_assert_cmpuint(evring_head(&t.ring), ==, 0);
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_FUTURE);
    for (seq = 1; seq <= 64; seq++) {
        g_assert_cmpuint(push(&t.ring, 7, seq), ==, seq);
    }
    g_assert_cmpuint(evring_oldest(&t.ring), ==, 1);
    for (seq = 1; seq <= 64; seq++) {
        g_assert_cmpint(evring_read(&t.ring, seq, words), ==, EVRING_OK);
        g_assert_cmpuint(words[1], ==, seq);
        g_assert_true(is_whole(words));
    }
    g_assert_cmpint(evring_read(&t.ring, 65, words), ==, EVRING_FUTURE);
    test_ring_deinit(&t);
}

static void test_overwrites_oldest(void)
{
    uint64_t words[WORDS];
    TestRing t;
    uint64_t seq;

    test_ring_init(&t, 64, WORDS);
    for (seq = 1; seq <= 100; seq++) {
        push(&t.ring, 1, seq);
    }
    g_assert_cmpuint(evring_oldest(&t.ring), ==, 37);
    g_assert_cmpint(evring_read(&t.ring, 36, words), ==, EVRING_OVERWRITTEN);
    g_assert_cmpint(evring_read(&t.ring, 37, words), ==, EVRING_OK);
    g_assert_cmpuint(words[1], ==, 37);
    test_ring_deinit(&t);
}

static void test_pending(void)
{
    uint64_t words[WORDS];
    EvringSlot *slot;
    TestRing t;
    uint64_t seq;

    test_ring_init(&t, 64, WORDS);
    slot = evring_claim(&t.ring, &seq);
    g_assert_nonnull(slot);
    /* The newest of all is pending, too, and not in the future. */
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_PENDING);
    push(&t.ring, 1, 2);
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_PENDING);
    g_assert_cmpint(evring_read(&t.ring, 2, words), ==, EVRING_OK);
    fill(slot, 1, 1);
    evring_commit(slot, seq);
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_OK);
    test_ring_deinit(&t);
}

/* A writer that sleeps for a lap costs what comes until it wakes. */
static void test_dropped(void)
{
    uint64_t words[WORDS];
    EvringSlot *sleeper;
    uint64_t slept;
    uint64_t seq = 0;
    TestRing t;

    test_ring_init(&t, 64, WORDS);
    sleeper = evring_claim(&t.ring, &slept);
    for (seq = 2; seq <= 64; seq++) {
        push(&t.ring, 1, seq);
    }
    g_assert_null(evring_claim(&t.ring, &seq));
    g_assert_null(evring_claim(&t.ring, &seq));
    g_assert_cmpuint(evring_head(&t.ring), ==, 64);
    g_assert_cmpuint(atomic_load(&t.head->dropped), ==, 2);
    g_assert_cmpint(evring_read(&t.ring, 65, words), ==, EVRING_FUTURE);

    /* The oldest one that the ring can have: it will still be written. */
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_PENDING);
    /* One more, as a reader sees it that was held up before the head. */
    atomic_store(&t.ring.shared->head, 65);
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_OVERWRITTEN);
    atomic_store(&t.ring.shared->head, 64);

    fill(sleeper, 1, slept);
    evring_commit(sleeper, slept);
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_OK);
    g_assert_cmpuint(push(&t.ring, 1, 65), ==, 65);
    g_assert_cmpint(evring_read(&t.ring, 65, words), ==, EVRING_OK);
    g_assert_cmpint(evring_read(&t.ring, 1, words), ==, EVRING_OVERWRITTEN);
    test_ring_deinit(&t);
}

/*
 * The ring's memory was lost and is zeroed, while a writer had a number: its
 * record ends in a slot whose turn comes much later.  The others go on there.
 */
static void test_memory_was_zeroed(void)
{
    uint64_t words[WORDS];
    EvringSlot *late;
    uint64_t late_seq;
    TestRing t;
    uint64_t seq;

    test_ring_init(&t, 64, WORDS);
    for (seq = 1; seq <= 200; seq++) {
        push(&t.ring, 1, seq);
    }
    late = evring_claim(&t.ring, &late_seq);
    memset(t.head, 0, sizeof(*t.head));
    memset(t.slots, 0, 64 * evring_slot_size(WORDS));
    fill(late, 7, late_seq);
    evring_commit(late, late_seq);
    for (seq = 1; seq <= 300; seq++) {
        g_assert_cmpuint(push(&t.ring, 1, seq), ==, seq);
        g_assert_cmpint(evring_read(&t.ring, seq, words), ==, EVRING_OK);
        g_assert_cmpuint(words[0], ==, 1);
    }
    g_assert_cmpuint(atomic_load(&t.head->dropped), ==, 0);
    test_ring_deinit(&t);
}

enum { WRITERS = 4, READERS = 2, PER_WRITER = 200000 };

typedef struct Race {
    TestRing t;
    atomic_int writing;
} Race;

typedef struct RaceWriter {
    Race *race;
    uint64_t id;
    uint64_t dropped;
} RaceWriter;

static gpointer race_writer(gpointer opaque)
{
    RaceWriter *w = opaque;
    uint64_t i;

    for (i = 1; i <= PER_WRITER; i++) {
        uint64_t seq;
        EvringSlot *slot = evring_claim(&w->race->t.ring, &seq);

        if (slot) {
            fill(slot, w->id, i);
            evring_commit(slot, seq);
        } else {
            w->dropped++;
        }
    }
    atomic_fetch_sub(&w->race->writing, 1);
    return NULL;
}

typedef struct RaceReader {
    Race *race;
    uint64_t read;
    uint64_t lost;
    bool torn;
    bool backwards;     /* a writer's own records came in another order */
} RaceReader;

static void reader_check(RaceReader *r, const uint64_t *words,
                         uint64_t *newest)
{
    r->torn |= !is_whole(words) || words[0] >= WRITERS;
    if (words[0] < WRITERS) {
        r->backwards |= words[1] <= newest[words[0]];
        newest[words[0]] = words[1];
    }
    r->read++;
}

static gpointer race_reader(gpointer opaque)
{
    RaceReader *r = opaque;
    const Evring *ring = &r->race->t.ring;
    uint64_t newest[WRITERS] = {};
    uint64_t next = 1;

    for (;;) {
        bool last = atomic_load(&r->race->writing) == 0;
        uint64_t words[WORDS];
        uint64_t oldest = evring_oldest(ring);
        EvringRead result;

        if (next < oldest) {
            r->lost += oldest - next;
            next = oldest;
        }
        result = evring_read(ring, next, words);
        if (result == EVRING_OK) {
            reader_check(r, words, newest);
        } else if (result == EVRING_OVERWRITTEN) {
            r->lost++;
        } else if (last && result == EVRING_FUTURE) {
            return NULL;
        } else {
            continue;
        }
        next++;
    }
}

static void run_race(uint64_t entries)
{
    Race race = { .writing = WRITERS };
    RaceWriter writers[WRITERS];
    RaceReader readers[READERS];
    GThread *threads[WRITERS + READERS];
    uint64_t dropped = 0;
    int i;

    test_ring_init(&race.t, entries, WORDS);
    for (i = 0; i < READERS; i++) {
        readers[i] = (RaceReader){ .race = &race };
        threads[WRITERS + i] = g_thread_new("reader", race_reader,
                                            &readers[i]);
    }
    for (i = 0; i < WRITERS; i++) {
        writers[i] = (RaceWriter){ .race = &race, .id = i };
        threads[i] = g_thread_new("writer", race_writer, &writers[i]);
    }
    for (i = 0; i < WRITERS + READERS; i++) {
        g_thread_join(threads[i]);
    }
    for (i = 0; i < WRITERS; i++) {
        dropped += writers[i].dropped;
    }
    g_assert_cmpuint(evring_head(&race.t.ring) + dropped, ==,
                     WRITERS * PER_WRITER);
    g_assert_cmpuint(atomic_load(&race.t.head->dropped), ==, dropped);
    for (i = 0; i < READERS; i++) {
        g_assert_false(readers[i].torn);
        g_assert_false(readers[i].backwards);
        g_assert_cmpuint(readers[i].read + readers[i].lost + dropped, ==,
                         WRITERS * PER_WRITER);
    }
    test_ring_deinit(&race.t);
}

static void test_race_small(void)
{
    run_race(64);
}

static void test_race_large(void)
{
    run_race(65536);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(round_cases); i++) {
        g_autofree char *path = g_strdup_printf("/recorder/ring/round/%s",
                                                round_cases[i].name);

        g_test_add_data_func(path, &round_cases[i], test_round);
    }
    g_test_add_func("/recorder/ring/slot-size", test_slot_size);
    g_test_add_func("/recorder/ring/in-order", test_in_order);
    g_test_add_func("/recorder/ring/overwrites-oldest", test_overwrites_oldest);
    g_test_add_func("/recorder/ring/pending", test_pending);
    g_test_add_func("/recorder/ring/dropped", test_dropped);
    g_test_add_func("/recorder/ring/memory-was-zeroed",
                    test_memory_was_zeroed);
    g_test_add_func("/recorder/ring/race-small", test_race_small);
    g_test_add_func("/recorder/ring/race-large", test_race_large);
    return g_test_run();
}
