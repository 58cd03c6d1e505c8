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
#include "block/aio.h"
#include "hw/irq.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "qemu/coroutine.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qom/object.h"
#include "vmscope/irq-hook.h"
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

/* Of this thread: other work on the machine does not count. */
static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* What the main loop does for a line: how often, and how long at most. */
static unsigned bottom_halves(uint64_t *longest_ns)
{
    unsigned n = 0;

    *longest_ns = 0;
    for (;;) {
        uint64_t ns = cpu_ns();
        bool some = aio_poll(qemu_get_aio_context(), false);

        ns = cpu_ns() - ns;
        if (!some) {
            return n;
        }
        *longest_ns = MAX(*longest_ns, ns);
        n++;
    }
}

/*
 * A tree of 40,000 objects: the main loop is never held for long, and the
 * next line does not have all of it walked again.
 */
static void test_tree_in_pieces(void)
{
    enum { BOXES = 200, CHILDREN = 200 };
    IrqLogOptions opts = { .enable = true, .has_text = true };
    Object *top = object_new("container");
    IrqLogSession *session;
    IrqlogLineInfo line;
    qemu_irq irqs[3];
    uint64_t longest_ns;
    unsigned n;
    int i;
    int j;

    object_property_add_child(object_get_root(), "top", top);
    for (i = 0; i < BOXES; i++) {
        g_autofree char *name = g_strdup_printf("box%d", i);
        Object *box = object_new("container");

        object_property_add_child(top, name, box);
        for (j = 0; j < CHILDREN; j++) {
            g_autofree char *child_name = g_strdup_printf("child%d", j);
            Object *child = object_new("container");

            object_property_add_child(box, child_name, child);
            object_unref(child);
        }
        object_unref(box);
    }
    for (i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("pin%d", i);

        irqs[i] = qemu_allocate_irq(count_call, (char *)top + 8, i);
        object_property_add_child(top, name, OBJECT(irqs[i]));
    }

    harness_start(&opts);
    qemu_set_irq(irqs[0], 1);
    n = bottom_halves(&longest_ns);
    g_test_message("walk of 40,000 objects: %u pieces, the longest %" PRIu64
                   " us", n, longest_ns / 1000);
    g_assert_cmpuint(n, >, 3);
    g_assert_cmpuint(longest_ns, <, 50000000);

    qemu_set_irq(irqs[1], 1);
    g_assert_cmpuint(bottom_halves(&longest_ns), <=, 2);

    /* A device came: the tree may be another. */
    qatomic_set(&irq_log_generation, irq_log_generation + 1);
    qemu_set_irq(irqs[2], 1);
    g_assert_cmpuint(bottom_halves(&longest_ns), >, 3);

    /* Half a walk is left, and the log is turned off and on. */
    qatomic_set(&irq_log_generation, irq_log_generation + 1);
    qemu_set_irq(irqs[2], 0);
    session = harness_stop();
    for (i = 0; i < 3; i++) {
        g_assert_true(irqlog_store_line(&session->store, i, &line));
        g_assert_cmpstr(line.owner, ==, "/top");
    }
    irq_log_put(session);
    object_unparent(top);
    object_unref(top);
    for (i = 0; i < 3; i++) {
        qemu_free_irq(irqs[i]);
    }
}

/*
 * Objects come and go while the tree is walked, and nobody says so; their
 * memory goes with them, as that of a PCI bridge's windows does.
 */
