/*
 * IRQ log: the real hooks, ring and names, without a machine
 *
 * What a whole machine does too seldom to be tested with one: threads outside
 * the big lock, handlers that leave by longjmp(), objects freed and renamed
 * between two interrupts, coroutines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <setjmp.h>
#include "hw/irq.h"
#include "qemu/coroutine.h"
#include "qemu/rcu.h"
#include "qom/object.h"
#include "harness.h"

static unsigned n_handled;

static void count_call(void *opaque, int n, int level)
{
    qatomic_inc(&n_handled);
}

/* Returns: events read; every number must be read or known to be gone. */
static uint64_t check_session(IrqLogSession *session)
{
    const IrqlogStore *store = &session->store;
    uint64_t head = evring_head(&store->ring);
    uint64_t n = 0;
    uint64_t gone = evring_oldest(&store->ring) - 1;
    uint64_t seq;

    for (seq = gone + 1; seq <= head; seq++) {
        IrqlogEvent event;
        EvringRead result = irqlog_store_event(store, seq, &event);

        g_assert_cmpint(result, ==, EVRING_OK);
        g_assert_cmphex(event.handler, ==, (uintptr_t)count_call);
        g_assert_cmpuint(event.depth, ==, 0);
        n++;
    }
    g_assert_cmpuint(n + gone, ==, head);
    return n;
}

enum { RAISERS = 4, LINES = 8 };

typedef struct Raiser {
    qemu_irq *lines;
    bool *stop;
    unsigned raised;
    bool registered;        /* with RCU, as QEMU's own threads are */
} Raiser;

static void *raise_lines(void *opaque)
{
    Raiser *raiser = opaque;

    if (raiser->registered) {
        rcu_register_thread();
    }
    while (!qatomic_read(raiser->stop)) {
        qemu_set_irq(raiser->lines[raiser->raised % LINES],
                     raiser->raised & 1);
        raiser->raised++;
    }
    if (raiser->registered) {
        rcu_unregister_thread();
    }
    return NULL;
}

static void start_raisers(QemuThread *threads, Raiser *raisers,
                          qemu_irq *lines, bool *stop)
{
    int i;

    *stop = false;
    for (i = 0; i < RAISERS; i++) {
        raisers[i] = (Raiser){ lines, stop, 0, i % 2 };
        qemu_thread_create(&threads[i], "raiser", raise_lines, &raisers[i],
                           QEMU_THREAD_JOINABLE);
    }
}

static void test_threads_outside_the_lock(void)
{
    IrqLogOptions opts = {
        .enable = true, .has_text = true, .has_entries = true, .entries = 256,
        .has_backtrace = true,
    };
    qemu_irq *lines = qemu_allocate_irqs(count_call, &n_handled, LINES);
    QemuThread threads[RAISERS];
    Raiser raisers[RAISERS];
    unsigned raised = 0;
    uint64_t total = 0;
    bool stop;
    int i;

    n_handled = 0;
    start_raisers(threads, raisers, lines, &stop);
    for (i = 0; i < 300; i++) {
        IrqLogSession *session;

        opts.backtrace = i % 3;
        harness_start(&opts);
        g_usleep(i % 5 ? 0 : 1000);
        session = harness_stop();
        total += check_session(session);
        irq_log_put(session);
    }
    qatomic_set(&stop, true);
    for (i = 0; i < RAISERS; i++) {
        qemu_thread_join(&threads[i]);
        raised += raisers[i].raised;
    }
    g_assert_cmpuint(n_handled, ==, raised);
    g_assert_cmpuint(total, >, 0);
    qemu_free_irqs(lines, LINES);
}

typedef struct Chain {
    qemu_irq next;
    jmp_buf *out;
} Chain;

static void pass_on(void *opaque, int n, int level)
{
    Chain *chain = opaque;

    if (chain->out) {
        longjmp(*chain->out, 1);
    }
    qemu_set_irq(chain->next, level);
}

static unsigned depth_of(const IrqLogSession *session, uint64_t seq)
{
    IrqlogEvent event;

    g_assert_cmpint(irqlog_store_event(&session->store, seq, &event), ==,
                    EVRING_OK);
    return event.depth;
}

/* Raised from a deeper frame than what comes after, as real ones are. */
static __attribute__((noinline)) void raise_deep(qemu_irq irq, int frames)
{
    char pad[64];

    memset(pad, frames, sizeof(pad));
    if (frames) {
        raise_deep(irq, frames - 1);
    } else {
        qemu_set_irq(irq, 1);
    }
    g_assert_cmpint(pad[5], ==, frames);
}

static void test_depth_survives_longjmp(void)
{
    IrqLogOptions opts = { .enable = true, .has_text = true };
    jmp_buf out;
    Chain last = { .out = &out };
    Chain first = {};
    IrqLogSession *session;
    qemu_irq irqs[2];

    irqs[1] = qemu_allocate_irq(pass_on, &last, 1);
    first.next = irqs[1];
    irqs[0] = qemu_allocate_irq(pass_on, &first, 0);
    harness_start(&opts);
    if (!setjmp(out)) {
        raise_deep(irqs[0], 5);
        g_assert_not_reached();
    }
    last.out = NULL;
    qemu_set_irq(irqs[0], 0);
    qemu_set_irq(irqs[1], 0);
    session = harness_stop();
    g_assert_cmpuint(evring_head(&session->store.ring), ==, 5);
    g_assert_cmpuint(depth_of(session, 1), ==, 0);
    g_assert_cmpuint(depth_of(session, 2), ==, 1);
    g_assert_cmpuint(depth_of(session, 3), ==, 0);
    g_assert_cmpuint(depth_of(session, 4), ==, 1);
    g_assert_cmpuint(depth_of(session, 5), ==, 0);
    irq_log_put(session);
    qemu_free_irq(irqs[0]);
    qemu_free_irq(irqs[1]);
}

