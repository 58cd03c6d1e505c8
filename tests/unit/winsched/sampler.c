/*
 * winsched/sampler: a change is recorded once, as what it was at its stamp,
 * and what was not seen is counted.
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

enum {
    N_THREADS = 4,
    SPACING = 0x1000,
    COUNTER = 0x2d3c,       /* in the PRCB */
    MAX_EVENTS = 64,
};

/* A guest with one vCPU, and all that the sampler told. */
typedef struct Bench {
    HookedGuest h;
    Winsched ws;
    WinschedCpu cpu;
    _Atomic uint64_t current;
    const uint64_t *flips;      /* what CurrentThread is next, 0 at the end */
    bool faulty;                /* it cannot be read */
    uint64_t time;
    WinschedSwitch events[MAX_EVENTS];
    unsigned n_events;
} Bench;

static uint64_t thread_at(unsigned n)
{
    return THREADS + n * SPACING + 0x340;
}

static ThreadObject thread_object(unsigned n)
{
    ThreadObject t = {
        .at = thread_at(n), .process = PROCESSES + 0x100,
        .attached = PROCESSES + 0x100, .pid = 400, .tid = 1000 + 4 * n,
        .created = 7000 + n, .name = NAMES + 0x100 * n,
        .switches = 10 * n, .wait_time = 20 * n, .state = 2,
        .wait_reason = 6, .priority = 8,
    };

    return t;
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
    if (b->flips && *b->flips) {
        b->current = *b->flips++;
    }
    *thread = b->current;
    return !b->faulty;
}

static void put_objects(Bench *b)
{
    ProcessObject p = { .at = PROCESSES + 0x100, .id = 400, .created = 6000,
                        .image = "game.exe" };
    unsigned n;

    objects_put_process(&b->h.g, &p);
    for (n = 0; n < N_THREADS; n++) {
        ThreadObject t = thread_object(n);
        g_autofree char *name = g_strdup_printf("worker %u", n);

        objects_put_thread(&b->h.g, &t);
        objects_put_name(&b->h.g, t.name, name);
    }
}

static void bench_init(Bench *b)
{
    memset(b, 0, sizeof(*b));
    hooked_guest_init(&b->h, 4);
    fake_guest_map(&b->h.g, THREADS, (N_THREADS + 1) * SPACING);
    fake_guest_map(&b->h.g, PROCESSES, GMEM_PAGE);
    fake_guest_map(&b->h.g, NAMES, GMEM_PAGE);
    fake_guest_map(&b->h.g, PRCB & ~0xfffull, 4 * GMEM_PAGE);
    put_objects(b);
    b->ws.space = b->h.g.space;
    objects_layout(&b->ws.layout);
    b->ws.record = bench_record;
    b->ws.now = bench_now;
    b->ws.current = bench_current;
    b->ws.opaque = b;
    winsched_cpu_init(&b->cpu, 3, PRCB, thread_at(0));
}

static void bench_deinit(Bench *b)
{
    hooked_guest_deinit(&b->h);
}

static void count_in_guest(Bench *b, uint32_t value)
{
    objects_set(&b->ws.layout, WINOS_PRCB_CONTEXT_SWITCHES, COUNTER);
    fake_guest_put32(&b->h.g, PRCB + COUNTER, value);
}

/* The guest switches and somebody looks. */
static bool look_at(Bench *b, uint64_t thread, WinschedOrigin origin)
{
    b->current = thread;
    return winsched_sample(&b->ws, &b->cpu, thread, origin);
}

static bool look(Bench *b, unsigned n, WinschedOrigin origin)
{
    return look_at(b, thread_at(n), origin);
}

static WinschedCounts counts_of(Bench *b)
{
    WinschedCounts counts;

    winsched_counts(&b->ws, &b->cpu, &counts);
    return counts;
}

static void assert_thread(const WinschedThread *t, unsigned n)
{
    g_autofree char *name = g_strdup_printf("worker %u", n);

    g_assert_cmphex(t->thread, ==, thread_at(n));
    g_assert_cmpuint(t->tid, ==, 1000 + 4 * n);
    g_assert_cmpuint(t->pid, ==, 400);
    g_assert_cmpstr(t->name, ==, name);
    g_assert_cmpstr(t->image, ==, "game.exe");
    g_assert_cmpuint(t->context_switches, ==, 10 * n);
}

