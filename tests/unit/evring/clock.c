/*
 * evring/clock: what was turned into ns once stays so, later stamps never
 * give less, and the map finds back to the true clock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "evring/clock.h"

#include <glib.h>
#include <stdatomic.h>

/* A made-up counter of 2.5 GHz whose rate can be bent. */
typedef struct FakeClock {
    double stamp;
    double ns;
    double ghz;
} FakeClock;

static void fake_run(FakeClock *c, double ns)
{
    c->ns += ns;
    c->stamp += ns * c->ghz;
}

static ClockTriple fake_read(const FakeClock *c)
{
    ClockTriple triple = {
        .monotonic_ns = (uint64_t)c->ns,
        .realtime_ns = (uint64_t)c->ns + 1000,
        .stamp = (uint64_t)c->stamp,
    };

    return triple;
}

static void test_ns_is_itself(void)
{
    ClockMap map = {};
    ClockKeeper keeper;
    ClockTriple now = { .monotonic_ns = 5, .stamp = 5 };

    clock_map_init(&map, CLOCK_KIND_NS, &keeper, &now, &now);
    g_assert_cmpuint(clock_map_ns(&map, 123456789), ==, 123456789);
    clock_map_steer(&map, &keeper, &now);
    g_assert_cmpuint(atomic_load(&map.n_segments), ==, 1);
}

static int64_t error_of(const ClockMap *map, const FakeClock *c)
{
    return (int64_t)clock_map_ns(map, (uint64_t)c->stamp) - (int64_t)c->ns;
}

/* The rate is learned wrongly at first, and then bent as NTP does. */
static void test_steers_back(void)
{
    FakeClock c = { .stamp = 1e12, .ns = 7e12, .ghz = 2.5 };
    ClockTriple earlier = fake_read(&c);
    ClockTriple now;
    ClockMap map = {};
    ClockKeeper keeper;
    uint64_t before = 0;
    int i;

    fake_run(&c, 1e6);
    now = fake_read(&c);
    now.monotonic_ns += 200;    /* 200 ppm off */
    clock_map_init(&map, CLOCK_KIND_TSC, &keeper, &earlier, &now);
    for (i = 0; i < 200; i++) {
        uint64_t ns;

        fake_run(&c, i == 0 ? 10e6 : 1e9);
        ns = clock_map_ns(&map, (uint64_t)c.stamp);
        g_assert_cmpuint(ns, >, before);
        before = ns;
        now = fake_read(&c);
        clock_map_steer(&map, &keeper, &now);
        if (i == 100) {
            c.ghz = 2.5 * (1 + 1e-6);
        }
        if (i > 10) {
            g_assert_cmpint(ABS(error_of(&map, &c)), <, 5000);
        }
    }
    g_assert_cmpint(ABS(error_of(&map, &c)), <=, 300);
}

static void test_never_changes_the_past(void)
{
    FakeClock c = { .stamp = 1e9, .ns = 1e9, .ghz = 3.0 };
    ClockTriple now = fake_read(&c);
    ClockTriple earlier = now;
    uint64_t stamps[40];
    uint64_t told[40];
    ClockMap map = {};
    ClockKeeper keeper;
    int i;

    fake_run(&c, 5e6);
    now = fake_read(&c);
    clock_map_init(&map, CLOCK_KIND_TSC, &keeper, &earlier, &now);
    for (i = 0; i < 40; i++) {
        fake_run(&c, 0.3e9);
        stamps[i] = (uint64_t)c.stamp;
        told[i] = clock_map_ns(&map, stamps[i]);
        fake_run(&c, 0.7e9 + (i % 5) * 2000);
        now = fake_read(&c);
        now.monotonic_ns += (i % 3) * 700;
        clock_map_steer(&map, &keeper, &now);
    }
    g_assert_cmpuint(atomic_load(&map.n_segments), >, 5);
    for (i = 0; i < 40; i++) {
        g_assert_cmpuint(clock_map_ns(&map, stamps[i]), ==, told[i]);
        g_assert_true(i == 0 || told[i] > told[i - 1]);
    }
}

/* More segments than are kept: the oldest stamps are extrapolated. */
static void test_many_segments(void)
{
    FakeClock c = { .stamp = 1e9, .ns = 1e9, .ghz = 2.0 };
    ClockTriple first = fake_read(&c);
    ClockTriple now;
    ClockMap map = {};
    ClockKeeper keeper;
    uint64_t ns;
    int i;

    clock_map_init(&map, CLOCK_KIND_TSC, &keeper, &first, &first);
    for (i = 0; i < 3 * CLOCK_SEGMENTS; i++) {
        fake_run(&c, 1e9);
        now = fake_read(&c);
        now.monotonic_ns += i % 2 ? 3000 : 0;
        clock_map_steer(&map, &keeper, &now);
    }
    g_assert_cmpuint(atomic_load(&map.n_segments), >, CLOCK_SEGMENTS);
    ns = clock_map_ns(&map, first.stamp);
    g_assert_cmpint(ABS((int64_t)(ns - first.monotonic_ns)), <, 10000000);
}

static void test_empty_map(void)
{
    ClockMap map = { .kind = CLOCK_KIND_TSC };

    g_assert_cmpuint(clock_map_ns(&map, 42), ==, 0);
}

static void test_host(void)
{
    ClockKind kind = clock_host_kind();
    ClockTriple a;
    ClockTriple b;
    ClockMap map = {};
    ClockKeeper keeper;
    uint64_t before;
    uint64_t ns;
    uint64_t after;

    clock_read_triple(kind, &a);
    g_usleep(20000);
    clock_read_triple(kind, &b);
    clock_map_init(&map, kind, &keeper, &a, &b);
    before = clock_now_ns();
    ns = clock_map_ns(&map, clock_stamp(kind));
    after = clock_now_ns();
    /* 20 ms tell the rate to some 5 ppm; 100 us is far beyond that. */
    g_assert_cmpuint(ns + 100000, >, before);
    g_assert_cmpuint(ns, <, after + 100000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evring/clock/ns-is-itself", test_ns_is_itself);
    g_test_add_func("/evring/clock/steers-back", test_steers_back);
    g_test_add_func("/evring/clock/never-changes-the-past",
                    test_never_changes_the_past);
    g_test_add_func("/evring/clock/many-segments", test_many_segments);
    g_test_add_func("/evring/clock/empty-map", test_empty_map);
    g_test_add_func("/evring/clock/host", test_host);
    return g_test_run();
}
