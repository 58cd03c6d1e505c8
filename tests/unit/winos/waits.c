/*
 * winos/waits: wait blocks of Windows 7 and of later ones, and what a guest
 * that lies gets told: nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/waits.h"

#include "fake-guest.h"

#include <glib.h>
#include <string.h>

#define THREAD  0xffffa00000001040
#define OBJECTS 0xffffb00000000100
#define OWNER   0xffffa00000002080

typedef struct Fixture {
    FakeGuest g;
    WinosResult result;
    const WinosExtra *extra;
    WinosWait wait;
} Fixture;

static void fixture_init(Fixture *f, uint32_t build)
{
    unsigned i;

    memset(f, 0, sizeof(*f));
    fake_guest_init(&f->g, 4 << 20, 4);
    fake_guest_map(&f->g, THREAD & ~0xfffull, 4 * GMEM_PAGE);
    fake_guest_map(&f->g, OBJECTS & ~0xfffull, GMEM_PAGE);
    f->result.kernel.space = f->g.space;
    for (i = 0; i < winos_table_size; i++) {
        if (winos_table[i].build == build) {
            f->result.rows[0] = &winos_table[i];
        }
    }
    f->result.n_rows = 1;
    f->extra = winos_extra_of(&f->result);
    g_assert_nonnull(f->extra);
}

static uint64_t object_at(unsigned n)
{
    return OBJECTS + 0x40 * n;
}

static void put_object(Fixture *f, unsigned n, uint8_t type, int32_t signal)
{
    fake_guest_put8(&f->g, object_at(n), type);
    fake_guest_put32(&f->g, object_at(n) + 4, (uint32_t)signal);
}

static uint64_t block_at(const Fixture *f, unsigned n)
{
    return THREAD + (uint64_t)f->extra->at[WINOS_KTHREAD_WAIT_BLOCK] +
           0x30 * n;
}

/* A wait for the first @count objects. */
static void put_wait(Fixture *f, unsigned count, uint8_t type)
{
    const int32_t *at = f->extra->at;
    unsigned i;

    for (i = 0; i < count; i++) {
        uint64_t block = block_at(f, i);

        fake_guest_put64(&f->g, block + at[WINOS_WAIT_BLOCK_THREAD], THREAD);
        fake_guest_put64(&f->g, block + at[WINOS_WAIT_BLOCK_OBJECT],
                         object_at(i));
        fake_guest_put8(&f->g, block + at[WINOS_WAIT_BLOCK_TYPE], type);
        if (at[WINOS_WAIT_BLOCK_NEXT] >= 0) {
            fake_guest_put64(&f->g, block + at[WINOS_WAIT_BLOCK_NEXT],
                             block_at(f, (i + 1) % count));
        }
    }
    fake_guest_put64(&f->g, THREAD + at[WINOS_KTHREAD_WAIT_BLOCK_LIST],
                     block_at(f, 0));
    if (at[WINOS_KTHREAD_WAIT_BLOCK_COUNT] >= 0) {
        fake_guest_put8(&f->g, THREAD + at[WINOS_KTHREAD_WAIT_BLOCK_COUNT],
                        (uint8_t)count);
    }
}

static bool reads(Fixture *f)
{
    return winos_wait_read(&f->result, f->extra, THREAD, &f->wait);
}

/* Builds with either shape of wait block. */
static const uint32_t builds[] = { 7600, 9200, 19041, 26100 };

static void test_plain(gconstpointer data)
{
    Fixture f;

    fixture_init(&f, *(const uint32_t *)data);
    put_object(&f, 0, 5, 0);
    put_object(&f, 1, 2 | 0x80, 0);             /* with the lock bit */
    put_object(&f, 2, 2, 1);                    /* nobody has it */
    fake_guest_put64(&f.g, object_at(1) + 0x28, OWNER);
    fake_guest_put64(&f.g, object_at(2) + 0x28, OWNER);
    put_wait(&f, 3, 1);
    g_assert_true(reads(&f));
    g_assert_cmpuint(f.wait.n_objects, ==, 3);
    g_assert_false(f.wait.all);
    g_assert_cmpuint(f.wait.objects[0].address, ==, object_at(0));
    g_assert_cmpuint(f.wait.objects[0].type, ==, 5);
    g_assert_cmpuint(f.wait.objects[0].owner, ==, 0);
    g_assert_cmpuint(f.wait.objects[1].type, ==, WINOS_OBJECT_MUTANT);
    g_assert_cmpuint(f.wait.objects[1].owner, ==, OWNER);
    g_assert_cmpuint(f.wait.objects[2].owner, ==, 0);
    put_wait(&f, 1, 0);
    g_assert_true(reads(&f));
    g_assert_true(f.wait.all);
    fake_guest_deinit(&f.g);
}

