/*
 * irqlog/stream: text says what is needed once a file, and counts all else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/stream.h"

#include <glib.h>
#include <string.h>

enum { ENTRIES = 64, ROOM = 1 << 20 };

typedef struct TestStream {
    IrqlogStore store;
    ClockKeeper keeper;
    IrqlogStream stream;
    void *mem;
    char *buffer;
} TestStream;

static void test_stream_init(TestStream *t)
{
    RecorderRun run = { .pid = 4711, .build_id = "", .exe = "/usr/bin/qemu" };
    IrqlogLineInfo line = { .irq = 0x1000, .n = 9, .path = "/machine/a",
                            .driven_by = "/machine/b:sysbus-irq[0]" };
    IrqlogThreadInfo thread = { .tid = 7, .name = "CPU 0/TCG",
                                .role = "vcpu 0" };
    IrqlogObjectInfo object = { .build_id = "aa", .file = "/usr/bin/qemu" };
    uint64_t size = irqlog_store_size(ENTRIES, 0);
    ClockReading earlier;

    clock_read(clock_host_kind(), &earlier);
    t->mem = aligned_alloc(4096, size);
    memset(t->mem, 0, size);
    irqlog_store_init(&t->store, t->mem, ENTRIES, 0, &run, &t->keeper,
                      &earlier);
    irqlog_store_add_line(&t->store, &line, 0);
    irqlog_store_add_thread(&t->store, &thread);
    irqlog_store_add_object(&t->store, &object);
    t->buffer = g_malloc0(ROOM);
    irqlog_stream_init(&t->stream, &t->store, t->buffer);
}

static void test_stream_deinit(TestStream *t)
{
    g_free(t->buffer);
    free(t->mem);
}

static void record(TestStream *t, unsigned n)
{
    IrqlogCall call = { .tid = 7, .level = 1 };

    while (n--) {
        irqlog_store_record(&t->store, &call);
    }
}

static void take_all(TestStream *t)
{
    while (irqlog_stream_event(&t->stream)) {
        g_assert_cmpuint(t->stream.used, <, ROOM - IRQLOG_STREAM_ROOM);
    }
}

/* How often a word stands in the text. */
static unsigned count(TestStream *t, const char *word)
{
    const char *at = t->buffer;
    unsigned n = 0;

    t->buffer[t->stream.used] = '\0';
    while ((at = strstr(at, word))) {
        at += strlen(word);
        n++;
    }
    return n;
}

static void test_told_once(void)
{
    TestStream t;

    test_stream_init(&t);
    irqlog_stream_begin_file(&t.stream);
    g_assert_true(irqlog_stream_object(&t.stream));
    g_assert_false(irqlog_stream_object(&t.stream));
    record(&t, 5);
    take_all(&t);
    g_assert_cmpuint(t.stream.events, ==, 5);
    g_assert_cmpuint(count(&t, "irq-log: time="), ==, 5);
    g_assert_cmpuint(count(&t, "vcpu 0"), ==, 1);
    g_assert_cmpuint(count(&t, "sysbus-irq[0]"), ==, 1);
    g_assert_cmpuint(t.stream.text_lost, ==, 0);
    test_stream_deinit(&t);
}

/* The device of a line is known before what drives it: it is told twice. */
static void test_told_more(void)
{
    IrqlogLineInfo line = { .irq = 0x2000, .n = 3, .path = "/machine/c",
                            .device = "ioapic:x" };
    IrqlogCall call = { .tid = 7, .level = 1, .line = 1 };
    TestStream t;
    unsigned i;

    test_stream_init(&t);
    g_assert_cmpuint(irqlog_store_add_line(&t.store, &line, 0), ==, 1);
    for (i = 0; i < 3; i++) {
        irqlog_store_record(&t.store, &call);
        take_all(&t);
        g_assert_cmpuint(count(&t, "ioapic:x"), ==, 1);
    }
    irqlog_store_name_line(&t.store, 1, NULL, "/machine/d:out[0]", NULL);
    for (i = 0; i < 3; i++) {
        irqlog_store_record(&t.store, &call);
        take_all(&t);
        g_assert_cmpuint(count(&t, "ioapic:x"), ==, 2);
        g_assert_cmpuint(count(&t, "/machine/d:out[0]"), ==, 1);
    }
    test_stream_deinit(&t);
}