static void test_switches(void)
{
    Bench b;

    bench_init(&b);
    g_assert_true(look(&b, 1, WINSCHED_EXIT));
    g_assert_false(look(&b, 1, WINSCHED_EXIT));
    g_assert_false(look(&b, 1, WINSCHED_POLL));
    g_assert_true(look(&b, 2, WINSCHED_POLL));
    g_assert_true(look(&b, 0, WINSCHED_EXACT));
    g_assert_cmpuint(b.n_events, ==, 3);

    g_assert_cmpuint(b.events[0].vcpu, ==, 3);
    g_assert_cmpint(b.events[0].origin, ==, WINSCHED_EXIT);
    g_assert_cmphex(b.events[0].from.thread, ==, 0);
    g_assert_cmphex(b.events[0].from.has, ==, 0);
    g_assert_false(b.events[0].has_missed);
    assert_thread(&b.events[0].to, 1);
    g_assert_cmphex(b.events[0].to.has & WINSCHED_IS_IDLE, ==, 0);

    g_assert_cmpint(b.events[1].origin, ==, WINSCHED_POLL);
    assert_thread(&b.events[1].from, 1);
    assert_thread(&b.events[1].to, 2);
    g_assert_cmpint(b.events[2].origin, ==, WINSCHED_EXACT);
    assert_thread(&b.events[2].from, 2);
    assert_thread(&b.events[2].to, 0);
    g_assert_cmphex(b.events[2].to.has & WINSCHED_IS_IDLE, !=, 0);
    g_assert_cmpuint(b.events[0].stamp, <, b.events[1].stamp);
    g_assert_cmpuint(b.events[1].stamp, <, b.events[2].stamp);
    bench_deinit(&b);
}

/*
 * On every Windows an idle thread is attached to System and stays so: that
 * is how it is made, not something it does.
 */
static void test_idle_attached(void)
{
    ThreadObject t;
    Bench b;
    unsigned n;

    bench_init(&b);
    for (n = 0; n < 2; n++) {
        t = thread_object(n);
        t.attached = PROCESSES + 0x600;
        objects_put_thread(&b.h.g, &t);
    }
    objects_put_process(&b.h.g, &(ProcessObject) {
        .at = PROCESSES + 0x600, .id = 4, .created = 6000,
        .image = "System",
    });
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    look(&b, 0, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 3);
    g_assert_cmphex(b.events[0].to.has & WINSCHED_HAS_ATTACHED, ==, 0);
    g_assert_cmphex(b.events[0].to.attached, ==, 0);
    g_assert_cmphex(b.events[1].to.attached, ==, PROCESSES + 0x600);
    g_assert_cmphex(b.events[1].from.has & WINSCHED_HAS_ATTACHED, ==, 0);
    g_assert_cmphex(b.events[2].to.has & WINSCHED_HAS_ATTACHED, ==, 0);
    bench_deinit(&b);
}

static void test_counts(void)
{
    WinschedCounts counts;
    Bench b;

    bench_init(&b);
    look(&b, 1, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    look(&b, 2, WINSCHED_POLL);
    winsched_fault(&b.cpu);
    counts = counts_of(&b);
    g_assert_cmpuint(counts.samples[WINSCHED_EXIT], ==, 2);
    g_assert_cmpuint(counts.samples[WINSCHED_POLL], ==, 1);
    g_assert_cmpuint(counts.samples[WINSCHED_EXACT], ==, 0);
    g_assert_cmpuint(counts.switches, ==, 2);
    g_assert_cmpuint(counts.missed, ==, 0);
    g_assert_cmpuint(counts.faults, ==, 1);
    g_assert_cmpuint(counts.implausible, ==, 0);
    g_assert_cmpuint(counts.torn, ==, 0);

    winsched_cpu_init(&b.cpu, 3, PRCB, 0);
    counts = counts_of(&b);
    g_assert_cmpuint(counts.switches + counts.faults +
                     counts.samples[WINSCHED_EXIT], ==, 0);
    g_assert_true(look(&b, 2, WINSCHED_POLL));
    g_assert_cmphex(b.events[2].from.thread, ==, 0);
    bench_deinit(&b);
}

/* What the old thread waits for is known only after it left. */
static void test_old_state(void)
{
    ThreadObject t = thread_object(1);
    Bench b;

    bench_init(&b);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_cmpuint(b.events[0].to.state, ==, 2);
    t.state = 5;
    t.wait_reason = 15;
    t.priority = 11;
    objects_put_thread(&b.h.g, &t);
    look(&b, 2, WINSCHED_EXIT);
    g_assert_cmpuint(b.events[1].from.state, ==, 5);
    g_assert_cmpuint(b.events[1].from.wait_reason, ==, 15);
    g_assert_cmpint(b.events[1].from.priority, ==, 11);
    g_assert_cmpuint(b.events[1].to.state, ==, 2);

    /* It ended, and its memory is another thread's. */
    t = thread_object(2);
    t.tid += 4000;
    t.state = 5;
    objects_put_thread(&b.h.g, &t);
    look(&b, 3, WINSCHED_EXIT);
    assert_thread(&b.events[2].from, 2);
    g_assert_cmphex(b.events[2].from.has & (WINSCHED_HAS_STATE |
                                            WINSCHED_HAS_WAIT_REASON |
                                            WINSCHED_HAS_PRIORITY), ==, 0);
    g_assert_cmphex(b.events[2].from.has & WINSCHED_HAS_IDS, !=, 0);
    bench_deinit(&b);
}

static void test_implausible(void)
{
    static const uint64_t places[] = {
        0x1234, THREADS + 8, 0xdead000000000000, PROCESSES + 0x100,
        0xffffe00000000000, UINT64_MAX,
    };
    Bench b;
    size_t i;

    bench_init(&b);
    look(&b, 1, WINSCHED_EXIT);
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        g_assert_true(look_at(&b, places[i], i % 2 ? WINSCHED_POLL :
                                                     WINSCHED_EXIT));
        g_assert_cmpuint(counts_of(&b).implausible, ==, i + 1);
    }
    g_assert_cmpuint(b.n_events, ==, 1);
    /* It was no switch, so there is none back either. */
    g_assert_false(look(&b, 1, WINSCHED_EXIT));
    g_assert_true(look(&b, 2, WINSCHED_EXIT));
    g_assert_cmpuint(b.n_events, ==, 2);
    assert_thread(&b.events[1].from, 1);
    bench_deinit(&b);
}

