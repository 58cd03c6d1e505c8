/*
 * winsched/sampler: a vCPU that tells of each switch, and what is lost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/sampler.h"

#include "objects.h"

#include <glib.h>
#include <string.h>

#define THREADS     0xffffb00000000000
#define PROCESSES   0xffffc00000000000
#define NAMES       0xffffd00000000000
#define PRCB        0xfffff80000010180

enum { N_THREADS = 4, SPACING = 0x1000, COUNTER = 0x2d3c, MAX_EVENTS = 64 };

/* A guest with one vCPU, which counts its switches, and what was recorded. */
typedef struct Bench {
    HookedGuest h;
    Winsched ws;
    WinschedCpu cpu;
    _Atomic uint64_t current;
    uint32_t count;
    _Atomic uint64_t time;
    WinschedSwitch events[MAX_EVENTS];
    unsigned n_events;
} Bench;

static uint64_t thread_at(unsigned n)
{
    return THREADS + n * SPACING + 0x340;
}

static void bench_record(void *opaque, const WinschedSwitch *event)
{
    Bench *b = opaque;

    g_assert_cmpuint(b->n_events, <, MAX_EVENTS);
    b->events[b->n_events++] = *event;
}

static uint64_t bench_now(void *opaque)
{
    Bench *b = opaque;

    return ++b->time;
}

static bool bench_current(void *opaque, const WinschedCpu *cpu,
                          uint64_t *thread)
{
    Bench *b = opaque;

    g_assert_true(cpu == &b->cpu);
    *thread = b->current;
    return true;
}

static void put_thread(Bench *b, unsigned n, uint8_t state, uint8_t reason)
{
    ThreadObject t = {
        .at = thread_at(n), .process = PROCESSES + 0x100,
        .attached = PROCESSES + 0x100, .pid = 400, .tid = 1000 + 4 * n,
        .created = 7000 + n, .name = NAMES + 0x100 * n, .state = state,
        .wait_reason = reason, .priority = 8,
    };

    objects_put_thread(&b->h.g, &t);
}

static void count_one(Bench *b)
{
    fake_guest_put32(&b->h.g, PRCB + COUNTER, ++b->count);
}

static void bench_init(Bench *b)
{
    ProcessObject p = { .at = PROCESSES + 0x100, .id = 400, .created = 6000,
                        .image = "game.exe" };
    unsigned n;

    memset(b, 0, sizeof(*b));
    hooked_guest_init(&b->h, 4);
    fake_guest_map(&b->h.g, THREADS, (N_THREADS + 1) * SPACING);
    fake_guest_map(&b->h.g, PROCESSES, GMEM_PAGE);
    fake_guest_map(&b->h.g, NAMES, GMEM_PAGE);
    fake_guest_map(&b->h.g, PRCB & ~0xfffull, 4 * GMEM_PAGE);
    objects_put_process(&b->h.g, &p);
    for (n = 0; n < N_THREADS; n++) {
        put_thread(b, n, 2, 0);
    }
    b->ws.space = b->h.g.space;
    objects_layout(&b->ws.layout);
    objects_set(&b->ws.layout, WINOS_PRCB_CONTEXT_SWITCHES, COUNTER);
    b->count = 1000;
    count_one(b);
    b->ws.record = bench_record;
    b->ws.now = bench_now;
    b->ws.current = bench_current;
    b->ws.opaque = b;
    winsched_cpu_init(&b->cpu, 3, PRCB, thread_at(0));
    b->current = thread_at(0);
}

/* The guest's store, of which the vCPU tells. */
static void store(Bench *b, uint64_t thread)
{
    b->current = thread;
    winsched_hit(&b->ws, &b->cpu, thread, 1000000 + b->time);
}

/* A whole switch: the counter follows the store. */
static void switch_to(Bench *b, unsigned n)
{
    store(b, thread_at(n));
    count_one(b);
}

/* One of which nobody tells. */
static void switch_unseen(Bench *b, unsigned n)
{
    b->current = thread_at(n);
    count_one(b);
}

static bool check(Bench *b)
{
    return winsched_verify(&b->ws, &b->cpu, b->current);
}

static bool doubt(Bench *b)
{
    return winsched_suspect(&b->ws, &b->cpu, b->current);
}

static void look(Bench *b, WinschedOrigin origin)
{
    winsched_sample(&b->ws, &b->cpu, b->current, origin);
}

