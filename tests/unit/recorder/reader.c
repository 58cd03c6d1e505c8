/*
 * recorder/reader: a file that changes, lies or shrinks while it is read.
 *
 * The header was once checked in shared memory and then read from it again,
 * so a writer that changed heads_offset in between had the reader leave its
 * mapping; and a file that was cut short ended its reader with SIGBUS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/reader.h"

#include <glib.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS = 6, ENTRIES = 64 };

static const EvringShape shape = {
    .content = EVRING_CONTENT_IRQ,
    .entries = ENTRIES,
    .n_words = WORDS,
    .tables_size = 5000,
};

/* A file in memory whose bytes a test changes at the n-th read. */
typedef struct Liar {
    char *bytes;
    uint64_t size;
    unsigned n_reads;
    unsigned at;                /* the read before which @lie is called */
    void (*lie)(struct Liar *liar);
    Evring ring;                /* the writer's view */
    EvringSlot *late;           /* of record 1, not committed yet */
} Liar;

static int64_t liar_read(void *opaque, void *buf, size_t len, uint64_t offset)
{
    Liar *liar = opaque;
    uint64_t n;

    if (++liar->n_reads == liar->at) {
        liar->lie(liar);
    }
    n = offset > liar->size ? 0 : liar->size - offset;
    n = n < len ? n : len;
    memcpy(buf, liar->bytes + offset, n);
    return (int64_t)n;
}

static EvringHeader *header_of(const Liar *liar)
{
    return (EvringHeader *)liar->bytes;
}

static void push(const Evring *ring, uint64_t count)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(ring, &seq);
    unsigned i;

    g_assert_nonnull(slot);
    for (i = 0; i < WORDS; i++) {
        evring_put(slot, i, count * 31 + i);
    }
    evring_commit(slot, seq);
}

static bool is_whole(const uint64_t *words)
{
    unsigned i;

    for (i = 1; i < WORDS; i++) {
        if (words[i] != words[0] + i) {
            return false;
        }
    }
    return words[0] % 31 == 0;
}

static void liar_init(Liar *liar, unsigned n_events)
{
    unsigned i;

    memset(liar, 0, sizeof(*liar));
    liar->size = evring_file_size(&shape);
    liar->bytes = aligned_alloc(4096, liar->size);
    memset(liar->bytes, 0, liar->size);
    evring_file_init(header_of(liar), &shape);
    evring_file_publish(header_of(liar));
    evring_file_ring(header_of(liar), &liar->ring);
    for (i = 1; i <= n_events; i++) {
        push(&liar->ring, i);
    }
}

static bool open_liar(Liar *liar, RecorderReader *reader, Err *err)
{
    RecorderSource source = { .read = liar_read, .opaque = liar };

    return recorder_reader_open_source(reader, &source, liar->size, err);
}

static void test_all(void)
{
    RecorderReader reader;
    uint64_t words[WORDS];
    uint64_t seq;
    Liar liar;
    Err err = {};

    liar_init(&liar, 100);
    g_assert_true(open_liar(&liar, &reader, &err));
    g_assert_cmpuint(evring_head(&reader.ring), ==, 100);
    g_assert_cmpuint(evring_oldest(&reader.ring), ==, 37);
    for (seq = 37; seq <= 100; seq++) {
        g_assert_true(recorder_reader_fetch(&reader, seq, &err));
        g_assert_cmpint(evring_read(&reader.ring, seq, words), ==, EVRING_OK);
        g_assert_cmpuint(words[0], ==, seq * 31);
        g_assert_true(is_whole(words));
    }
    g_assert_true(recorder_reader_fetch(&reader, 101, &err));
    g_assert_cmpint(evring_read(&reader.ring, 101, words), ==, EVRING_FUTURE);

    push(&liar.ring, 101);
    g_assert_true(recorder_reader_look(&reader, &err));
    g_assert_true(recorder_reader_fetch(&reader, 101, &err));
    g_assert_cmpint(evring_read(&reader.ring, 101, words), ==, EVRING_OK);
    g_assert_cmpuint(words[0], ==, 101 * 31);
    recorder_reader_close(&reader);
    free(liar.bytes);
}