static const char *path_of(const IrqLogSession *session, uint64_t seq)
{
    IrqlogEvent event;

    g_assert_cmpint(irqlog_store_event(&session->store, seq, &event), ==,
                    EVRING_OK);
    return event.path;
}

/* A line gets its parent after it was raised, and loses it again. */
static void test_named_and_renamed(void)
{
    IrqLogOptions opts = { .enable = true, .has_text = true };
    Object *box = object_new("container");
    Object *other = object_new("container");
    IrqLogSession *session;
    qemu_irq irq = qemu_allocate_irq(count_call, NULL, 3);

    object_property_add_child(object_get_root(), "box", box);
    object_property_add_child(object_get_root(), "other", other);
    harness_start(&opts);
    qemu_set_irq(irq, 1);
    object_property_add_child(box, "pin", OBJECT(irq));
    qemu_set_irq(irq, 1);
    object_unparent(OBJECT(irq));
    object_property_add_child(other, "leg", OBJECT(irq));
    qemu_set_irq(irq, 1);
    session = harness_stop();
    g_assert_cmpstr(path_of(session, 1), ==, IRQLOG_ANONYMOUS);
    g_assert_cmpstr(path_of(session, 2), ==, "/box/pin");
    g_assert_cmpstr(path_of(session, 3), ==, "/other/leg");
    irq_log_put(session);
    object_unparent(box);
    object_unparent(other);
    object_unref(box);
    object_unref(other);
    qemu_free_irq(irq);
}

/* Known by whom it serves and who drives it, where its name says little. */
static void test_owner_and_driver(void)
{
    IrqLogOptions opts = { .enable = true, .has_text = true };
    Object *box = object_new("container");
    IrqLogSession *session;
    IrqlogLineInfo line;
    qemu_irq irq = qemu_allocate_irq(count_call, (char *)box + 8, 0);
    Object *target = OBJECT(irq);

    object_property_add_child(object_get_root(), "box", box);
    object_property_add_child(box, "non-qdev-gpio", target);
    object_property_add_link(box, "out", "irq", &target, NULL, 0);
    harness_start(&opts);
    qemu_set_irq(irq, 1);
    harness_run_bottom_halves();
    session = harness_stop();
    g_assert_true(irqlog_store_line(&session->store, 0, &line));
    g_assert_cmpstr(line.path, ==, "/box/non-qdev-gpio");
    g_assert_cmpstr(line.owner, ==, "/box");
    g_assert_cmpstr(line.driven_by, ==, "/box:out");
    irq_log_put(session);
    object_unparent(box);
    object_unref(box);
    qemu_free_irq(irq);
}

/* Nothing that was freed is looked into, however often it happens. */
static void test_freed_between_interrupts(void)
{
    IrqLogOptions opts = { .enable = true, .has_text = true };
    IrqLogSession *session;
    int i;

    harness_start(&opts);
    for (i = 0; i < 2 * IRQLOG_MAX_LINES; i++) {
        qemu_irq irq = qemu_allocate_irq(count_call, NULL, i);

        qemu_set_irq(irq, 1);
        qemu_free_irq(irq);
        if (i % 100 == 0) {
            harness_run_bottom_halves();
        }
    }
    session = harness_stop();
    g_assert_cmpuint(evring_head(&session->store.ring), ==,
                     2 * IRQLOG_MAX_LINES);
    g_assert_cmpuint(irqlog_store_n_lines(&session->store), ==,
                     IRQLOG_MAX_LINES);
    g_assert_cmpstr(path_of(session, 1), ==, IRQLOG_ANONYMOUS);
    g_assert_cmpstr(path_of(session, 2 * IRQLOG_MAX_LINES), ==, "(unknown)");
    irq_log_put(session);
}

static void coroutine_fn raise_in_coroutine(void *opaque)
{
    qemu_set_irq(opaque, 1);
}

static void test_backtrace(void)
{
    IrqLogOptions opts = {
        .enable = true, .has_text = true, .has_backtrace = true,
        .backtrace = 4,
    };
    qemu_irq irq = qemu_allocate_irq(count_call, NULL, 0);
    IrqLogSession *session;
    IrqlogEvent event;

    harness_start(&opts);
    raise_deep(irq, 5);
    qemu_coroutine_enter(qemu_coroutine_create(raise_in_coroutine, irq));
    session = harness_stop();
    g_assert_cmpint(irqlog_store_event(&session->store, 1, &event), ==,
                    EVRING_OK);
    g_assert_cmpuint(event.n_backtrace, ==, 4);
    /* raise_deep() calls itself: but for the innermost, from one place. */
    g_assert_cmphex(event.backtrace[1], ==, event.backtrace[2]);
    g_assert_cmphex(event.caller, !=, event.backtrace[1]);
    g_assert_cmpint(irqlog_store_event(&session->store, 2, &event), ==,
                    EVRING_OK);
    g_assert_cmpuint(event.n_backtrace, >, 0);
    irq_log_put(session);
    qemu_free_irq(irq);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    harness_init();
    g_test_add_func("/irq-log/threads-outside-the-lock",
                    test_threads_outside_the_lock);
    g_test_add_func("/irq-log/depth-survives-longjmp",
                    test_depth_survives_longjmp);
    g_test_add_func("/irq-log/named-and-renamed", test_named_and_renamed);
    g_test_add_func("/irq-log/owner-and-driver", test_owner_and_driver);
    g_test_add_func("/irq-log/freed-between-interrupts",
                    test_freed_between_interrupts);
    g_test_add_func("/irq-log/backtrace", test_backtrace);
    return g_test_run();
}
