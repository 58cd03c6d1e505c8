/*
 * watch/dense: polling without sleeping, and when it stops.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine.h"

#include <glib.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static void begin(Machine *m, uint32_t dense_ms)
{
    machine_init(m);
    m->config.poll_hz = WATCH_POLL_DENSE;
    m->config.dense_ms = dense_ms;
    machine_restart(m);
    machine_find(m);
    machine_turn(m);
}

static uint64_t polls_in(Machine *m, uint64_t ns)
{
    WinschedCounts before = machine_vcpu(m, 0).counts;

    machine_run(m, ns);
    return machine_vcpu(m, 0).counts.samples[WINSCHED_POLL] -
           before.samples[WINSCHED_POLL];
}

/* A round takes 100 ns of the made-up machine's time. */
static void test_rounds(gconstpointer can_map)
{
    Machine m;
    unsigned i;

    begin(&m, 0);
    m.can_map = GPOINTER_TO_INT(can_map);
    g_assert_cmpuint(polls_in(&m, 1 * MS), >, 9000);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ON);
    g_assert_cmpuint(watch_turn(m.watch), ==, 0);
    m.n_events = 0;
    for (i = 0; i < 10; i++) {
        machine_switch(&m, 2, 1 + i % 3);
        machine_run(&m, 100000);
    }
    g_assert_cmpuint(m.n_events, ==, 10);
    machine_deinit(&m);
}

static void test_longest_gap(void)
{
    Machine m;

    begin(&m, 0);
    machine_run(&m, 1 * MS);
    g_assert_cmpuint(machine_status(&m).longest_gap_ns, ==, 10);
    m.stamp += 500;
    machine_turn(&m);
    g_assert_cmpuint(machine_status(&m).longest_gap_ns, ==, 5010);
    /* What passes while the machine stands still is no gap. */
    watch_set_running(m.watch, false);
    machine_run(&m, 100 * MS);
    m.stamp += 5000;
    watch_set_running(m.watch, true);
    machine_run(&m, 1 * MS);
    g_assert_cmpuint(machine_status(&m).longest_gap_ns, ==, 5010);
    machine_deinit(&m);
}

static void test_ends(void)
{
    Machine m;

    begin(&m, 50);
    machine_run(&m, 40 * MS);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ON);
    machine_run(&m, 15 * MS);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ENDED);
    g_assert_cmpuint(polls_in(&m, 1 * S), <=, 1001);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ENDED);
    g_assert_cmpint(machine_status(&m).state, ==, WATCH_ACTIVE);
    machine_deinit(&m);
}

/* It waits for a CPU a tenth of the time: others need it. */
static void crowd(Machine *m, uint64_t ns, unsigned percent)
{
    uint64_t end = m->now_ns + ns;

    while (m->now_ns < end &&
           machine_status(m).dense == WATCH_DENSE_ON) {
        uint64_t begin_ns = m->now_ns;

        machine_turn(m);
        m->cpu_wait_ns += (m->now_ns - begin_ns) * percent / 100;
    }
}

static void test_yields(void)
{
    uint64_t n;
    Machine m;

    begin(&m, 0);
    crowd(&m, 500 * MS, 5);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ON);
    crowd(&m, 500 * MS, 15);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_YIELDED);
    g_assert_cmpuint(machine_status(&m).dense_yields, ==, 1);
    n = polls_in(&m, 900 * MS);
    g_assert_cmpuint(n, >=, 890);
    g_assert_cmpuint(n, <=, 901);
    /* It tries again, and waits twice as long when that was in vain. */
    machine_run(&m, 110 * MS);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ON);
    crowd(&m, 500 * MS, 15);
    g_assert_cmpuint(machine_status(&m).dense_yields, ==, 2);
    machine_run(&m, 1900 * MS);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_YIELDED);
    machine_run(&m, 200 * MS);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_ON);
    machine_deinit(&m);
}

static void reset(Machine *m)
{
    watch_reset(m->watch);
}

/* Inside of a burst: nothing is sampled any more, and the turn ends. */
static void test_reset(void)
{
    unsigned at;

    for (at = 0; at < 64; at++) {
        WinschedCounts before;
        Machine m;

        begin(&m, 0);
        m.can_map = true;
        machine_run(&m, 1 * MS);
        machine_at(&m, MACHINE_STAMP, at, reset);
        m.silent = true;
        m.n_events = 0;
        watch_turn(m.watch);
        g_assert_null(m.then);
        before = machine_vcpu(&m, 0).counts;
        machine_switch(&m, 0, 2);
        machine_turn(&m);
        g_assert_cmpuint(machine_vcpu(&m, 0).counts.samples[WINSCHED_POLL],
                         ==, before.samples[WINSCHED_POLL]);
        g_assert_cmpuint(m.n_events, ==, 0);
        machine_deinit(&m);
    }
}

static WinschedCounts at_reset;

/* The next guest's store, where the last one's CurrentThread was. */
static void reset_and_store(Machine *m)
{
    watch_reset(m->watch);
    m->n_events = 0;
    machine_store(m, 0, 2);
    at_reset = machine_vcpu(m, 0).counts;
}

/* Inside of a round: what is unpublished is not sampled, let alone recorded. */
static void test_unpublished(gconstpointer can_map)
{
    unsigned at;

    for (at = 0; at < 40; at++) {
        WinschedCounts counts;
        Machine m;

        begin(&m, 0);
        m.can_map = GPOINTER_TO_INT(can_map);
        machine_run(&m, 1 * MS);
        machine_at(&m, m.can_map ? MACHINE_STAMP : MACHINE_SAMPLED, at,
                   reset_and_store);
        watch_turn(m.watch);
        g_assert_null(m.then);
        counts = machine_vcpu(&m, 0).counts;
        g_assert_cmpuint(counts.samples[WINSCHED_POLL], ==,
                         at_reset.samples[WINSCHED_POLL]);
        g_assert_cmpuint(counts.torn, ==, at_reset.torn);
        g_assert_cmpuint(counts.faults, ==, at_reset.faults);
        g_assert_cmpuint(m.n_events, ==, 0);
        machine_deinit(&m);
    }
}

static void test_off(void)
{
    Machine m;

    machine_init(&m);
    machine_find(&m);
    g_assert_cmpint(machine_status(&m).dense, ==, WATCH_DENSE_OFF);
    g_assert_cmpuint(machine_status(&m).longest_gap_ns, ==, 0);
    machine_deinit(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/watch/dense/rounds/mapped", GINT_TO_POINTER(1),
                         test_rounds);
    g_test_add_data_func("/watch/dense/rounds/sampled", NULL, test_rounds);
    g_test_add_func("/watch/dense/longest-gap", test_longest_gap);
    g_test_add_func("/watch/dense/ends", test_ends);
    g_test_add_func("/watch/dense/yields", test_yields);
    g_test_add_func("/watch/dense/reset", test_reset);
    g_test_add_data_func("/watch/dense/unpublished/mapped",
                         GINT_TO_POINTER(1), test_unpublished);
    g_test_add_data_func("/watch/dense/unpublished/sampled", NULL,
                         test_unpublished);
    g_test_add_func("/watch/dense/off", test_off);
    return g_test_run();
}
