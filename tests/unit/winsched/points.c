/*
 * winsched/sampler: what happens between two steps of another thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/sampler.h"

#include "base/point.h"
#include "objects.h"

#include <glib.h>
#include <string.h>

#define THREADS     0xffffb00000000000
#define PROCESSES   0xffffc00000000000
#define PRCB        0xfffff80000010180

enum { N_THREADS = 3, SPACING = 0x1000, MAX_EVENTS = 16 };

/* A guest with one vCPU, and what other threads do meanwhile. */
typedef struct Bench {
    HookedGuest h;
    Winsched ws;
    WinschedCpu cpu;
    uint64_t current;
    uint64_t time;
    void (*meanwhile)(void);    /* when CurrentThread is read again; once */
    WinschedSwitch events[MAX_EVENTS];
    unsigned n_events;
} Bench;

static Bench b;
static void (*at_point)(void);

void (*test_point)(const char *name);

static uint64_t thread_at(unsigned n)
{
    return THREADS + n * SPACING + 0x340;
}

static void once(void (**what)(void))
{
    void (*then)(void) = *what;

    *what = NULL;
    if (then) {
        then();
    }
}

static void on_point(const char *name)
{
    g_assert_cmpstr(name, ==, "change-busy");
    once(&at_point);
}

static void bench_record(void *opaque, const WinschedSwitch *event)
{
    (void)opaque;
    g_assert_cmpuint(b.n_events, <, MAX_EVENTS);
    b.events[b.n_events++] = *event;
}

static uint64_t bench_now(void *opaque)
{
    (void)opaque;
    return ++b.time;
}

static bool bench_current(void *opaque, const WinschedCpu *cpu,
                          uint64_t *thread)
{
    (void)opaque;
    (void)cpu;
    *thread = b.current;
    once(&b.meanwhile);
    return true;
}

static void begin(void)
{
    ProcessObject p = { .at = PROCESSES + 0x100, .id = 400, .created = 6000,
                        .image = "game.exe" };
    unsigned n;

    memset(&b, 0, sizeof(b));
    hooked_guest_init(&b.h, 4);
    fake_guest_map(&b.h.g, THREADS, (N_THREADS + 1) * SPACING);
    fake_guest_map(&b.h.g, PROCESSES, GMEM_PAGE);
    objects_put_process(&b.h.g, &p);
    for (n = 0; n < N_THREADS; n++) {
        ThreadObject t = {
            .at = thread_at(n), .process = p.at, .attached = p.at,
            .pid = 400, .tid = 1000 + 4 * n, .created = 7000 + n,
            .state = 2, .priority = 8,
        };

        objects_put_thread(&b.h.g, &t);
    }
    b.ws.space = b.h.g.space;
    objects_layout(&b.ws.layout);
    b.ws.record = bench_record;
    b.ws.now = bench_now;
    b.ws.current = bench_current;
    winsched_cpu_init(&b.cpu, 0, PRCB, thread_at(0));
    b.current = thread_at(0);
    test_point = on_point;
    winsched_sample(&b.ws, &b.cpu, b.current, WINSCHED_EXIT);
    b.n_events = 0;
}

static void end(void)
{
    hooked_guest_deinit(&b.h);
}

/*
 * A poll has seen a change and has busy; before it looks whether the vCPU is
 * owned, exact mode begins there.  Whoever took it over recorded what ran, so
 * the poll must leave it at that.  (The real winsched_arm() waits for busy;
 * this is what it has done when busy was given back in between.)
 */
static void own(void)
{
    atomic_store(&b.cpu.armed, true);
}

static void test_owned_under_busy(void)
{
    begin();
    b.current = thread_at(1);
    at_point = own;
    winsched_sample(&b.ws, &b.cpu, b.current, WINSCHED_POLL);
    g_assert_null(at_point);
    g_assert_cmpuint(b.n_events, ==, 0);
    g_assert_cmphex(atomic_load(&b.cpu.last), ==, thread_at(0));
    /* It is the hit that records it, once. */
    winsched_hit(&b.ws, &b.cpu, b.current, 1000);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmpint(b.events[0].origin, ==, WINSCHED_EXACT);
    /* Busy was given back. */
    winsched_disarm(&b.cpu);
    b.current = thread_at(2);
    winsched_sample(&b.ws, &b.cpu, b.current, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 2);
    end();
}

/*
 * A hit is recording when exact mode ends, and at that moment a poll sees the
 * same change.  The hit has not taken busy, so the poll gets it.
 */
static void disown_and_poll(void)
{
    winsched_disarm(&b.cpu);
    winsched_sample(&b.ws, &b.cpu, b.current, WINSCHED_POLL);
}

static void test_hitting(void)
{
    begin();
    g_assert_true(winsched_arm(&b.ws, &b.cpu, b.current));
    b.current = thread_at(1);
    b.meanwhile = disown_and_poll;
    winsched_hit(&b.ws, &b.cpu, b.current, 1000);
    g_assert_null(b.meanwhile);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmpint(b.events[0].origin, ==, WINSCHED_EXACT);
    g_assert_cmpuint(b.events[0].stamp, ==, 1000);
    g_assert_cmphex(b.events[0].from.thread, ==, thread_at(0));
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winsched/points/owned-under-busy",
                    test_owned_under_busy);
    g_test_add_func("/winsched/points/hitting", test_hitting);
    return g_test_run();
}