static void own(Bench *b)
{
    g_assert_true(winsched_arm(&b->ws, &b->cpu, b->current));
}

static void test_each(void)
{
    Bench b;
    unsigned i;

    bench_init(&b);
    own(&b);
    /* Who runs at the beginning is known from then on. */
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmpint(b.events[0].origin, ==, WINSCHED_EXIT);
    for (i = 1; i < 20; i++) {
        switch_to(&b, i % N_THREADS);
        g_assert_true(check(&b));
        g_assert_false(doubt(&b));
        look(&b, WINSCHED_EXIT);
        look(&b, WINSCHED_POLL);
    }
    g_assert_cmpuint(b.n_events, ==, 20);
    for (i = 1; i < 20; i++) {
        g_assert_cmpint(b.events[i].origin, ==, WINSCHED_EXACT);
        g_assert_cmphex(b.events[i].to.thread, ==, thread_at(i % N_THREADS));
        g_assert_cmphex(b.events[i].from.thread, ==,
                        thread_at((i - 1) % N_THREADS));
        g_assert_cmpuint(b.events[i].stamp, >, 1000000);
        g_assert_cmpuint(b.events[i].missed, ==, 0);
    }
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    hooked_guest_deinit(&b.h);
}

static void test_equal(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    store(&b, thread_at(0));
    store(&b, thread_at(1));
    store(&b, thread_at(1));
    g_assert_cmpuint(b.n_events, ==, 2);
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    hooked_guest_deinit(&b.h);
}

/* Between the store and what is told of it, others see the new thread. */
static void test_others_compare(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    b.current = thread_at(1);
    look(&b, WINSCHED_POLL);
    look(&b, WINSCHED_EXIT);
    g_assert_cmpuint(b.n_events, ==, 1);
    switch_to(&b, 1);
    g_assert_cmpuint(b.n_events, ==, 2);
    g_assert_cmpint(b.events[1].origin, ==, WINSCHED_EXACT);
    g_assert_true(check(&b));
    hooked_guest_deinit(&b.h);
}

static void test_old_state(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    put_thread(&b, 0, 5, 13);
    switch_to(&b, 1);
    g_assert_cmpuint(b.events[1].from.state, ==, 5);
    g_assert_cmpuint(b.events[1].from.wait_reason, ==, 13);
    hooked_guest_deinit(&b.h);
}

/* What is there is no thread; the switch took place all the same. */
static void test_wild(void)
{
    static const uint64_t wild[] = { 0xffffb00000000f00, 0x1000, 8,
                                     0xffffe00000000000 };
    Bench b;
    unsigned i;

    bench_init(&b);
    own(&b);
    for (i = 0; i < G_N_ELEMENTS(wild); i++) {
        store(&b, wild[i]);
        count_one(&b);
        g_assert_cmpuint(b.n_events, ==, i + 2);
        g_assert_cmphex(b.events[i + 1].to.thread, ==, wild[i]);
        g_assert_cmphex(b.events[i + 1].to.has, ==, 0);
    }
    g_assert_true(check(&b));
    hooked_guest_deinit(&b.h);
}

static void test_lost_thread(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    switch_to(&b, 1);
    switch_unseen(&b, 2);
    g_assert_false(doubt(&b));      /* it may be told of yet */
    g_assert_true(doubt(&b));
    g_assert_false(check(&b));
    g_assert_cmpuint(winsched_lost(&b.cpu), >, 0);
    hooked_guest_deinit(&b.h);
}

/* A thread left and came back: only the counter tells. */
static void test_lost_counter(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    switch_to(&b, 1);
    switch_unseen(&b, 2);
    switch_unseen(&b, 1);
    g_assert_false(doubt(&b));
    g_assert_true(doubt(&b));
    g_assert_false(check(&b));
    hooked_guest_deinit(&b.h);
}

/* Seen at the next one that is told of. */
static void test_lost_between(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    switch_to(&b, 1);
    switch_unseen(&b, 2);
    switch_unseen(&b, 3);
    switch_to(&b, 1);
    switch_unseen(&b, 2);
    switch_unseen(&b, 3);
    switch_to(&b, 0);
    g_assert_cmpuint(winsched_lost(&b.cpu), >, 0);
    hooked_guest_deinit(&b.h);
}