/* What is constant is constant, whatever the file says later. */
static void lie_everywhere(Liar *liar)
{
    EvringHeader *header = header_of(liar);

    header->heads_offset = UINT64_C(1) << 40;
    header->slots_offset = UINT64_C(1) << 41;
    header->tables_offset = UINT64_C(1) << 42;
    header->tables_size = UINT64_MAX;
    header->entries = UINT64_C(1) << 22;
    header->n_words = 31;
    header->slot_size = 256;
}

static void test_header_lies(void)
{
    RecorderReader reader;
    uint64_t words[EVRING_MAX_WORDS];
    unsigned at;
    Err err = {};

    for (at = 2; at < 30; at++) {
        Liar liar;
        uint64_t seq;

        liar_init(&liar, 64);
        liar.at = at;
        liar.lie = lie_everywhere;
        g_assert_true(open_liar(&liar, &reader, &err));
        for (seq = 1; seq <= 64; seq++) {
            g_assert_true(recorder_reader_look(&reader, &err));
            g_assert_true(recorder_reader_fetch(&reader, seq, &err));
            g_assert_cmpint(evring_read(&reader.ring, seq, words), ==,
                            EVRING_OK);
        }
        g_assert_cmpuint(reader.ring.mask, ==, 63);
        g_assert_cmpuint(reader.image->heads_offset, <, reader.size);
        recorder_reader_close(&reader);
        free(liar.bytes);
    }
}

static void lie_head(Liar *liar)
{
    atomic_store(&liar->ring.shared->head, UINT64_MAX);
}

/* A head at the end of all numbers would be counted up to for ever. */
static void test_head_lies(void)
{
    RecorderReader reader;
    Liar liar;
    Err err = {};

    liar_init(&liar, 10);
    g_assert_true(open_liar(&liar, &reader, &err));
    liar.at = liar.n_reads + 1;
    liar.lie = lie_head;
    g_assert_false(recorder_reader_look(&reader, &err));
    g_assert_nonnull(strstr(err.text, "cannot hold"));
    g_assert_cmpuint(evring_head(&reader.ring), ==, 0);
    recorder_reader_close(&reader);
    free(liar.bytes);
}

static void cut_slots(Liar *liar)
{
    liar->size = header_of(liar)->slots_offset + 100;
}

static void cut_all(Liar *liar)
{
    liar->size = 0;
}

/* Cut short before any read: a sentence, or all was there already. */
static void test_truncated(void)
{
    static void (*const cuts[])(Liar *) = { cut_slots, cut_all };
    RecorderReader reader;
    unsigned n_failed = 0;
    unsigned at;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cuts); i++) {
        for (at = 1; at < 16; at++) {
            Err err = {};
            Liar liar;
            bool good;

            liar_init(&liar, 64);
            liar.at = at;
            liar.lie = cuts[i];
            good = open_liar(&liar, &reader, &err) &&
                   recorder_reader_look(&reader, &err) &&
                   recorder_reader_fetch(&reader, 1, &err);
            if (!good) {
                n_failed++;
                g_assert_cmpint(err.code, ==, ERR_IO);
                g_assert_nonnull(strstr(err.text, "was cut short while"));
            }
            recorder_reader_close(&reader);
            free(liar.bytes);
        }
    }
    g_assert_cmpuint(n_failed, >, 16);
}

/* The writer comes round to record 1 while its slot is being copied. */
static void lap(Liar *liar)
{
    push(&liar->ring, 65);
}

static void half_a_lap(Liar *liar)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&liar->ring, &seq);

    evring_put(slot, 0, 12345);
}