/* What is in the buffer comes behind the head of the new file. */
static void test_begin_file(void)
{
    TestStream t;
    size_t used;

    test_stream_init(&t);
    record(&t, 2);
    take_all(&t);
    used = t.stream.used;
    irqlog_stream_begin_file(&t.stream);
    g_assert_cmpuint(t.stream.used, >, used);
    g_assert_true(g_str_has_prefix(t.buffer, "irq-log: "));
    g_assert_nonnull(strstr(t.buffer, "4711"));
    g_assert_cmpuint(count(&t, "irq-log: time="), ==, 2);
    g_assert_true(irqlog_stream_object(&t.stream));
    record(&t, 1);
    take_all(&t);
    g_assert_cmpuint(count(&t, "vcpu 0"), ==, 2);
    g_assert_cmpuint(count(&t, "sysbus-irq[0]"), ==, 2);
    test_stream_deinit(&t);
}

static void test_overwritten(void)
{
    TestStream t;

    test_stream_init(&t);
    record(&t, 3);
    take_all(&t);
    record(&t, ENTRIES + 10);
    take_all(&t);
    g_assert_cmpuint(t.stream.text_lost, ==, 10);
    g_assert_cmpuint(t.stream.lost, ==, 0);
    g_assert_cmpuint(count(&t, "irq-log: lost=10\n"), ==, 1);
    g_assert_cmpuint(count(&t, "irq-log: time="), ==, 3 + ENTRIES);
    test_stream_deinit(&t);
}

/* A writer is a lap late, so others have dropped their records. */
static void test_dropped(void)
{
    EvringSlot *slot;
    uint64_t seq;
    TestStream t;

    test_stream_init(&t);
    slot = evring_claim(&t.store.ring, &seq);
    record(&t, ENTRIES + 4);
    g_assert_cmpuint(evring_dropped(&t.store.ring), ==, 5);
    g_assert_false(irqlog_stream_event(&t.stream));
    g_assert_cmpuint(t.stream.text_lost, ==, 5);
    g_assert_false(irqlog_stream_event(&t.stream));
    g_assert_cmpuint(t.stream.text_lost, ==, 5);
    evring_commit(slot, seq);
    take_all(&t);
    g_assert_cmpuint(count(&t, "irq-log: lost=5\n"), ==, 1);
    g_assert_cmpuint(count(&t, "irq-log: time="), ==, ENTRIES);
    test_stream_deinit(&t);
}

static void test_drop_and_end(void)
{
    TestStream t;

    test_stream_init(&t);
    record(&t, 4);
    take_all(&t);
    irqlog_stream_drop(&t.stream);
    g_assert_cmpuint(t.stream.used, ==, 0);
    g_assert_cmpuint(t.stream.text_lost, ==, 4);
    record(&t, 3);
    irqlog_stream_event(&t.stream);
    g_assert_cmpuint(count(&t, "irq-log: lost=4\n"), ==, 1);
    /* Two are in the ring still, and nobody waits for them. */
    irqlog_stream_end(&t.stream, 100);
    g_assert_cmpuint(t.stream.text_lost, ==, 6);
    g_assert_cmpuint(count(&t, "irq-log: lost=2\n"), ==, 1);
    g_assert_cmpuint(count(&t, "recorded=107 lost=6"), ==, 1);
    g_assert_cmpuint(t.stream.next, ==, 8);
    test_stream_deinit(&t);
}

static void test_begin_anew(void)
{
    TestStream t;

    test_stream_init(&t);
    record(&t, 6);
    irqlog_stream_event(&t.stream);
    irqlog_stream_event(&t.stream);
    irqlog_stream_begin_anew(&t.stream, 6);
    g_assert_cmpuint(t.stream.text_lost, ==, 4);
    g_assert_cmpuint(t.stream.next, ==, 1);
    take_all(&t);
    g_assert_cmpuint(count(&t, "irq-log: lost=4\n"), ==, 1);
    g_assert_cmpuint(count(&t, "vcpu 0"), ==, 2);
    g_assert_cmpuint(count(&t, "irq-log: time="), ==, 8);

    /* All of it was read before: nothing is lost. */
    irqlog_stream_begin_anew(&t.stream, 6);
    g_assert_cmpuint(t.stream.text_lost, ==, 4);
    test_stream_deinit(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/irqlog/stream/told-once", test_told_once);
    g_test_add_func("/irqlog/stream/told-more", test_told_more);
    g_test_add_func("/irqlog/stream/begin-file", test_begin_file);
    g_test_add_func("/irqlog/stream/overwritten", test_overwritten);
    g_test_add_func("/irqlog/stream/dropped", test_dropped);
    g_test_add_func("/irqlog/stream/drop-and-end", test_drop_and_end);
    g_test_add_func("/irqlog/stream/begin-anew", test_begin_anew);
    return g_test_run();
}