static void test_unreadable(void)
{
    Bench b;

    bench_init(&b);
    b.faulty = true;
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 0);
    g_assert_cmpuint(counts_of(&b).faults, ==, 1);
    b.faulty = false;
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);
    bench_deinit(&b);
}

/* Who was slow tells of a thread that is not there any more. */
static void test_stale(void)
{
    Bench b;

    bench_init(&b);
    look(&b, 1, WINSCHED_EXIT);
    winsched_sample(&b.ws, &b.cpu, thread_at(2), WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmpuint(counts_of(&b).torn, ==, 1);

    b.current = thread_at(3);
    winsched_sample(&b.ws, &b.cpu, thread_at(2), WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 2);
    assert_thread(&b.events[1].to, 3);
    g_assert_cmpuint(counts_of(&b).torn, ==, 2);
    /* Nor is what is no thread any more. */
    winsched_sample(&b.ws, &b.cpu, 0x4444, WINSCHED_POLL);
    g_assert_cmpuint(counts_of(&b).implausible, ==, 0);
    bench_deinit(&b);
}

/* A guest that switches at every look is given up on, until the next one. */
static void test_restless(void)
{
    const uint64_t flips[] = { thread_at(2), thread_at(3), thread_at(0),
                               thread_at(1), thread_at(2), 0 };
    const uint64_t thrice[] = { thread_at(0), thread_at(3), thread_at(2), 0 };
    Bench b;

    bench_init(&b);
    b.flips = flips;
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 0);
    g_assert_cmpuint(counts_of(&b).torn, ==, 4);
    b.flips = NULL;
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);

    /* When it comes back to the last one, nothing happened. */
    b.flips = &flips[1];
    look(&b, 2, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmpuint(counts_of(&b).torn, ==, 7);

    /* Three times is not too often. */
    b.flips = &flips[2];
    look(&b, 3, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmpuint(counts_of(&b).torn, ==, 9);
    b.flips = thrice;
    look(&b, 3, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 2);
    assert_thread(&b.events[1].to, 2);
    g_assert_cmpuint(counts_of(&b).torn, ==, 12);
    bench_deinit(&b);
}

/* Between the reads of one look, the thread becomes another one. */
static bool replace(void *opaque)
{
    Bench *b = opaque;
    ThreadObject t = thread_object(1);

    t.tid += 4000;
    t.created += 4000;
    t.switches += 4000;
    objects_put_thread(&b->h.g, &t);
    objects_put_name(&b->h.g, t.name, "successor");
    return true;
}

static void test_replaced(gconstpointer data)
{
    WinschedOrigin origin = GPOINTER_TO_UINT(data);
    unsigned old = 0;
    unsigned new = 0;
    bool done = false;
    uint64_t at;

    for (at = 0; !done; at++) {
        const WinschedThread *to;
        Bench b;

        bench_init(&b);
        hooked_guest_hook(&b.h, at, replace, &b);
        look(&b, 1, origin);
        g_assert_cmpuint(b.n_events, ==, 1);
        to = &b.events[0].to;
        if (to->tid == 1004) {
            assert_thread(to, 1);
            old++;
        } else {
            g_assert_cmpuint(to->tid, ==, 5004);
            g_assert_cmpuint(to->context_switches, ==, 4010);
            if (to->has & WINSCHED_HAS_NAME) {
                g_assert_cmpstr(to->name, ==, "successor");
            }
            new++;
        }
        done = b.h.n <= at;
        bench_deinit(&b);
    }
    g_assert_cmpuint(old, >, 0);
    g_assert_cmpuint(new, >, 10);
}

/* Its page goes away for a new one; the old one keeps its bytes. */
static bool remap(void *opaque)
{
    Bench *b = opaque;
    uint64_t *entry = fake_guest_entry(&b->h.g, thread_at(1), 1);

    *entry = fake_guest_page(&b->h.g) | 7;
    return replace(b);
}

/* Reads of the old page as if it was still the thread's would be believed. */
static void test_remapped(void)
{
    unsigned torn = 0;
    bool done = false;
    uint64_t at;

    for (at = 0; !done; at++) {
        Bench b;

        bench_init(&b);
        hooked_guest_hook(&b.h, at, remap, &b);
        look(&b, 1, WINSCHED_POLL);
        g_assert_cmpuint(b.n_events, ==, 1);
        if (b.events[0].to.tid == 1004) {
            assert_thread(&b.events[0].to, 1);
        } else {
            g_assert_cmpuint(b.events[0].to.tid, ==, 5004);
            g_assert_cmpuint(b.events[0].to.context_switches, ==, 4010);
        }
        torn += counts_of(&b).torn;
        done = b.h.n <= at;
        bench_deinit(&b);
    }
    g_assert_cmpuint(torn, >, 10);
}

static bool switch_away(void *opaque)
{
    Bench *b = opaque;

    b->current = thread_at(2);
    return true;
}

/* At the stamp the thread was current, whenever the guest switched. */
static void test_switched_meanwhile(void)
{
    unsigned first = 0;
    bool done = false;
    uint64_t at;

    for (at = 0; !done; at++) {
        Bench b;

        bench_init(&b);
        hooked_guest_hook(&b.h, at, switch_away, &b);
        look(&b, 1, WINSCHED_POLL);
        g_assert_cmpuint(b.n_events, ==, 1);
        if (b.events[0].to.thread == thread_at(1)) {
            assert_thread(&b.events[0].to, 1);
            g_assert_cmpuint(b.events[0].stamp, ==, 1);
            g_assert_cmpuint(counts_of(&b).torn, ==, 0);
            first++;
        } else {
            /* Read again, and stamped again. */
            assert_thread(&b.events[0].to, 2);
            g_assert_cmpuint(b.events[0].stamp, ==, 2);
            g_assert_cmpuint(counts_of(&b).torn, ==, 1);
        }
        done = b.h.n <= at;
        bench_deinit(&b);
    }
    g_assert_cmpuint(first, >, 0);
    g_assert_cmpuint(at - first, >, 10);
}

static uint64_t held_up_now(void *opaque)
{
    Bench *b = opaque;
    ThreadObject t = thread_object(1);

    /* The switch came to its end while the sampler had no CPU. */
    objects_put_thread(&b->h.g, &t);
    return ++b->time;
}

/* State and count are those of the stamp, however long that took. */
static void test_settled_meanwhile(void)
{
    ThreadObject before = thread_object(1);
    Bench b;

    bench_init(&b);
    before.state = 1;
    before.switches--;
    objects_put_thread(&b.h.g, &before);
    b.ws.now = held_up_now;
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);
    assert_thread(&b.events[0].to, 1);
    g_assert_cmpuint(b.events[0].to.state, ==, 2);
    g_assert_cmpuint(b.events[0].stamp, ==, 2);
    g_assert_cmpuint(counts_of(&b).torn, ==, 1);
    bench_deinit(&b);
}

