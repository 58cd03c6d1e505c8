/*
 * winos/time: counters that are none are refused, and what is told adds up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/time.h"

#include "fake-guest.h"

#include <glib.h>
#include <string.h>

#define KUSER   0xfffff78000000000
#define PRCB    0xfffff80100000180
#define IDLE    0xffffa00000001040

enum { KERNEL = 0x8644, COUNT = 0x8640, TICKS = 10000, TICK_UNITS = 156250 };

typedef struct Fixture {
    FakeGuest g;
    WinosResult result;
    const WinosExtra *extra;
} Fixture;

/* The row of a build, or the newest of the table. */
static const TableRow *row_of(uint32_t build)
{
    unsigned i;

    for (i = 0; i < winos_table_size; i++) {
        if (winos_table[i].build == build) {
            return &winos_table[i];
        }
    }
    g_assert_not_reached();
}

static void fixture_init(Fixture *f, uint32_t build)
{
    memset(f, 0, sizeof(*f));
    fake_guest_init(&f->g, 4 << 20, 4);
    fake_guest_map(&f->g, KUSER, GMEM_PAGE);
    fake_guest_map(&f->g, PRCB & ~0xfffull, 0xa000);
    fake_guest_map(&f->g, IDLE & ~0xfffull, GMEM_PAGE);
    f->result.kernel.space = f->g.space;
    f->result.rows[0] = row_of(build);
    f->result.n_rows = 1;
    f->result.same_build = true;
    f->extra = winos_extra_of(&f->result);
    fake_guest_put64(&f->g, KUSER + 0x320, TICKS);
    fake_guest_put64(&f->g, KUSER + 0x08, (uint64_t)TICKS * TICK_UNITS);
    fake_guest_put32(&f->g, KUSER + 0x10, 0);
}

static void fixture_deinit(Fixture *f)
{
    fake_guest_deinit(&f->g);
}

/* Of build 26100; the idle thread's are all kernel time. */
static void put_times(Fixture *f, uint32_t kernel, uint32_t user,
                      uint32_t dpc, uint32_t interrupt, uint32_t idle)
{
    fake_guest_put32(&f->g, PRCB + COUNT, 4711);
    fake_guest_put32(&f->g, PRCB + KERNEL, kernel);
    fake_guest_put32(&f->g, PRCB + KERNEL + 4, user);
    fake_guest_put32(&f->g, PRCB + KERNEL + 8, dpc);
    fake_guest_put32(&f->g, PRCB + KERNEL + 12, interrupt);
    fake_guest_put32(&f->g, IDLE + 0x28c, idle);
}

typedef struct TimeCase {
    const char *name;
    uint32_t kernel, user, dpc, interrupt, idle;
    bool same_build;
    bool ok;
    uint32_t threads;           /* the kernel's, of all but the idle one */
    const char *why;            /* part of the sentence when refused */
} TimeCase;

static const TimeCase cases[] = {
    { "plain", 6000, 4000, 300, 200, 5000, true, true, 500, NULL },
    { "never-in-kernel", 0, 10, 0, 0, 0, true, true, 0, NULL },
    { "idle-a-tick-ahead", 6000, 4000, 300, 200, 5501, true, true, 0, NULL },
    { "parts-exceed", 6000, 4000, 3000, 2000, 5000, true, false, 0,
      "no times" },
    { "parts-wrap", 6000, 4000, 0xffffffff, 1, 5000, true, false, 0,
      "no times" },
    { "all-zero", 0, 0, 0, 0, 0, true, false, 0, "no times" },
    { "other-build", 6000, 4000, 300, 200, 5000, false, true, 500, NULL },
    { "other-build-too-many", 60000, 40000, 300, 200, 5000, false, false, 0,
      "clock" },
    { "other-build-too-few", 60, 40, 3, 2, 50, false, false, 0, "clock" },
};