static void test_tree_changes_under_the_walk(void)
{
    enum { CHILDREN = 20000 };
    IrqLogOptions opts = { .enable = true, .has_text = true };
    Object *top = object_new("container");
    size_t size = sizeof(Object);
    Object **children = g_new0(Object *, CHILDREN);
    IrqLogSession *session;
    qemu_irq irq = qemu_allocate_irq(count_call, NULL, 0);
    int i;

    object_property_add_child(object_get_root(), "top", top);
    for (i = 0; i < CHILDREN; i++) {
        g_autofree char *name = g_strdup_printf("child%d", i);

        children[i] = g_malloc(size);
        object_initialize(children[i], size, "container");
        object_property_add_child(top, name, children[i]);
        object_unref(children[i]);
    }
    harness_start(&opts);
    qemu_set_irq(irq, 1);
    for (i = 0; aio_poll(qemu_get_aio_context(), false); i++) {
        Object **leaving[2] = { &children[i], &children[CHILDREN - 1 - i] };
        int j;

        for (j = 0; j < 2 && 2 * i + 1 < CHILDREN; j++) {
            object_unparent(*leaving[j]);
            memset(*leaving[j], 0x5a, size);
            g_free(*leaving[j]);
            *leaving[j] = NULL;
        }
    }
    g_assert_cmpint(i, >, 2);
    session = harness_stop();
    g_assert_cmpstr(path_of(session, 1), ==, IRQLOG_ANONYMOUS);
    irq_log_put(session);
    for (i = 0; i < CHILDREN; i++) {
        if (children[i]) {
            object_unparent(children[i]);
            g_free(children[i]);
        }
    }
    object_unparent(top);
    object_unref(top);
    g_free(children);
    qemu_free_irq(irq);
}

/* A name that QOM does not find again is no reason to take a line for new. */
static void test_name_with_a_slash(void)
{
    IrqLogOptions opts = { .enable = true, .has_text = true };
    Object *box = object_new("container");
    IrqLogSession *session;
    qemu_irq irq = qemu_allocate_irq(count_call, NULL, 0);
    int i;

    object_property_add_child(object_get_root(), "a/b", box);
    object_property_add_child(box, "pin", OBJECT(irq));
    harness_start(&opts);
    for (i = 0; i < 100; i++) {
        qemu_set_irq(irq, i & 1);
        if (i % 10 == 0) {
            qatomic_set(&irq_log_generation, irq_log_generation + 1);
        }
        harness_run_bottom_halves();
    }
    session = harness_stop();
    g_assert_cmpuint(irqlog_store_n_lines(&session->store), ==, 1);
    g_assert_cmpstr(path_of(session, 100), ==, "/a/b/pin");
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
    g_assert_cmpstr(path_of(session, 2 * IRQLOG_MAX_LINES), ==,
                    IRQLOG_UNKNOWN);
    /* Each was another line, but their memory may be the same again. */
    g_assert_cmpuint(irqlog_store_lines_refused(&session->store), ==,
                     IRQLOG_MAX_LINES);
    irq_log_put(session);
}

/* 10,000 messages of two vectors are two lines; a pin of it is another. */
static void test_messages(void)
{
    IrqLogOptions opts = { .enable = true, .has_text = true };
    Object *device = object_new("container");
    IrqLogSession *session;
    IrqlogLineInfo line;
    IrqlogEvent event;
    int i;

    object_property_add_child(object_get_root(), "nic", device);
    harness_start(&opts);
    for (i = 0; i < 10000; i++) {
        irq_log_message(device, 0xfee00000 + (i % 4 << 12),
                        i % 2 ? 0x4031 : 0x4032);
        if (i % 1000 == 0) {
            harness_run_bottom_halves();
        }
    }
    session = harness_stop();
    g_assert_cmpuint(evring_head(&session->store.ring), ==, 10000);
    g_assert_cmpuint(irqlog_store_n_lines(&session->store), ==, 2);
    g_assert_cmpuint(irqlog_store_lines_refused(&session->store), ==, 0);
    g_assert_true(irqlog_store_line(&session->store, 0, &line));
    g_assert_cmpint(line.n, ==, 0x32);
    g_assert_cmpint(line.kind, ==, IRQLOG_MSI);
    g_assert_cmphex(line.opaque, ==, (uintptr_t)device);
    g_assert_cmpint(irqlog_store_event(&session->store, 10000, &event), ==,
                    EVRING_OK);
    g_assert_cmpint(event.n, ==, 0x31);
    g_assert_cmpstr(event.path, ==, "/nic");
    irq_log_put(session);
    object_unparent(device);
    object_unref(device);
}