/* What was missed by sampling is not held against the watch. */
static void test_before(void)
{
    Bench b;
    unsigned i;

    bench_init(&b);
    look(&b, WINSCHED_POLL);
    for (i = 0; i < 10; i++) {
        switch_unseen(&b, 1 + i % 2);
    }
    switch_unseen(&b, 0);
    own(&b);
    g_assert_true(check(&b));
    g_assert_false(doubt(&b));
    switch_to(&b, 1);
    /* The record says it: it is of the time before. */
    g_assert_cmpuint(b.events[b.n_events - 1].missed, >=, 9);
    switch_to(&b, 2);
    g_assert_true(check(&b));
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    hooked_guest_deinit(&b.h);
}

/* What was missed before makes up for misses of that time alone, once. */
static void test_before_once(void)
{
    Bench b;
    unsigned i;

    bench_init(&b);
    look(&b, WINSCHED_POLL);
    for (i = 0; i < 10; i++) {
        switch_unseen(&b, 1 + i % 2);
    }
    switch_unseen(&b, 0);
    own(&b);
    switch_to(&b, 1);
    g_assert_cmpuint(b.events[b.n_events - 1].missed, >=, 9);
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    switch_unseen(&b, 2);
    switch_unseen(&b, 3);
    switch_to(&b, 0);
    switch_to(&b, 1);
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 2);
    hooked_guest_deinit(&b.h);
}

/* Begun inside of a switch, at any place of it. */
static void test_begun_inside(void)
{
    unsigned seen;

    for (seen = 0; seen < 4; seen++) {
        Bench b;

        bench_init(&b);
        if (seen & 1) {
            look(&b, WINSCHED_POLL);
        }
        b.current = thread_at(1);
        if (seen & 2) {
            look(&b, WINSCHED_POLL);
        }
        own(&b);
        count_one(&b);
        g_assert_true(check(&b));
        switch_to(&b, 2);
        switch_to(&b, 3);
        g_assert_true(check(&b));
        g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
        hooked_guest_deinit(&b.h);
    }
}

/* The counter before the store, as another kernel may have it. */
static void test_counter_first(void)
{
    Bench b;
    unsigned i;

    bench_init(&b);
    own(&b);
    for (i = 1; i < 20; i++) {
        count_one(&b);
        g_assert_true(check(&b));
        store(&b, thread_at(i % N_THREADS));
        g_assert_true(check(&b));
    }
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    hooked_guest_deinit(&b.h);
}

static void test_busy(void)
{
    Bench b;

    bench_init(&b);
    atomic_flag_test_and_set(&b.cpu.busy);
    g_assert_false(winsched_arm(&b.ws, &b.cpu, b.current));
    g_assert_false(winsched_is_armed(&b.cpu));
    atomic_flag_clear(&b.cpu.busy);
    own(&b);
    /* Somebody came too late; he leaves all as it is. */
    atomic_flag_test_and_set(&b.cpu.busy);
    store(&b, thread_at(1));
    g_assert_cmpuint(b.n_events, ==, 2);
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    winsched_disarm(&b.cpu);
    store(&b, thread_at(2));
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 1);
    hooked_guest_deinit(&b.h);
}

static void test_disown(void)
{
    Bench b;

    bench_init(&b);
    own(&b);
    switch_to(&b, 1);
    winsched_disarm(&b.cpu);
    switch_unseen(&b, 2);
    g_assert_true(check(&b));
    look(&b, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 3);
    g_assert_cmpint(b.events[2].origin, ==, WINSCHED_POLL);
    /* And again. */
    switch_unseen(&b, 3);
    own(&b);
    switch_to(&b, 0);
    g_assert_cmpuint(b.n_events, ==, 5);
    g_assert_cmpuint(winsched_lost(&b.cpu), ==, 0);
    hooked_guest_deinit(&b.h);
}

/*
 * One thread is the vCPU, owned and not in turn; another one polls all the
 * while.  Each hit is recorded, and records are made one at a time: each
 * begins where the one before ended.
 */
typedef struct Race {
    Bench b;
    uint64_t last;              /* not atomic: that is the point */
    unsigned hits, broken;
    _Atomic bool stop;
} Race;

static void race_record(void *opaque, const WinschedSwitch *event)
{
    Race *race = opaque;

    race->broken += event->from.thread != race->last;
    race->hits += event->origin == WINSCHED_EXACT;
    race->last = event->to.thread;
}

