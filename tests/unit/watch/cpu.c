/*
 * watch/cpu: a thread that has to share its CPU is seen to wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/watch.h"

#include "watch/slot.h"

#include <glib.h>
#include <sched.h>
#include <stdatomic.h>

static atomic_bool stop;

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    g_assert_cmpint(sched_setaffinity(0, sizeof(set), &set), ==, 0);
}

static gpointer spin(gpointer opaque)
{
    pin(GPOINTER_TO_INT(opaque));
    while (!atomic_load(&stop)) {
    }
    return NULL;
}

static void test_shared(void)
{
    int cpu = sched_getcpu();
    GThread *other = g_thread_new("spin", spin, GINT_TO_POINTER(cpu));
    uint64_t begin = watch_linux_wait_ns();
    gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

    pin(cpu);
    while (watch_linux_wait_ns() - begin < 10000000 &&
           g_get_monotonic_time() < end) {
    }
    g_assert_cmpuint(watch_linux_wait_ns() - begin, >=, 10000000);
    atomic_store(&stop, true);
    g_thread_join(other);
}

static void test_names(void)
{
    g_assert_cmpstr(watch_state_name(WATCH_DEGRADED), ==, "degraded");
    g_assert_cmpstr(watch_dense_name(WATCH_DENSE_YIELDED), ==, "yielded");
    g_assert_cmpstr(watch_state_name((WatchState)99), ==, "unknown");
    g_assert_cmpstr(watch_dense_name((WatchDense)99), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watch/cpu/shared", test_shared);
    g_test_add_func("/watch/names", test_names);
    return g_test_run();
}
