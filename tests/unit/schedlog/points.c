/*
 * schedlog/store: what happens between two steps of a reader.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/point.h"
#include "schedlog/store.h"

#include <glib.h>
#include <string.h>

void (*test_point)(const char *name);

static SchedlogStore store;
static ClockKeeper keeper;
static unsigned n_added;
static unsigned to_add;

static void add_one(void)
{
    SchedlogGuest guest = { .build = ++n_added };

    schedlog_store_add_guest(&store, &guest);
}

static void add_meanwhile(const char *name)
{
    g_assert_cmpstr(name, ==, "guest-read");
    test_point = NULL;
    while (to_add--) {
        add_one();
    }
}

/* The oldest entry kept is read while others come, and one takes its place. */
static void test_guest_overwritten(void)
{
    RecorderRun run = { .build_id = "", .exe = "" };
    uint64_t size = schedlog_store_size(64);
    unsigned n;

    for (n = 0; n <= SCHEDLOG_MAX_GUESTS; n++) {
        void *mem = aligned_alloc(4096, size);
        ClockReading now;
        SchedlogGuest guest;
        bool there;

        memset(mem, 0, size);
        clock_read(clock_host_kind(), &now);
        schedlog_store_init(&store, mem, 64, &run, &keeper, &now);
        n_added = 0;
        add_one();
        to_add = n;
        test_point = add_meanwhile;
        there = schedlog_store_guest(&store, 0, &guest);
        g_assert_null(test_point);
        /* With the 17th its place is taken, and during the 16th may be. */
        g_assert_cmpint(there, ==, n + 1 < SCHEDLOG_MAX_GUESTS);
        if (there) {
            g_assert_cmpuint(guest.build, ==, 1);
        }
        free(mem);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/schedlog/points/guest-overwritten",
                    test_guest_overwritten);
    return g_test_run();
}
