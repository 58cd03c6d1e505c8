/*
 * recorder/clock: what was turned into ns once stays so, and stamps come from
 * where their source says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/clock.h"

#include <glib.h>

#define ONE (UINT64_C(1) << 32)

static void test_ns_is_itself(void)
{
    ClockMap map = { .kind = CLOCK_KIND_NS };

    g_assert_cmpuint(clock_map_ns(&map, 123456789), ==, 123456789);
}

static void test_segments(void)
{
    ClockMap map = { .kind = CLOCK_KIND_TSC };

    clock_map_append(&map, 1000, 50, ONE / 2);
    clock_map_append(&map, 2000, 550, ONE * 2);
    g_assert_cmpuint(clock_map_ns(&map, 1000), ==, 50);
    g_assert_cmpuint(clock_map_ns(&map, 1998), ==, 549);
    g_assert_cmpuint(clock_map_ns(&map, 2000), ==, 550);
    g_assert_cmpuint(clock_map_ns(&map, 2001), ==, 552);
    /* Before the first: extrapolated. */
    g_assert_cmpuint(clock_map_ns(&map, 980), ==, 40);
}

/* More segments than are kept: the oldest stamps are extrapolated. */
static void test_many_segments(void)
{
    ClockMap map = { .kind = CLOCK_KIND_TSC };
    uint64_t i;

    for (i = 1; i <= 3 * CLOCK_SEGMENTS; i++) {
        clock_map_append(&map, i * 1000, i * 500, ONE / 2);
    }
    g_assert_cmpuint(clock_map_ns(&map, 1000), ==, 500);
    g_assert_cmpuint(clock_map_ns(&map, i * 1000), ==, i * 500);
}

static void test_empty_map(void)
{
    ClockMap map = { .kind = CLOCK_KIND_TSC };

    g_assert_cmpuint(clock_map_ns(&map, 42), ==, 0);
}

static void test_source(void)
{
    ClockSource source = { .kind = CLOCK_KIND_NS, .ns_offset = 5000000 };
    uint64_t before = clock_now_ns();
    uint64_t stamp = clock_stamp(&source);

    g_assert_cmpuint(stamp, >=, before + 5000000);
    g_assert_cmpuint(stamp, <=, clock_now_ns() + 5000000);
    if (clock_has_tsc()) {
        source.kind = CLOCK_KIND_TSC;
        source.tsc_offset = 1000;
        before = clock_count(CLOCK_KIND_TSC);
        stamp = clock_stamp(&source);
        g_assert_cmpuint(stamp, >=, before + 1000);
        g_assert_cmpuint(stamp, <=, clock_count(CLOCK_KIND_TSC) + 1000);
    }
}

static void test_read(void)
{
    ClockReading a;
    ClockReading b;

    clock_read(CLOCK_KIND_NS, &a);
    g_usleep(2000);
    clock_read(CLOCK_KIND_NS, &b);
    g_assert_cmpuint(a.counter, ==, a.monotonic_ns);
    g_assert_cmpuint(b.monotonic_ns - a.monotonic_ns, >=, 2000000);
    g_assert_cmpuint(b.raw_ns - a.raw_ns, >=, 1900000);
    g_assert_true(a.trusted);
    clock_read(clock_host_kind(), &b);
    g_assert_cmpint(b.trusted, ==, true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recorder/clock/ns-is-itself", test_ns_is_itself);
    g_test_add_func("/recorder/clock/segments", test_segments);
    g_test_add_func("/recorder/clock/many-segments", test_many_segments);
    g_test_add_func("/recorder/clock/empty-map", test_empty_map);
    g_test_add_func("/recorder/clock/source", test_source);
    g_test_add_func("/recorder/clock/read", test_read);
    return g_test_run();
}