static void test_read(gconstpointer data)
{
    const TimeCase *c = data;
    Fixture f;
    WinosCpuTime time;
    Err err = { 0 };

    fixture_init(&f, 26100);
    put_times(&f, c->kernel, c->user, c->dpc, c->interrupt, c->idle);
    f.result.same_build = c->same_build;
    g_assert_nonnull(f.extra);
    g_assert_cmpint(winos_time_read(&f.result, f.extra, PRCB, IDLE, &time,
                                    &err), ==, c->ok);
    if (c->ok) {
        g_assert_cmpuint(time.user, ==, c->user);
        g_assert_cmpuint(time.kernel, ==, c->threads);
        g_assert_cmpuint(time.dpc, ==, c->dpc);
        g_assert_cmpuint(time.interrupt, ==, c->interrupt);
        g_assert_cmpuint(time.idle, ==, c->idle);
        g_assert_cmpuint(time.interrupts, ==, 4711);
    } else {
        g_assert_nonnull(strstr(err.text, c->why));
    }
    fixture_deinit(&f);
}

static void test_missing(void)
{
    Fixture f;
    WinosCpuTime time;
    Err err = { 0 };

    fixture_init(&f, 26100);
    put_times(&f, 6000, 4000, 300, 200, 5000);
    g_assert_false(winos_time_read(&f.result, f.extra, PRCB, IDLE + 0x10000,
                                   &time, &err));
    g_assert_cmpint(err.code, ==, ERR_FAULT);
    g_assert_false(winos_time_read(&f.result, f.extra, 0x1234, IDLE, &time,
                                   &err));
    g_assert_cmpint(err.code, ==, ERR_FAULT);
    fixture_deinit(&f);
}

static void test_clock(void)
{
    Fixture f;
    WinosClock clock;

    fixture_init(&f, 26100);
    g_assert_true(winos_clock_read(&f.result, &clock));
    g_assert_cmpuint(clock.ticks, ==, TICKS);
    g_assert_cmpuint(clock.tick_ns, ==, 100 * TICK_UNITS);
    /* Torn: the high half differs for as long as one looks. */
    fake_guest_put32(&f.g, KUSER + 0x10, 1);
    g_assert_false(winos_clock_read(&f.result, &clock));
    fake_guest_put32(&f.g, KUSER + 0x10, 0);
    /* No ticks, and ticks of years and of nothing. */
    fake_guest_put64(&f.g, KUSER + 0x320, 0);
    g_assert_false(winos_clock_read(&f.result, &clock));
    fake_guest_put64(&f.g, KUSER + 0x320, UINT64_MAX);
    g_assert_false(winos_clock_read(&f.result, &clock));
    fake_guest_put64(&f.g, KUSER + 0x320, 1);
    g_assert_false(winos_clock_read(&f.result, &clock));
    fixture_deinit(&f);
}

/* Every complete row has its extras, and they are each file's own. */
static void test_extras(void)
{
    Fixture f;

    fixture_init(&f, 7600);
    g_assert_nonnull(f.extra);
    g_assert_false(winos_extra_has(f.extra, WINOS_KTHREAD_WAIT_BLOCK_COUNT));
    g_assert_true(winos_extra_has(f.extra, WINOS_WAIT_BLOCK_NEXT));
    g_assert_cmpint(f.extra->at[WINOS_PRCB_KERNEL_TIME], ==, 0x4704);
    f.result.rows[0] = row_of(19041);
    f.extra = winos_extra_of(&f.result);
    g_assert_cmpint(f.extra->at[WINOS_PRCB_KERNEL_TIME], ==, 0x7e84);
    f.result.n_rows = 0;
    g_assert_null(winos_extra_of(&f.result));
    fixture_deinit(&f);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *name = g_strdup_printf("/winos/time/%s", cases[i].name);

        g_test_add_data_func(name, &cases[i], test_read);
        g_free(name);
    }
    g_test_add_func("/winos/time/missing", test_missing);
    g_test_add_func("/winos/time/clock", test_clock);
    g_test_add_func("/winos/time/extras", test_extras);
    return g_test_run();
}