static uint64_t restless_now(void *opaque)
{
    Bench *b = opaque;
    ThreadObject t = thread_object(1);

    t.state = ++b->time % 8;
    objects_put_thread(&b->h.g, &t);
    return b->time;
}

/* One whose state never stays is recorded all the same. */
static void test_never_settles(void)
{
    Bench b;

    bench_init(&b);
    b.ws.now = restless_now;
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_cmphex(b.events[0].to.thread, ==, thread_at(1));
    g_assert_cmpuint(counts_of(&b).torn, ==, 3);
    bench_deinit(&b);
}

/* Its identity changes each time it is looked at. */
typedef struct Churn {
    Bench b;
    uint64_t tid;
} Churn;

static bool churn(void *opaque)
{
    Churn *c = opaque;
    ThreadObject t = thread_object(1);

    c->tid += 4;
    t.tid = c->tid;
    objects_put_thread(&c->b.h.g, &t);
    c->b.h.at = c->b.h.n + 1;
    return true;
}

static void test_churn(void)
{
    Churn c;

    bench_init(&c.b);
    c.tid = 4;
    hooked_guest_hook(&c.b.h, 0, churn, &c);
    look(&c.b, 1, WINSCHED_EXIT);
    g_assert_cmpuint(c.b.n_events, ==, 0);
    g_assert_cmpuint(counts_of(&c.b).torn, ==, 4);
    bench_deinit(&c.b);
}

/* Somebody else is at it. */
static void test_busy(void)
{
    Bench b;

    bench_init(&b);
    g_assert_false(atomic_flag_test_and_set(&b.cpu.busy));
    look(&b, 1, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_POLL);
    look(&b, 1, WINSCHED_EXACT);
    g_assert_cmpuint(b.n_events, ==, 0);
    atomic_flag_clear(&b.cpu.busy);
    look(&b, 1, WINSCHED_EXACT);
    g_assert_cmpuint(b.n_events, ==, 1);
    g_assert_false(atomic_flag_test_and_set(&b.cpu.busy));
    bench_deinit(&b);
}

/* One look after another at a counter; which does it tell of? */
typedef struct MissedStep {
    uint32_t counter;
    bool has;
    uint32_t missed;
} MissedStep;

typedef struct MissedCase {
    const char *name;
    MissedStep steps[8];
    unsigned n;
} MissedCase;

