/*
 * watchlog/rips: what is put in comes out, whole, until it is overwritten.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watchlog/rips.h"

#include <glib.h>
#include <string.h>

static WinschedRip sample_of(uint64_t n)
{
    WinschedRip sample = {
        .time_ns = 1000 + n,
        .thread = 0xffff800000000000 + n,
        .code = { .address = UINT64_MAX - n, .cpl = n & 3,
                  .protected_mode = n & 1, .paging = n >> 1 & 1,
                  .long_mode = n >> 2 & 1 },
        .pid = 0xfffffff0 + (n & 15),
        .tid = 0xffffff00 + (n & 255),
        .vcpu = n % 4096,
        .has = n & 255,
        .irql = n & 15,
    };

    g_snprintf(sample.image, sizeof(sample.image), "image%" G_GUINT64_FORMAT,
               n);
    memset(sample.name, 'n', sizeof(sample.name) - 1);
    return sample;
}

static void check(const WatchlogRips *rips, uint64_t seq, uint64_t n)
{
    WinschedRip expected = sample_of(n);
    WinschedRip sample;

    memset(&sample, 0xff, sizeof(sample));
    g_assert_cmpint(watchlog_rips_read(rips, seq, &sample), ==, EVRING_OK);
    g_assert_cmpuint(sample.seq, ==, seq);
    g_assert_cmpuint(sample.time_ns, ==, expected.time_ns);
    g_assert_cmphex(sample.thread, ==, expected.thread);
    g_assert_cmphex(sample.code.address, ==, expected.code.address);
    g_assert_cmpint(sample.code.cpl, ==, expected.code.cpl);
    g_assert_cmpint(sample.code.protected_mode, ==,
                    expected.code.protected_mode);
    g_assert_cmpint(sample.code.paging, ==, expected.code.paging);
    g_assert_cmpint(sample.code.long_mode, ==, expected.code.long_mode);
    g_assert_cmpuint(sample.pid, ==, expected.pid);
    g_assert_cmpuint(sample.tid, ==, expected.tid);
    g_assert_cmpuint(sample.vcpu, ==, expected.vcpu);
    g_assert_cmphex(sample.has, ==, expected.has);
    g_assert_cmpuint(sample.irql, ==, expected.irql);
    g_assert_cmpstr(sample.image, ==, expected.image);
    g_assert_cmpstr(sample.name, ==, expected.name);
}

static void test_round_trip(void)
{
    WatchlogRips *rips = watchlog_rips_new();
    WinschedRip sample;
    uint64_t n;

    g_assert_cmpint(watchlog_rips_read(rips, 1, &sample), ==, EVRING_FUTURE);
    for (n = 0; n < 512; n++) {
        sample = sample_of(n);
        watchlog_rips_put(rips, &sample);
        check(rips, n + 1, n);
    }
    g_assert_cmpuint(evring_head(watchlog_rips_ring(rips)), ==, 512);
    watchlog_rips_free(rips);
    watchlog_rips_free(NULL);
}

static void test_overwritten(void)
{
    WatchlogRips *rips = watchlog_rips_new();
    uint64_t entries = watchlog_rips_ring(rips)->mask + 1;
    WinschedRip sample;
    uint64_t n;

    for (n = 0; n < entries + 3; n++) {
        sample = sample_of(n);
        watchlog_rips_put(rips, &sample);
    }
    g_assert_cmpint(watchlog_rips_read(rips, 3, &sample), ==,
                    EVRING_OVERWRITTEN);
    check(rips, 4, 3);
    check(rips, entries + 3, entries + 2);
    watchlog_rips_free(rips);
}

/* Texts that fill their room end there all the same. */
static void test_full_texts(void)
{
    WatchlogRips *rips = watchlog_rips_new();
    WinschedRip sample = {};

    memset(sample.image, 'i', sizeof(sample.image));
    memset(sample.name, 'n', sizeof(sample.name));
    watchlog_rips_put(rips, &sample);
    g_assert_cmpint(watchlog_rips_read(rips, 1, &sample), ==, EVRING_OK);
    g_assert_cmpuint(strlen(sample.image), ==, sizeof(sample.image) - 1);
    g_assert_cmpuint(strlen(sample.name), ==, sizeof(sample.name) - 1);
    watchlog_rips_free(rips);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rips/round-trip", test_round_trip);
    g_test_add_func("/rips/overwritten", test_overwritten);
    g_test_add_func("/rips/full-texts", test_full_texts);
    return g_test_run();
}