static void test_overwritten_meanwhile(void)
{
    static void (*const laps[])(Liar *) = { lap, half_a_lap };
    RecorderReader reader;
    uint64_t words[WORDS];
    unsigned at;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(laps); i++) {
        for (at = 1; at <= 3; at++) {
            Err err = {};
            Liar liar;

            liar_init(&liar, 64);
            g_assert_true(open_liar(&liar, &reader, &err));
            liar.at = liar.n_reads + at;
            liar.lie = laps[i];
            g_assert_true(recorder_reader_fetch(&reader, 1, &err));
            g_assert_cmpint(evring_read(&reader.ring, 1, words), ==,
                            EVRING_OVERWRITTEN);
            g_assert_cmpint(evring_read(&reader.ring, 2, words), ==,
                            EVRING_OK);
            g_assert_true(is_whole(words));
            recorder_reader_close(&reader);
            free(liar.bytes);
        }
    }
}

/* Committed between the two copies: it may have been torn in the first. */
static void commit_late(Liar *liar)
{
    evring_put(liar->late, 0, 7 * 31);
    evring_commit(liar->late, 1);
}

static void test_committed_meanwhile(void)
{
    RecorderReader reader;
    uint64_t words[WORDS];
    uint64_t seq;
    Liar liar;
    Err err = {};

    liar_init(&liar, 0);
    liar.late = evring_claim(&liar.ring, &seq);
    push(&liar.ring, 2);
    g_assert_true(open_liar(&liar, &reader, &err));
    liar.at = liar.n_reads + 2;
    liar.lie = commit_late;
    g_assert_true(recorder_reader_fetch(&reader, 1, &err));
    g_assert_cmpint(evring_read(&reader.ring, 1, words), ==, EVRING_PENDING);
    g_assert_true(recorder_reader_look(&reader, &err));
    g_assert_true(recorder_reader_fetch(&reader, 1, &err));
    g_assert_cmpint(evring_read(&reader.ring, 1, words), ==, EVRING_OK);
    recorder_reader_close(&reader);
    free(liar.bytes);
}

/* A name is added between the counts and the rest of the tables. */
static void test_tables(void)
{
    RecorderReader reader;
    uint32_t *tables;
    uint32_t *copy;
    Liar liar;
    Err err = {};

    liar_init(&liar, 0);
    tables = (uint32_t *)(liar.bytes + header_of(&liar)->tables_offset);
    g_assert_true(open_liar(&liar, &reader, &err));
    copy = (uint32_t *)((char *)reader.image + reader.image->tables_offset);
    tables[0] = 1;
    tables[600] = 11;
    g_assert_true(recorder_reader_look(&reader, &err));
    g_assert_cmpuint(copy[0], ==, 1);
    g_assert_cmpuint(copy[600], ==, 11);
    tables[601] = 12;
    g_assert_true(recorder_reader_look(&reader, &err));
    g_assert_cmpuint(copy[601], ==, 12);
    recorder_reader_close(&reader);
    free(liar.bytes);
}

/* A real file, its writer at full speed, and then one that lies and cuts. */

enum { RACE_EVENTS = 300000 };

typedef struct Race {
    int fd;
    uint64_t size;
    char *mem;
    Evring ring;
    atomic_bool stop;
} Race;

static void race_init(Race *race, const EvringShape *race_shape)
{
    memset(race, 0, sizeof(*race));
    race->fd = memfd_create("ring", MFD_CLOEXEC);
    race->size = evring_file_size(race_shape);
    g_assert_cmpint(ftruncate(race->fd, (off_t)race->size), ==, 0);
    race->mem = mmap(NULL, race->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     race->fd, 0);
    g_assert_true(race->mem != MAP_FAILED);
    evring_file_init((EvringHeader *)race->mem, race_shape);
    evring_file_publish((EvringHeader *)race->mem);
    evring_file_ring((EvringHeader *)race->mem, &race->ring);
}

static void race_deinit(Race *race)
{
    munmap(race->mem, race->size);
    close(race->fd);
}

static gpointer write_events(gpointer opaque)
{
    Race *race = opaque;
    uint64_t i;

    for (i = 1; i <= RACE_EVENTS; i++) {
        push(&race->ring, i);
    }
    atomic_store(&race->stop, true);
    return NULL;
}