static const MissedCase missed_cases[] = {
    /* At the first, it is not known whether the counter was behind. */
    { "none", { { 9 }, { 10, true, 0 }, { 11, true, 0 } }, 3 },
    { "some", { { 9 }, { 15, true, 4 }, { 16, true, 0 }, { 20, true, 3 } },
      4 },
    { "always-behind", { { 9 }, { 10, true, 0 }, { 11, true, 0 },
                         { 12, true, 0 } }, 4 },
    { "behind-later", { { 9 }, { 9, true, 0 }, { 11, true, 0 },
                        { 11, true, 0 }, { 13, true, 0 } }, 5 },
    { "missed-while-behind", { { 9 }, { 9, true, 0 }, { 11, true, 0 },
                               { 13, true, 1 }, { 13, true, 0 },
                               { 16, true, 1 } }, 6 },
    { "wrap", { { 0xfffffffe }, { 0xffffffff, true, 0 }, { 0, true, 0 },
                { 1, true, 0 }, { 4, true, 1 } }, 5 },
    { "wrap-in-a-gap", { { 0xfffffff0 }, { 0xfffffff1, true, 0 },
                         { 0x10, true, 29 } }, 3 },
    { "reset", { { 1000 }, { 1001, true, 0 }, { 1, false, 0 },
                 { 2, true, 0 }, { 5, true, 1 } }, 5 },
    { "leap", { { 1000 }, { 0x90000000, false, 0 }, { 0x90000001, true, 0 },
                { 0x90000005, true, 2 } }, 4 },
    { "most", { { 0 }, { 0, true, 0 }, { 0x7fffffff, true, 0x7ffffffd },
                { 0xfffffffe, true, 0x7ffffffe } }, 4 },
    { "stands-still", { { 5 }, { 5, true, 0 }, { 5, true, 0 },
                        { 5, true, 0 }, { 7, true, 0 }, { 8, true, 0 } },
      6 },
};

static void test_missed(gconstpointer data)
{
    const MissedCase *c = data;
    uint64_t sum = 0;
    unsigned i;
    Bench b;

    bench_init(&b);
    for (i = 0; i < c->n; i++) {
        count_in_guest(&b, c->steps[i].counter);
        g_assert_true(look(&b, i % 2, WINSCHED_EXIT));
        g_assert_cmpuint(b.n_events, ==, i + 1);
        g_assert_cmpint(b.events[i].has_missed, ==, c->steps[i].has);
        g_assert_cmpuint(b.events[i].missed, ==, c->steps[i].missed);
        sum += c->steps[i].missed;
        g_assert_cmpuint(counts_of(&b).missed, ==, sum);
    }
    bench_deinit(&b);
}

/*
 * A place that stayed 0 was believed to count switches: none missed, of 56,449
 * recorded.
 */
static void test_missed_dead(void)
{
    unsigned i;
    Bench b;

    bench_init(&b);
    count_in_guest(&b, 0);
    for (i = 0; i < 12; i++) {
        look(&b, i % 2, WINSCHED_EXIT);
    }
    g_assert_true(winsched_counter_is_dead(&b.cpu));
    g_assert_false(b.events[11].has_missed);
    g_assert_cmpuint(counts_of(&b).missed, ==, 0);
    bench_deinit(&b);
}

/* Which thread is the idle one may be known late: until then any may be. */
static void test_idle_unknown(void)
{
    Bench b;

    bench_init(&b);
    winsched_cpu_init(&b.cpu, 3, PRCB, 0);
    objects_set(&b.ws.layout, WINOS_ETHREAD_CLIENT_ID, WINOS_NO_OFFSET);
    look(&b, 0, WINSCHED_POLL);
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmphex(b.events[0].to.has & WINSCHED_IS_IDLE, ==, 0);
    g_assert_cmphex(b.events[0].to.has & WINSCHED_IDLE_UNKNOWN, !=, 0);
    g_assert_cmphex(b.events[1].to.has & WINSCHED_IDLE_UNKNOWN, !=, 0);
    winsched_set_idle(&b.cpu, thread_at(0));
    look(&b, 0, WINSCHED_POLL);
    look(&b, 1, WINSCHED_POLL);
    g_assert_cmphex(b.events[2].to.has & WINSCHED_IS_IDLE, !=, 0);
    g_assert_cmphex(b.events[2].to.has & WINSCHED_IDLE_UNKNOWN, ==, 0);
    g_assert_cmphex(b.events[3].to.has & WINSCHED_IDLE_UNKNOWN, ==, 0);
    /* Who has ids is none. */
    winsched_set_idle(&b.cpu, 0);
    objects_layout(&b.ws.layout);
    look(&b, 2, WINSCHED_POLL);
    g_assert_cmphex(b.events[4].to.has & WINSCHED_IDLE_UNKNOWN, ==, 0);
    bench_deinit(&b);
}

/* A record made while the counter cannot be read is still accounted for. */
static void test_missed_blindly(void)
{
    uint64_t gpa;
    Bench b;

    bench_init(&b);
    count_in_guest(&b, 100);
    look(&b, 0, WINSCHED_EXIT);
    count_in_guest(&b, 100);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_true(gmem_translate(&b.ws.space, PRCB + COUNTER, &gpa, NULL,
                                 NULL));
    b.h.g.fault_gpa = gpa + 3;
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_false(b.events[2].has_missed);
    g_assert_false(b.events[3].has_missed);
    g_assert_cmpuint(counts_of(&b).missed, ==, 0);
    b.h.g.fault_gpa = UINT64_MAX;
    count_in_guest(&b, 106);
    look(&b, 0, WINSCHED_EXIT);
    g_assert_true(b.events[4].has_missed);
    g_assert_cmpuint(b.events[4].missed, ==, 2);
    bench_deinit(&b);
}

