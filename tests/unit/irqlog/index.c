/*
 * irqlog/index: a line is found by all that makes it what it is, also while
 * others are added, and an address that is used again is another line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/index.h"

#include <glib.h>
#include <string.h>

typedef struct TestIndex {
    IrqlogIndex *index;
    IrqlogStore store;
    void *mem;
} TestIndex;

static void test_index_init(TestIndex *t)
{
    uint64_t size = irqlog_store_size(64, 0);
    ClockReading earlier = { .monotonic_ns = 1 };
    ClockKeeper keeper;
    RecorderRun run = { .build_id = "", .exe = "" };

    t->index = g_new0(IrqlogIndex, 1);
    t->mem = aligned_alloc(4096, size);
    memset(t->mem, 0, size);
    irqlog_store_init(&t->store, t->mem, 64, 0, &run, &keeper, &earlier);
}

static void test_index_deinit(TestIndex *t)
{
    g_free(t->index);
    free(t->mem);
}

static uint32_t add(TestIndex *t, const IrqlogIdentity *identity)
{
    IrqlogLineInfo line = {
        .irq = identity->key,
        .handler = identity->handler,
        .opaque = identity->opaque,
        .n = identity->n,
    };
    uint32_t id = irqlog_store_add_line(&t->store, &line, identity->parent);

    irqlog_index_add(t->index, identity->key, id);
    return id;
}

static void test_all_of_it_counts(void)
{
    const IrqlogIdentity first = { 0x1000, 0x20, 0x30, 0x40, 5 };
    IrqlogIdentity other[5];
    TestIndex t;
    uint32_t id;
    int i;

    test_index_init(&t);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &first), ==,
                     IRQLOG_NO_LINE);
    id = add(&t, &first);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &first), ==, id);
    for (i = 0; i < 5; i++) {
        other[i] = first;
    }
    other[0].key = 0x1010;
    other[1].handler++;
    other[2].opaque++;
    other[3].parent = 0;
    other[4].n++;
    for (i = 0; i < 5; i++) {
        g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &other[i]), ==,
                         IRQLOG_NO_LINE);
        g_assert_cmpuint(add(&t, &other[i]), ==, id + 1 + i);
    }
    for (i = 0; i < 5; i++) {
        g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &other[i]), ==,
                         id + 1 + i);
    }
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &first), ==, id);
    test_index_deinit(&t);
}

/* The address is used again by what looks the same but is not. */
static void test_removed(void)
{
    const IrqlogIdentity identity = { 0x1000, 0x20, 0x30, 0x40, 5 };
    TestIndex t;
    uint32_t id;

    test_index_init(&t);
    id = add(&t, &identity);
    irqlog_index_remove(t.index, identity.key, id + 1);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==, id);
    irqlog_index_remove(t.index, identity.key, id);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==,
                     IRQLOG_NO_LINE);
    g_assert_cmpuint(add(&t, &identity), ==, id + 1);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==,
                     id + 1);
    irqlog_index_remove(t.index, 0x5000, 0);
    test_index_deinit(&t);
}

/* One line a device and vector, however many messages and addresses. */
static void test_messages(void)
{
    const uint64_t device = 0x56000000a010;
    TestIndex t;
    uint32_t first;
    uint32_t second;
    int i;

    IrqlogIdentity identity = irqlog_message_identity(device, 0x40, 0x4031);

    test_index_init(&t);
    g_assert_cmphex(identity.opaque, ==, device);
    g_assert_cmpint(identity.n, ==, 0x31);
    first = add(&t, &identity);
    identity = irqlog_message_identity(device, 0x40, 0x32);
    second = add(&t, &identity);
    for (i = 0; i < 10000; i++) {
        uint32_t data = i << 8 | (i % 2 ? 0x32 : 0x31);

        identity = irqlog_message_identity(device, 0x40, data);
        g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==,
                         i % 2 ? second : first);
    }
    g_assert_cmpuint(irqlog_store_n_lines(&t.store), ==, 2);
    identity = irqlog_message_identity(device + 16, 0x40, 0x31);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==,
                     IRQLOG_NO_LINE);
    irqlog_index_remove(t.index, irqlog_message_key(device, 0x31), first);
    identity = irqlog_message_identity(device, 0x40, 0x31);
    g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==,
                     IRQLOG_NO_LINE);
    test_index_deinit(&t);
}

/* All vectors of one device are told apart without a search through them. */
static void test_vectors_are_spread(void)
{
    uint64_t cells[256];
    unsigned i;
    unsigned j;
    TestIndex t;

    test_index_init(&t);
    for (i = 0; i < 256; i++) {
        IrqlogIdentity identity = irqlog_message_identity(0x56000000a010, 0,
                                                          i);
        unsigned cell = 0;

        add(&t, &identity);
        while (atomic_load(&t.index->cells[cell].key) != identity.key) {
            cell++;
        }
        cells[i] = cell;
    }
    for (i = 0; i < 256; i++) {
        unsigned near = 0;

        for (j = 0; j < 256; j++) {
            near += cells[j] / 8 == cells[i] / 8;
        }
        g_assert_cmpuint(near, <=, 4);
    }
    test_index_deinit(&t);
}

/* A line that comes again and again is refused once. */
static void test_refused(void)
{
    TestIndex t;
    unsigned refused = 0;
    unsigned i;

    test_index_init(&t);
    for (i = 0; i < 1000; i++) {
        IrqlogIdentity identity = { 0x1000 + i % 5 * 16, 1, 2, 3, i % 10 };

        refused += irqlog_index_refuse(t.index, &identity);
    }
    g_assert_cmpuint(refused, ==, 10);
    test_index_deinit(&t);
}

static IrqlogIdentity nth(unsigned i)
{
    return (IrqlogIdentity){ 0x560000000000 + (i % 100) * 16, 1, 2, 3, i };
}

static void test_full(void)
{
    TestIndex t;
    unsigned i;

    test_index_init(&t);
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        IrqlogIdentity identity = nth(i);

        g_assert_cmpuint(add(&t, &identity), ==, i);
    }
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        IrqlogIdentity identity = nth(i);

        g_assert_cmpuint(irqlog_index_find(t.index, &t.store, &identity), ==,
                         i);
    }
    test_index_deinit(&t);
}

static gpointer find_all(gpointer opaque)
{
    TestIndex *t = opaque;
    unsigned found = 0;

    while (found < IRQLOG_MAX_LINES) {
        IrqlogIdentity identity = nth(found);
        uint32_t id = irqlog_index_find(t->index, &t->store, &identity);

        if (id == found) {
            found++;
        } else {
            g_assert_cmpuint(id, ==, IRQLOG_NO_LINE);
        }
    }
    return NULL;
}

static void test_found_while_added(void)
{
    GThread *threads[3];
    TestIndex t;
    unsigned i;

    test_index_init(&t);
    for (i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("find", find_all, &t);
    }
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        IrqlogIdentity identity = nth(i);

        add(&t, &identity);
    }
    for (i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    test_index_deinit(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/irqlog/index/all-of-it-counts", test_all_of_it_counts);
    g_test_add_func("/irqlog/index/removed", test_removed);
    g_test_add_func("/irqlog/index/messages", test_messages);
    g_test_add_func("/irqlog/index/vectors-are-spread",
                    test_vectors_are_spread);
    g_test_add_func("/irqlog/index/refused", test_refused);
    g_test_add_func("/irqlog/index/full", test_full);
    g_test_add_func("/irqlog/index/found-while-added",
                    test_found_while_added);
    return g_test_run();
}