/*
 * One interrupt among many others, asked for by its line's number.  In-band
 * the main loop waits, so not all is looked at; but that is never mistaken
 * for the end.
 */
static void test_filtered_query_is_bounded(void)
{
    enum { OTHERS = 1500000 };
    IrqLogOptions opts = { .enable = true, .has_text = true,
                           .has_entries = true, .entries = 4194304 };
    IrqLogQuery query = { .has_filter_line = true, .filter_line = 7 };
    qemu_irq wanted = qemu_allocate_irq(count_call, NULL, 7);
    qemu_irq other = qemu_allocate_irq(count_call, NULL, 8);
    IrqLogEntryList *list;
    Error *err = NULL;
    uint64_t ns;
    int i;

    harness_start(&opts);
    qemu_set_irq(wanted, 1);
    for (i = 0; i < OTHERS; i++) {
        qemu_set_irq(other, i & 1);
    }
    qemu_set_irq(wanted, 0);

    /* The newest two: one is far away. */
    query.has_max_entries = true;
    query.max_entries = 1;
    list = qmp_query_irq_log(&query, &error_abort);
    g_assert_cmpuint(list->value->seq, ==, OTHERS + 2);
    qapi_free_IrqLogEntryList(list);
    query.max_entries = 2;
    ns = cpu_ns();
    list = qmp_query_irq_log(&query, &err);
    ns = cpu_ns() - ns;
    g_assert_null(list);
    g_assert_nonnull(strstr(error_get_pretty(err), "out-of-band"));
    error_free(err);
    err = NULL;
    g_test_message("1,048,576 interrupts looked at in %" PRIu64 " us",
                   ns / 1000);

    /* Paging: a page, an error that tells where to go on, a page, the end. */
    query.has_after = true;
    query.after = 0;
    list = qmp_query_irq_log(&query, &error_abort);
    g_assert_cmpuint(list->value->seq, ==, 1);
    g_assert_null(list->next);
    qapi_free_IrqLogEntryList(list);
    query.after = 1;
    list = qmp_query_irq_log(&query, &err);
    g_assert_null(list);
    g_assert_nonnull(strstr(error_get_pretty(err), "'after': 1048577"));
    error_free(err);
    query.after = 1048577;
    list = qmp_query_irq_log(&query, &error_abort);
    g_assert_cmpuint(list->value->seq, ==, OTHERS + 2);
    qapi_free_IrqLogEntryList(list);
    query.after = OTHERS + 2;
    g_assert_null(qmp_query_irq_log(&query, &error_abort));

    /* Out-of-band nothing waits. */
    harness_locked = false;
    query.has_after = false;
    list = qmp_query_irq_log(&query, &error_abort);
    g_assert_cmpuint(list->value->seq, ==, 1);
    g_assert_cmpuint(list->next->value->seq, ==, OTHERS + 2);
    qapi_free_IrqLogEntryList(list);
    harness_locked = true;
    irq_log_put(harness_stop());
    qemu_free_irq(wanted);
    qemu_free_irq(other);
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
    g_test_add_func("/irq-log/tree-in-pieces", test_tree_in_pieces);
    g_test_add_func("/irq-log/tree-changes-under-the-walk",
                    test_tree_changes_under_the_walk);
    g_test_add_func("/irq-log/name-with-a-slash", test_name_with_a_slash);
    g_test_add_func("/irq-log/freed-between-interrupts",
                    test_freed_between_interrupts);
    g_test_add_func("/irq-log/messages", test_messages);
    g_test_add_func("/irq-log/filtered-query-is-bounded",
                    test_filtered_query_is_bounded);
    g_test_add_func("/irq-log/backtrace", test_backtrace);
    return g_test_run();
}