/* The event of a taken one, with the reason that says so; else an event. */
static void test_fast_mutex(gconstpointer data)
{
    Fixture f;

    fixture_init(&f, *(const uint32_t *)data);
    put_object(&f, 0, 1, 0);
    put_wait(&f, 1, 1);
    fake_guest_put32(&f.g, object_at(0) - 0x18, 0);
    fake_guest_put64(&f.g, object_at(0) - 0x10, OWNER | 1);
    fake_guest_put8(&f.g, OWNER, 6);
    g_assert_true(reads(&f));
    winos_wait_fast_mutex(&f.result, 6, &f.wait);
    g_assert_false(f.wait.objects[0].fast_mutex);
    g_assert_cmpstr(winos_wait_object_name(&f.wait.objects[0]), ==,
                    "synchronisation event");
    winos_wait_fast_mutex(&f.result, 34, &f.wait);
    g_assert_true(f.wait.objects[0].fast_mutex);
    g_assert_cmphex(f.wait.objects[0].owner, ==, OWNER);
    g_assert_cmpstr(winos_wait_object_name(&f.wait.objects[0]), ==,
                    "fast mutex");
    /* It is free; its owner is a process; it is nowhere; a semaphore. */
    fake_guest_put32(&f.g, object_at(0) - 0x18, 1);
    g_assert_true(reads(&f));
    winos_wait_fast_mutex(&f.result, 34, &f.wait);
    g_assert_false(f.wait.objects[0].fast_mutex);
    fake_guest_put32(&f.g, object_at(0) - 0x18, 0xffffffff);
    winos_wait_fast_mutex(&f.result, 29, &f.wait);
    g_assert_true(f.wait.objects[0].fast_mutex);
    fake_guest_put8(&f.g, OWNER, 3);
    g_assert_true(reads(&f));
    winos_wait_fast_mutex(&f.result, 34, &f.wait);
    g_assert_false(f.wait.objects[0].fast_mutex);
    fake_guest_put64(&f.g, object_at(0) - 0x10, 0xffffc00000000000);
    winos_wait_fast_mutex(&f.result, 34, &f.wait);
    g_assert_false(f.wait.objects[0].fast_mutex);
    fake_guest_put64(&f.g, object_at(0) - 0x10, OWNER);
    fake_guest_put8(&f.g, OWNER, 6);
    put_object(&f, 0, 5, 0);
    g_assert_true(reads(&f));
    winos_wait_fast_mutex(&f.result, 34, &f.wait);
    g_assert_false(f.wait.objects[0].fast_mutex);
    g_assert_cmphex(f.wait.objects[0].owner, ==, 0);
    fake_guest_deinit(&f.g);
}

static void test_lies(gconstpointer data)
{
    Fixture f;
    const int32_t *at;

    fixture_init(&f, *(const uint32_t *)data);
    at = f.extra->at;
    g_assert_false(reads(&f));                  /* no list at all */
    put_object(&f, 0, 1, 0);
    put_wait(&f, 1, 1);
    g_assert_true(reads(&f));
    /* A block of another thread. */
    fake_guest_put64(&f.g, block_at(&f, 0) + at[WINOS_WAIT_BLOCK_THREAD],
                     OWNER);
    g_assert_false(reads(&f));
    /* A list in user space, not canonical, and nowhere. */
    put_wait(&f, 1, 1);
    fake_guest_put64(&f.g, THREAD + at[WINOS_KTHREAD_WAIT_BLOCK_LIST],
                     0x7ffe0000);
    g_assert_false(reads(&f));
    fake_guest_put64(&f.g, THREAD + at[WINOS_KTHREAD_WAIT_BLOCK_LIST],
                     0x8000123412341230);
    g_assert_false(reads(&f));
    fake_guest_put64(&f.g, THREAD + at[WINOS_KTHREAD_WAIT_BLOCK_LIST],
                     0xffffc00000000000);
    g_assert_false(reads(&f));
    /* An object nowhere, and an owner that is no address. */
    put_wait(&f, 1, 1);
    fake_guest_put64(&f.g, block_at(&f, 0) + at[WINOS_WAIT_BLOCK_OBJECT],
                     0xffffc00000000000);
    g_assert_true(reads(&f));
    g_assert_false(f.wait.objects[0].readable);
    put_wait(&f, 1, 1);
    put_object(&f, 0, 2, 0);
    fake_guest_put64(&f.g, object_at(0) + 0x28, 0x1234);
    g_assert_true(reads(&f));
    g_assert_cmpuint(f.wait.objects[0].owner, ==, 0);
    fake_guest_deinit(&f.g);
}

/* A chain that never comes back to its beginning, and too long a count. */
static void test_endless(gconstpointer data)
{
    Fixture f;
    const int32_t *at;

    fixture_init(&f, *(const uint32_t *)data);
    at = f.extra->at;
    put_wait(&f, 2, 1);
    if (at[WINOS_WAIT_BLOCK_NEXT] >= 0) {
        fake_guest_put64(&f.g, block_at(&f, 1) + at[WINOS_WAIT_BLOCK_NEXT],
                         block_at(&f, 1));
    } else {
        fake_guest_put8(&f.g, THREAD + at[WINOS_KTHREAD_WAIT_BLOCK_COUNT],
                        255);
    }
    g_assert_false(reads(&f));
    fake_guest_deinit(&f.g);
}

static void test_names(void)
{
    g_assert_cmpstr(winos_object_type_name(2), ==, "mutex");
    g_assert_cmpstr(winos_object_type_name(25), ==, "synchronisation timer");
    g_assert_null(winos_object_type_name(10));
    g_assert_null(winos_object_type_name(26));
    g_assert_null(winos_object_type_name(127));
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(builds); i++) {
        static const struct {
            const char *name;
            void (*run)(gconstpointer);
        } tests[] = {
            { "plain", test_plain }, { "lies", test_lies },
            { "endless", test_endless },
            { "fast-mutex", test_fast_mutex },
        };
        size_t k;

        for (k = 0; k < G_N_ELEMENTS(tests); k++) {
            char *name = g_strdup_printf("/winos/waits/%s/%u", tests[k].name,
                                         builds[i]);

            g_test_add_data_func(name, &builds[i], tests[k].run);
            g_free(name);
        }
    }
    g_test_add_func("/winos/waits/names", test_names);
    return g_test_run();
}
