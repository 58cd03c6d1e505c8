/*
 * recorder/keeper-thread: all rings' clocks are looked at, by one thread, for
 * as long as they are kept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/keeper-thread.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static int failure;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *opaque);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *opaque);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *opaque)
{
    return failure ? failure :
           __real_pthread_create(thread, attr, run, opaque);
}

typedef struct Kept {
    ClockKeeper keeper;
    ClockSource source;
    ClockMap shared;
} Kept;

static void begin(Kept *k)
{
    ClockKind kind = clock_host_kind();
    ClockReading before, now;

    memset(k, 0, sizeof(*k));
    clock_read(kind, &before);
    g_usleep(500);
    clock_read(kind, &now);
    keeper_begin(&k->keeper, &k->source, kind, &k->shared, keeper_at_load(),
                 &before, &now);
}

static unsigned count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* The first is refused; nothing is left of that, and the next may succeed. */
static void test_no_thread(void)
{
    unsigned n_fds, i;
    Kept k;
    Err err;

    begin(&k);
    failure = EAGAIN;
    g_assert_false(keeper_thread_keep(&k.keeper, &err));
    g_assert_cmpstr(err.text, ==, "thread vmscope-clock cannot begin: "
                    "Resource temporarily unavailable");
    n_fds = count_fds();
    for (i = 0; i < 10; i++) {
        g_assert_false(keeper_thread_keep(&k.keeper, &err));
    }
    g_assert_cmpuint(count_fds(), ==, n_fds);
    failure = 0;
    keeper_thread_leave(&k.keeper);
}

/* Kept until it was looked at; its figures are read when it is not kept. */
static void keep_until_look(Kept *k)
{
    uint64_t first = k->keeper.last.monotonic_ns;
    Err err;

    do {
        g_assert_true(keeper_thread_keep(&k->keeper, &err));
        g_usleep(2000);
        keeper_thread_leave(&k->keeper);
    } while (k->keeper.last.monotonic_ns == first);
}

static void test_keeps(void)
{
    static const ClockMap empty;
    uint64_t last, now;
    Kept one, two;
    Err err;

    begin(&one);
    begin(&two);
    keep_until_look(&one);
    keep_until_look(&two);
    /* What is not kept any more is not looked at, whatever else is. */
    last = one.keeper.last.monotonic_ns;
    keep_until_look(&two);
    g_assert_cmpuint(one.keeper.last.monotonic_ns, ==, last);
    keeper_thread_leave(&one.keeper);

    memset(&two.shared, 0, sizeof(two.shared));
    g_assert_true(keeper_thread_keep(&two.keeper, &err));
    keeper_thread_republish(&two.keeper);
    keeper_thread_leave(&two.keeper);
    g_assert_true(memcmp(&two.shared, &empty, sizeof(empty)));
    now = clock_now_ns();
    g_assert_cmpuint(clock_map_ns(&two.shared, clock_stamp(&two.source)) + MS,
                     >, now);
}

static void test_at_load(void)
{
    ClockReading now;

    clock_read(clock_host_kind(), &now);
    g_assert_cmpuint(keeper_at_load()->monotonic_ns, >, 0);
    g_assert_cmpuint(keeper_at_load()->monotonic_ns, <, now.monotonic_ns);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keeper-thread/no-thread", test_no_thread);
    g_test_add_func("/keeper-thread/keeps", test_keeps);
    g_test_add_func("/keeper-thread/at-load", test_at_load);
    return g_test_run();
}