static void test_no_counter(void)
{
    Bench b;

    bench_init(&b);
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_false(b.events[1].has_missed);
    /* An offset, but a PRCB that is not the kernel's. */
    winsched_cpu_init(&b.cpu, 0, 0x10000, 0);
    fake_guest_map(&b.h.g, 0x12000, GMEM_PAGE);
    objects_set(&b.ws.layout, WINOS_PRCB_CONTEXT_SWITCHES, COUNTER);
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_false(b.events[3].has_missed);
    g_assert_cmpuint(counts_of(&b).missed, ==, 0);
    /* One that would not be read in one piece. */
    winsched_cpu_init(&b.cpu, 0, PRCB, 0);
    objects_set(&b.ws.layout, WINOS_PRCB_CONTEXT_SWITCHES, COUNTER + 2);
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_false(b.events[5].has_missed);
    /* Not there at first, and then it is. */
    winsched_cpu_init(&b.cpu, 0, PRCB, 0);
    count_in_guest(&b, 100);
    fake_guest_unmap(&b.h.g, (PRCB + COUNTER) & ~0xfffull);
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_false(b.events[7].has_missed);
    fake_guest_map(&b.h.g, (PRCB + COUNTER) & ~0xfffull, GMEM_PAGE);
    look(&b, 0, WINSCHED_EXIT);
    look(&b, 1, WINSCHED_EXIT);
    g_assert_false(b.events[8].has_missed);
    g_assert_true(b.events[9].has_missed);
    bench_deinit(&b);
}

/* What happened since the last record shows before the next one. */
static void test_missed_live(void)
{
    Bench b;

    bench_init(&b);
    count_in_guest(&b, 100);
    look(&b, 0, WINSCHED_EXIT);
    g_assert_cmpuint(counts_of(&b).missed, ==, 0);
    count_in_guest(&b, 100);
    look(&b, 1, WINSCHED_EXIT);
    count_in_guest(&b, 101);
    g_assert_cmpuint(counts_of(&b).missed, ==, 0);
    /* To another one and back. */
    count_in_guest(&b, 103);
    g_assert_cmpuint(counts_of(&b).missed, ==, 2);
    /* The last of three may still be seen. */
    count_in_guest(&b, 104);
    b.current = thread_at(2);
    g_assert_cmpuint(counts_of(&b).missed, ==, 2);
    look(&b, 2, WINSCHED_EXIT);
    g_assert_cmpuint(b.events[2].missed, ==, 2);
    g_assert_cmpuint(counts_of(&b).missed, ==, 2);
    /* A counter that was reset tells nothing. */
    count_in_guest(&b, 3);
    g_assert_cmpuint(counts_of(&b).missed, ==, 2);
    bench_deinit(&b);
}

static bool look_meanwhile(void *opaque)
{
    Bench *b = opaque;

    look(b, 2, WINSCHED_EXIT);
    return true;
}

/* A record that is made while figures are asked for is not counted twice. */
static void test_counts_meanwhile(void)
{
    bool done = false;
    uint64_t at;

    for (at = 0; !done; at++) {
        WinschedCounts counts;
        Bench b;

        bench_init(&b);
        count_in_guest(&b, 100);
        look(&b, 0, WINSCHED_EXIT);
        look(&b, 1, WINSCHED_EXIT);
        /* Of five switches, the last is to the one that will be seen. */
        count_in_guest(&b, 106);
        b.current = thread_at(2);
        hooked_guest_hook(&b.h, at, look_meanwhile, &b);
        counts = counts_of(&b);
        g_assert_cmpuint(counts.missed, <=, 4);
        done = b.h.n <= at;
        g_assert_cmpuint(b.n_events, ==, done ? 2 : 3);
        g_assert_cmpuint(counts_of(&b).missed, ==, 4);
        bench_deinit(&b);
    }
    g_assert_cmpuint(at, >, 4);
}

/*
 * A guest that switches as it likes and is looked at now and then, also inside
 * a switch: seen and missed together are never more than there were, and less
 * by one at most.
 */
static void test_missed_sums_up(void)
{
    GRand *rand = g_rand_new_with_seed(1);
    uint32_t counter = 0xffffff00;
    uint64_t switches = 0;
    unsigned n = 0;
    int i;
    Bench b;

    bench_init(&b);
    count_in_guest(&b, counter);
    look(&b, n, WINSCHED_EXIT);
    for (i = 0; i < 20000; i++) {
        WinschedCounts counts;

        n = (n + 1 + g_rand_int_range(rand, 0, N_THREADS - 1)) % N_THREADS;
        switches++;
        b.n_events = 0;
        if (g_rand_int_range(rand, 0, 4) == 0) {
            look(&b, n, WINSCHED_EXACT);
        }
        count_in_guest(&b, ++counter);
        if (g_rand_int_range(rand, 0, 4) == 0) {
            look(&b, n, WINSCHED_POLL);
        }
        b.current = thread_at(n);
        counts = counts_of(&b);
        g_assert_cmpuint(counts.switches - 1 + counts.missed, <=, switches);
        g_assert_cmpuint(counts.switches - 1 + counts.missed + 1 +
                         (b.cpu.last != b.current), >=, switches);
    }
    g_rand_free(rand);
    bench_deinit(&b);
}

