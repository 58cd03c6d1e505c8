/*
 * winsched/times: whose ticks are told, and which are believed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/times.h"

#include "objects.h"

#include <glib.h>
#include <string.h>

#define THREAD  0xffffa00000001040
#define PROCESS 0xffffa00000003080

/* Of build 26100. */
enum { KERNEL = 0x28c, USER = 0x2dc, ENDED_KERNEL = 0x138, ENDED_USER = 0x140,
       CLIENT_ID = 0x508 };

typedef struct Fixture {
    HookedGuest h;
    WinosResult result;
    const WinosExtra *extra;
    WinosClock clock;
} Fixture;

static void fixture_init(Fixture *f)
{
    const ProcessObject process = { .at = PROCESS, .id = 4000,
                                    .created = 77, .image = "render.exe" };
    const ThreadObject thread = { .at = THREAD, .process = PROCESS,
                                  .attached = PROCESS, .pid = 4000,
                                  .tid = 4004, .created = 78, .state = 2 };
    unsigned i;

    memset(f, 0, sizeof(*f));
    hooked_guest_init(&f->h, 4);
    fake_guest_map(&f->h.g, THREAD & ~0xfffull, 0x4000);
    objects_put_process(&f->h.g, &process);
    objects_put_thread(&f->h.g, &thread);
    fake_guest_put32(&f->h.g, THREAD + KERNEL, 300);
    fake_guest_put32(&f->h.g, THREAD + USER, 700);
    fake_guest_put64(&f->h.g, PROCESS + ENDED_KERNEL, 11);
    fake_guest_put64(&f->h.g, PROCESS + ENDED_USER, 22);
    f->result.kernel.space = f->h.g.space;
    objects_layout(&f->result.layout);
    for (i = 0; i < winos_table_size; i++) {
        if (winos_table[i].build == 26100) {
            f->result.rows[0] = &winos_table[i];
        }
    }
    f->result.n_rows = 1;
    f->extra = winos_extra_of(&f->result);
    g_assert_nonnull(f->extra);
    f->clock = (WinosClock) { .ticks = 10000, .tick_ns = 15625000 };
}

static bool read_it(Fixture *f, WinschedTime *time)
{
    return winsched_time_read(&f->result, f->extra, &f->clock, THREAD, time);
}

static void test_plain(void)
{
    Fixture f;
    WinschedTime time;

    fixture_init(&f);
    g_assert_true(read_it(&f, &time));
    g_assert_cmphex(time.thread, ==, THREAD);
    g_assert_cmpuint(time.pid, ==, 4000);
    g_assert_cmpuint(time.tid, ==, 4004);
    g_assert_cmpuint(time.user, ==, 700);
    g_assert_cmpuint(time.kernel, ==, 300);
    g_assert_true(time.has_ended);
    g_assert_cmpuint(time.ended_user, ==, 22);
    g_assert_cmpuint(time.ended_kernel, ==, 11);
    hooked_guest_deinit(&f.h);
}

static void test_unknown(void)
{
    Fixture f;
    WinschedTime time;

    fixture_init(&f);
    g_assert_false(winsched_time_read(&f.result, NULL, &f.clock, THREAD,
                                      &time));
    g_assert_false(winsched_time_read(&f.result, f.extra, &f.clock,
                                      THREAD + 0x10000, &time));
    g_assert_false(winsched_time_read(&f.result, f.extra, &f.clock, PROCESS,
                                      &time));
    g_assert_false(winsched_time_read(&f.result, f.extra, &f.clock, 0x1234,
                                      &time));
    hooked_guest_deinit(&f.h);
}

/* No thread had more than the clock; without one the file must be known. */
static void test_clock(void)
{
    Fixture f;
    WinschedTime time;

    fixture_init(&f);
    fake_guest_put32(&f.h.g, THREAD + USER, 20000);
    g_assert_false(read_it(&f, &time));
    fake_guest_put32(&f.h.g, THREAD + USER, UINT32_MAX);
    g_assert_false(read_it(&f, &time));
    fake_guest_put32(&f.h.g, THREAD + USER, 700);
    g_assert_false(winsched_time_read(&f.result, f.extra, NULL, THREAD,
                                      &time));
    f.result.same_build = true;
    g_assert_true(winsched_time_read(&f.result, f.extra, NULL, THREAD,
                                     &time));
    hooked_guest_deinit(&f.h);
}

static bool becomes_another(void *opaque)
{
    Fixture *f = opaque;

    fake_guest_put64(&f->h.g, THREAD + CLIENT_ID + 8, 4008);
    return true;
}

/* Freed and used again while it is read: whenever that is, nobody's ticks. */
static void test_reused(void)
{
    Fixture f;
    WinschedTime time;
    uint64_t begin;
    uint64_t n;
    uint64_t i;

    fixture_init(&f);
    begin = f.h.n;
    g_assert_true(read_it(&f, &time));
    n = f.h.n - begin;
    hooked_guest_deinit(&f.h);
    for (i = 0; i < n; i++) {
        fixture_init(&f);
        hooked_guest_hook(&f.h, i, becomes_another, &f);
        if (read_it(&f, &time)) {
            /* It happened before its ids were read. */
            g_assert_cmpuint(time.tid, ==, 4008);
        }
        hooked_guest_deinit(&f.h);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winsched/times/plain", test_plain);
    g_test_add_func("/winsched/times/unknown", test_unknown);
    g_test_add_func("/winsched/times/clock", test_clock);
    g_test_add_func("/winsched/times/reused", test_reused);
    return g_test_run();
}