static void test_race(void)
{
    EvringShape race_shape = shape;
    RecorderReader reader;
    uint64_t words[WORDS];
    uint64_t next = 1;
    uint64_t n_read = 0;
    uint64_t n_lost = 0;
    GThread *writer;
    Err err = {};
    Race race;
    bool last;

    race_shape.entries = 4096;
    race_init(&race, &race_shape);
    g_assert_true(recorder_reader_open(&reader, race.fd, &err));
    writer = g_thread_new("writer", write_events, &race);
    do {
        last = atomic_load(&race.stop);
        g_assert_true(recorder_reader_look(&reader, &err));
        while (next <= evring_head(&reader.ring)) {
            g_assert_true(recorder_reader_fetch(&reader, next, &err));
            if (evring_read(&reader.ring, next, words) == EVRING_OK) {
                g_assert_true(is_whole(words));
                g_assert_cmpuint(words[0], ==, next * 31);
                n_read++;
            } else if (next < evring_oldest(&reader.ring)) {
                n_lost++;
            } else {
                break;
            }
            next++;
        }
    } while (!last);
    g_thread_join(writer);
    g_assert_cmpuint(n_read + n_lost, ==, RACE_EVENTS);
    g_assert_cmpuint(n_read, >=, 4096);
    recorder_reader_close(&reader);
    race_deinit(&race);
}

static gpointer lie_and_cut(gpointer opaque)
{
    Race *race = opaque;
    GRand *random = g_rand_new_with_seed(11);
    uint64_t value;

    while (!atomic_load(&race->stop)) {
        uint32_t at = g_rand_int_range(random, 0, (gint32)race->size) & ~7u;

        if (g_rand_int_range(random, 0, 4) == 0) {
            at = (uint32_t)g_rand_int_range(random, 0, 128) & ~7u;
        }
        value = (uint64_t)g_rand_int(random) << g_rand_int_range(random, 0, 33);
        g_assert_cmpint(pwrite(race->fd, &value, sizeof(value), at), >, 0);
        if (g_rand_int_range(random, 0, 200) == 0) {
            g_assert_cmpint(ftruncate(race->fd, at), ==, 0);
            g_assert_cmpint(ftruncate(race->fd, (off_t)race->size), ==, 0);
        }
        if (g_rand_int_range(random, 0, 50) == 0) {
            /* A header that can be opened. */
            evring_file_init((EvringHeader *)race->mem, &shape);
            evring_file_publish((EvringHeader *)race->mem);
        }
    }
    g_rand_free(random);
    return NULL;
}

/* No matter what: it ends, and nothing outside of the image is touched. */
static void test_liar(void)
{
    gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC;
    uint64_t words[EVRING_MAX_WORDS];
    RecorderReader reader;
    unsigned n_opened = 0;
    GThread *writer;
    Race race;
    Err err;

    race_init(&race, &shape);
    writer = g_thread_new("liar", lie_and_cut, &race);
    while (g_get_monotonic_time() < end || n_opened < 20) {
        uint64_t seq;
        uint64_t i;

        if (!recorder_reader_open(&reader, race.fd, &err)) {
            continue;
        }
        n_opened++;
        for (i = 0; i < 20 && recorder_reader_look(&reader, &err); i++) {
            seq = evring_oldest(&reader.ring);
            for (; seq <= evring_head(&reader.ring); seq++) {
                if (!recorder_reader_fetch(&reader, seq, &err)) {
                    break;
                }
                evring_read(&reader.ring, seq, words);
            }
        }
        recorder_reader_close(&reader);
    }
    atomic_store(&race.stop, true);
    g_thread_join(writer);
    race_deinit(&race);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recorder/reader/all", test_all);
    g_test_add_func("/recorder/reader/header-lies", test_header_lies);
    g_test_add_func("/recorder/reader/head-lies", test_head_lies);
    g_test_add_func("/recorder/reader/truncated", test_truncated);
    g_test_add_func("/recorder/reader/overwritten-meanwhile",
                    test_overwritten_meanwhile);
    g_test_add_func("/recorder/reader/committed-meanwhile",
                    test_committed_meanwhile);
    g_test_add_func("/recorder/reader/tables", test_tables);
    g_test_add_func("/recorder/reader/race", test_race);
    g_test_add_func("/recorder/reader/liar", test_liar);
    return g_test_run();
}