/*
 * A vCPU that looks at itself and a helper that polls it, while threads come
 * and go: their memory is used again for others whenever they do not run.
 */
enum { RACE_SWITCHES = 100000 };

typedef struct Race {
    Bench b;
    GmemOps ops;
    atomic_bool started;
    atomic_bool stop;
    uint32_t counter;
    uint32_t tid;
    uint64_t last;              /* of the last record */
    uint64_t last_stamp;
    uint64_t records;
    _Atomic uint64_t time;
} Race;

/* A number that is aligned goes in one piece, as on a real machine. */
static size_t piece(uint64_t gpa, size_t len)
{
    return len >= 8 && gpa % 8 == 0 ? 8 : len >= 4 && gpa % 4 == 0 ? 4 : 1;
}

static void race_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    if (n == 8) {
        __atomic_store_n((uint64_t *)to,
                         __atomic_load_n((const uint64_t *)from,
                                         __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    } else if (n == 4) {
        __atomic_store_n((uint32_t *)to,
                         __atomic_load_n((const uint32_t *)from,
                                         __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(to, __atomic_load_n(from, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    }
}

static bool race_read(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    Race *r = opaque;
    size_t i;
    size_t n;

    for (i = 0; i < len; i += n) {
        uint64_t value;

        n = piece(gpa + i, len - i);
        race_copy((uint8_t *)&value, r->b.h.g.ram + gpa + i, n);
        memcpy((uint8_t *)buf + i, &value, n);
    }
    return true;
}

/* As the guest writes. */
static void race_write(Race *r, uint64_t gva, const void *buf, size_t len)
{
    uint64_t gpa;
    size_t i;
    size_t n;

    for (i = 0; i < len; i += n) {
        uint64_t value;

        g_assert_true(gmem_translate(&r->b.ws.space, gva + i, &gpa, NULL,
                                     NULL));
        n = piece(gpa, len - i);
        memcpy(&value, (const uint8_t *)buf + i, n);
        race_copy(r->b.h.g.ram + gpa, (const uint8_t *)&value, n);
    }
}

/* All of the new thread follows from its id. */
static void race_reuse(Race *r, unsigned n)
{
    uint32_t tid = r->tid += 4;
    uint64_t created = (uint64_t)tid * 1000003;
    uint64_t ids[2] = { 400, tid };
    uint16_t name[8];
    uint32_t rest = tid;
    int i;

    race_write(r, thread_at(n) + 0x4c0, &created, 8);
    race_write(r, thread_at(n) + 0x508, ids, 16);
    race_write(r, thread_at(n) + 0x154, &tid, 4);
    for (i = 7; i >= 0; i--) {
        name[i] = (uint16_t)('0' + rest % 10);
        rest /= 10;
    }
    race_write(r, NAMES + 0x100 * n + 16, name, sizeof(name));
}

static void race_assert(const WinschedThread *t)
{
    g_autofree char *name = g_strdup_printf("%08u", t->tid);

    g_assert_cmphex(t->has & WINSCHED_HAS_IDS, !=, 0);
    g_assert_cmpuint(t->key.created, ==, (uint64_t)t->tid * 1000003);
    if (t->has & WINSCHED_HAS_SWITCHES) {
        g_assert_cmpuint(t->context_switches, ==, t->tid);
    }
    if (t->has & WINSCHED_HAS_NAME) {
        g_assert_cmpstr(t->name, ==, name);
    }
}

static void race_record(void *opaque, const WinschedSwitch *event)
{
    Race *r = opaque;

    race_assert(&event->to);
    if (r->records) {
        race_assert(&event->from);
    }
    g_assert_cmphex(event->to.thread, !=, r->last);
    g_assert_cmphex(event->from.thread, ==, r->last);
    g_assert_cmpuint(event->stamp, >, r->last_stamp);
    r->last = event->to.thread;
    r->last_stamp = event->stamp;
    r->records++;
}

static uint64_t race_now(void *opaque)
{
    Race *r = opaque;

    return atomic_fetch_add(&r->time, 1) + 1;
}

static bool race_current(void *opaque, const WinschedCpu *cpu,
                         uint64_t *thread)
{
    Race *r = opaque;

    (void)cpu;
    *thread = atomic_load_explicit(&r->b.current, memory_order_acquire);
    return true;
}

static gpointer race_poll(gpointer opaque)
{
    Race *r = opaque;
    WinschedCounts counts;
    uint64_t thread;
    uint64_t seen = 0;

    atomic_store(&r->started, true);
    while (!atomic_load(&r->stop)) {
        race_current(r, &r->b.cpu, &thread);
        winsched_sample(&r->b.ws, &r->b.cpu, thread, WINSCHED_POLL);
        winsched_counts(&r->b.ws, &r->b.cpu, &counts);
        g_assert_cmpuint(counts.switches, >=, seen);
        seen = counts.switches;
    }
    return NULL;
}

static void race_init(Race *r)
{
    unsigned n;

    memset(r, 0, sizeof(*r));
    bench_init(&r->b);
    r->tid = 1000;
    r->ops.read_phys = race_read;
    r->b.h.g.mem.ops = &r->ops;
    r->b.h.g.mem.opaque = r;
    r->b.ws.record = race_record;
    r->b.ws.now = race_now;
    r->b.ws.current = race_current;
    r->b.ws.opaque = r;
    count_in_guest(&r->b, 0);
    for (n = 0; n < N_THREADS; n++) {
        objects_put_name(&r->b.h.g, NAMES + 0x100 * n, "00000000");
        race_reuse(r, n);
    }
}

/* Switch to @n; who is to come next is a new thread. */
static void race_switch(Race *r, unsigned n)
{
    race_reuse(r, n);
    atomic_store_explicit(&r->b.current, thread_at(n), memory_order_release);
    r->counter++;
    race_write(r, PRCB + COUNTER, &r->counter, 4);
}

static void test_race(void)
{
    WinschedCounts counts;
    GThread *helper;
    unsigned i;
    Race *r = g_new(Race, 1);

    race_init(r);
    race_switch(r, 0);
    winsched_sample(&r->b.ws, &r->b.cpu, thread_at(0), WINSCHED_EXIT);
    g_assert_cmpuint(r->records, ==, 1);
    helper = g_thread_new("poll", race_poll, r);
    while (!atomic_load(&r->started)) {
        g_thread_yield();
    }
    for (i = 1; i <= RACE_SWITCHES; i++) {
        race_switch(r, i % N_THREADS);
        if (i % 3 == 0) {
            winsched_sample(&r->b.ws, &r->b.cpu, r->b.current, WINSCHED_EXIT);
        }
        if (i % 128 == 0) {
            g_thread_yield();
        }
    }
    atomic_store(&r->stop, true);
    g_thread_join(helper);
    winsched_sample(&r->b.ws, &r->b.cpu, r->b.current, WINSCHED_EXIT);

    winsched_counts(&r->b.ws, &r->b.cpu, &counts);
    g_test_message("%" G_GUINT64_FORMAT " recorded, %" G_GUINT64_FORMAT
                   " missed, %" G_GUINT64_FORMAT " torn", counts.switches,
                   counts.missed, counts.torn);
    g_assert_cmpuint(counts.switches, ==, r->records);
    g_assert_cmpuint(counts.implausible + counts.faults, ==, 0);
    g_assert_cmpuint(counts.switches - 1 + counts.missed, <=, RACE_SWITCHES);
    g_assert_cmpuint(counts.switches + counts.missed, >=, RACE_SWITCHES);
    bench_deinit(&r->b);
    g_free(r);
}

static void add_cases(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(missed_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winsched/sampler/missed/%s",
                                                missed_cases[i].name);

        g_test_add_data_func(path, &missed_cases[i], test_missed);
    }
    g_test_add_data_func("/winsched/sampler/replaced/exit",
                         GUINT_TO_POINTER(WINSCHED_EXIT), test_replaced);
    g_test_add_data_func("/winsched/sampler/replaced/poll",
                         GUINT_TO_POINTER(WINSCHED_POLL), test_replaced);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winsched/sampler/switches", test_switches);
    g_test_add_func("/winsched/sampler/idle-attached", test_idle_attached);
    g_test_add_func("/winsched/sampler/counts", test_counts);
    g_test_add_func("/winsched/sampler/old-state", test_old_state);
    g_test_add_func("/winsched/sampler/implausible", test_implausible);
    g_test_add_func("/winsched/sampler/unreadable", test_unreadable);
    g_test_add_func("/winsched/sampler/stale", test_stale);
    g_test_add_func("/winsched/sampler/restless", test_restless);
    g_test_add_func("/winsched/sampler/remapped", test_remapped);
    g_test_add_func("/winsched/sampler/settled-meanwhile",
                    test_settled_meanwhile);
    g_test_add_func("/winsched/sampler/never-settles", test_never_settles);
    g_test_add_func("/winsched/sampler/switched-meanwhile",
                    test_switched_meanwhile);
    g_test_add_func("/winsched/sampler/churn", test_churn);
    g_test_add_func("/winsched/sampler/busy", test_busy);
    add_cases();
    g_test_add_func("/winsched/sampler/missed-blindly", test_missed_blindly);
    g_test_add_func("/winsched/sampler/missed-dead", test_missed_dead);
    g_test_add_func("/winsched/sampler/idle-unknown", test_idle_unknown);
    g_test_add_func("/winsched/sampler/no-counter", test_no_counter);
    g_test_add_func("/winsched/sampler/missed-live", test_missed_live);
    g_test_add_func("/winsched/sampler/counts-meanwhile",
                    test_counts_meanwhile);
    g_test_add_func("/winsched/sampler/missed-sums-up", test_missed_sums_up);
    g_test_add_func("/winsched/sampler/race", test_race);
    return g_test_run();
}