static uint64_t race_now(void *opaque)
{
    Race *race = opaque;

    return ++race->b.time;
}

static bool race_current(void *opaque, const WinschedCpu *cpu,
                         uint64_t *thread)
{
    Race *race = opaque;

    *thread = race->b.current;
    return cpu == &race->b.cpu;
}

static gpointer race_poll(gpointer data)
{
    Race *race = data;

    while (!race->stop) {
        winsched_sample(&race->b.ws, &race->b.cpu, race->b.current,
                      WINSCHED_POLL);
    }
    return NULL;
}

static void test_race(void)
{
    enum { ROUNDS = 200, HITS = 50 };
    g_autofree Race *race = g_new0(Race, 1);
    Bench *b = &race->b;
    GThread *thread;
    unsigned i, j;

    bench_init(b);
    b->ws.record = race_record;
    b->ws.now = race_now;
    b->ws.current = race_current;
    b->ws.opaque = race;
    thread = g_thread_new("poll", race_poll, race);
    for (i = 0; i < ROUNDS; i++) {
        while (!winsched_arm(&b->ws, &b->cpu, b->current)) {
        }
        for (j = 1; j <= HITS; j++) {
            b->current = thread_at(j % N_THREADS);
            winsched_hit(&b->ws, &b->cpu, b->current, ++b->time);
        }
        g_assert_cmpuint(race->hits, ==, HITS * (i + 1));
        winsched_disarm(&b->cpu);
        /* From here on it may have been seen by the other one. */
        b->current = thread_at(i % 2 ? 0 : 3);
        winsched_sample(&b->ws, &b->cpu, b->current, WINSCHED_EXIT);
        if (i % 2) {
            g_usleep(100);
        }
    }
    race->stop = true;
    g_thread_join(thread);
    g_assert_cmpuint(race->broken, ==, 0);
    g_assert_cmpuint(winsched_lost(&b->cpu), ==, 0);
    hooked_guest_deinit(&b->h);
}

/* The one that polls disowns, too, whatever the vCPU is at. */
static gpointer race_disown(gpointer data)
{
    Race *race = data;

    while (!race->stop) {
        winsched_disarm(&race->b.cpu);
        winsched_sample(&race->b.ws, &race->b.cpu, race->b.current,
                      WINSCHED_POLL);
    }
    return NULL;
}

static void test_race_disown(void)
{
    enum { ROUNDS = 20000 };
    g_autofree Race *race = g_new0(Race, 1);
    Bench *b = &race->b;
    GThread *thread;
    unsigned i;

    bench_init(b);
    b->ws.record = race_record;
    b->ws.now = race_now;
    b->ws.current = race_current;
    b->ws.opaque = race;
    thread = g_thread_new("disown", race_disown, race);
    for (i = 0; i < ROUNDS; i++) {
        if (i % 4 == 0) {
            winsched_arm(&b->ws, &b->cpu, b->current);
        }
        b->current = thread_at(i % N_THREADS);
        winsched_hit(&b->ws, &b->cpu, b->current, ++b->time);
    }
    race->stop = true;
    g_thread_join(thread);
    g_assert_cmpuint(race->broken, ==, 0);
    g_assert_cmpuint(race->hits, >, 0);
    hooked_guest_deinit(&b->h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winsched/exact/each", test_each);
    g_test_add_func("/winsched/exact/equal", test_equal);
    g_test_add_func("/winsched/exact/others-compare", test_others_compare);
    g_test_add_func("/winsched/exact/old-state", test_old_state);
    g_test_add_func("/winsched/exact/wild", test_wild);
    g_test_add_func("/winsched/exact/lost-thread", test_lost_thread);
    g_test_add_func("/winsched/exact/lost-counter", test_lost_counter);
    g_test_add_func("/winsched/exact/lost-between", test_lost_between);
    g_test_add_func("/winsched/exact/before", test_before);
    g_test_add_func("/winsched/exact/before-once", test_before_once);
    g_test_add_func("/winsched/exact/begun-inside", test_begun_inside);
    g_test_add_func("/winsched/exact/counter-first", test_counter_first);
    g_test_add_func("/winsched/exact/busy", test_busy);
    g_test_add_func("/winsched/exact/disown", test_disown);
    g_test_add_func("/winsched/exact/race", test_race);
    g_test_add_func("/winsched/exact/race-disown", test_race_disown);
    return g_test_run();
}
