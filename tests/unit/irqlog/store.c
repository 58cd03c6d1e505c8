/*
 * irqlog/store: what goes in comes out, and a damaged file leads nowhere.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/store.h"

#include <glib.h>
#include <string.h>

typedef struct TestStore {
    IrqlogStore store;
    ClockKeeper keeper;
    void *mem;
    uint64_t size;
} TestStore;

static void test_store_init(TestStore *t, uint64_t entries, unsigned frames)
{
    RecorderRun run = {
        .pid = 4711,
        .load_base = 0x555500000000,
        .build_id = "0123456789abcdef0123456789abcdef01234567",
        .exe = "/usr/bin/qemu-system-x86_64",
    };
    ClockReading earlier;

    clock_read(clock_host_kind(), &earlier);
    t->size = irqlog_store_size(entries, frames);
    t->mem = aligned_alloc(4096, t->size);
    memset(t->mem, 0, t->size);
    irqlog_store_init(&t->store, t->mem, entries, frames, &run, &t->keeper,
                      &earlier);
}

static uint32_t add_line(TestStore *t, const char *path)
{
    IrqlogLineInfo line = {
        .irq = 0x1000, .handler = 0x2000, .opaque = 0x3000, .n = 9,
        .kind = IRQLOG_HARDWARE, .path = path,
    };

    return irqlog_store_add_line(&t->store, &line, 0x4000);
}

/* Where docs/formats/ring-v1.md says things are. */
static void test_format(void)
{
    g_assert_cmpuint(offsetof(IrqlogTables, heap_used), ==, 12);
    g_assert_cmpuint(offsetof(IrqlogTables, lines), ==, 64);
    g_assert_cmpuint(sizeof(IrqlogLineEntry), ==, 64);
    g_assert_cmpuint(offsetof(IrqlogLineEntry, n), ==, 32);
    g_assert_cmpuint(offsetof(IrqlogLineEntry, path), ==, 40);
    g_assert_cmpuint(sizeof(IrqlogThreadEntry), ==, 16);
    g_assert_cmpuint(sizeof(IrqlogObjectEntry), ==, 32);
    g_assert_cmpuint(offsetof(IrqlogTables, heap), ==,
                     64 + 64 * 4096 + 16 * 1024 + 32 * 256);
}

static void test_call(void)
{
    static const uint64_t frames[] = { 0xa1, 0xa2, 0xa3 };
    IrqlogThreadInfo thread = { .tid = 77, .name = "qemu", .role = "vcpu 1" };
    IrqlogThreadInfo thread_back;
    IrqlogEvent event;
    uint32_t line_id;
    uint32_t thread_id;
    TestStore t;
    IrqlogCall call = {
        .caller = 0xcafe, .level = -5, .tid = 77, .depth = 3,
        .n_backtrace = 3, .backtrace = frames,
    };

    test_store_init(&t, 64, 4);
    call.line = add_line(&t, "/machine/a");
    call.thread = irqlog_store_add_thread(&t.store, &thread);
    irqlog_store_record(&t.store, &call);

    g_assert_cmpint(irqlog_store_event_ids(&t.store, 1, &event, &line_id,
                                           &thread_id), ==, EVRING_OK);
    g_assert_cmpuint(event.seq, ==, 1);
    g_assert_cmpint(event.level, ==, -5);
    g_assert_cmpint(event.n, ==, 9);
    g_assert_cmpint(event.kind, ==, IRQLOG_HARDWARE);
    g_assert_cmpuint(event.depth, ==, 3);
    g_assert_cmphex(event.irq, ==, 0x1000);
    g_assert_cmphex(event.handler, ==, 0x2000);
    g_assert_cmphex(event.opaque, ==, 0x3000);
    g_assert_cmphex(event.caller, ==, 0xcafe);
    g_assert_cmpuint(event.tid, ==, 77);
    g_assert_cmpstr(event.path, ==, "/machine/a");
    g_assert_false(event.has_msi);
    g_assert_null(event.requester);
    g_assert_cmpuint(event.n_backtrace, ==, 3);
    g_assert_cmphex(event.backtrace[2], ==, 0xa3);
    g_assert_true(irqlog_store_thread(&t.store, thread_id, &thread_back));
    g_assert_cmpstr(thread_back.role, ==, "vcpu 1");
    g_assert_cmpuint(line_id, ==, call.line);
    free(t.mem);
}

static void test_message(void)
{
    IrqlogLineInfo sender = { .opaque = 0x3000, .kind = IRQLOG_MSI,
                              .path = "/machine/nic" };
    IrqlogEvent event;
    TestStore t;
    IrqlogCall call = {
        .caller = 1, .level = 1, .flags = IRQLOG_FLAG_MSI,
        .msi_address = 0xfee01004, .msi_data = 0x4031,
    };

    test_store_init(&t, 64, 0);
    call.line = irqlog_store_add_line(&t.store, &sender, 0);
    irqlog_store_record(&t.store, &call);
    g_assert_cmpint(irqlog_store_event(&t.store, 1, &event), ==, EVRING_OK);
    g_assert_cmpint(event.kind, ==, IRQLOG_MSI);
    g_assert_true(event.has_msi);
    g_assert_cmphex(event.msi_address, ==, 0xfee01004);
    g_assert_cmphex(event.msi_data, ==, 0x4031);
    g_assert_cmpint(event.n, ==, 0x31);
    g_assert_cmpstr(event.path, ==, "/machine/nic");
    g_assert_cmpstr(event.requester, ==, "/machine/nic");
    free(t.mem);
}

/* What filters ask for is what the whole event says. */
static void test_brief(void)
{
    static const uint64_t frames[16] = { 1, 2, 3 };
    IrqlogCall calls[3] = {
        { .level = 1, .tid = 77, .n_backtrace = 16, .backtrace = frames },
        { .level = 1, .tid = 78, .flags = IRQLOG_FLAG_MSI,
          .msi_data = 0x4031 },
        { .level = 1, .tid = 79, .line = IRQLOG_NO_LINE },
    };
    IrqlogBrief brief;
    IrqlogEvent event;
    TestStore t;
    unsigned i;

    test_store_init(&t, 64, 16);
    calls[0].line = add_line(&t, "/machine/a");
    calls[1].line = calls[0].line;
    for (i = 0; i < 3; i++) {
        irqlog_store_record(&t.store, &calls[i]);
        g_assert_cmpint(irqlog_store_event(&t.store, i + 1, &event), ==,
                        EVRING_OK);
        g_assert_cmpint(irqlog_store_brief(&t.store, i + 1, &brief), ==,
                        EVRING_OK);
        g_assert_cmpuint(brief.tid, ==, event.tid);
        g_assert_cmpuint(brief.line, ==, calls[i].line);
        g_assert_cmpint(brief.n, ==, event.n);
        g_assert_cmpint(brief.kind, ==, event.kind);
    }
    g_assert_cmpint(irqlog_store_brief(&t.store, 4, &brief), ==,
                    EVRING_FUTURE);
    for (i = 0; i < 64; i++) {
        irqlog_store_record(&t.store, &calls[0]);
    }
    g_assert_cmpint(irqlog_store_brief(&t.store, 3, &brief), ==,
                    EVRING_OVERWRITTEN);
    free(t.mem);
}

static void test_named_later(void)
{
    IrqlogLineInfo line;
    TestStore t;
    uint32_t id;

    test_store_init(&t, 64, 0);
    id = add_line(&t, NULL);
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, IRQLOG_ANONYMOUS);
    g_assert_null(line.driven_by);
    irqlog_store_name_line(&t.store, id, "/machine/b", "/machine/c:out", NULL);
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, "/machine/b");
    g_assert_cmpstr(line.driven_by, ==, "/machine/c:out");
    g_assert_null(line.owner);
    g_assert_false(irqlog_store_line(&t.store, id + 1, &line));
    free(t.mem);
}

/* The next line of a device refers to its name; a name once told stays. */
static void test_device(void)
{
    IrqlogLineInfo line;
    uint32_t used;
    TestStore t;

    test_store_init(&t, 64, 0);
    add_line(&t, "/a");
    add_line(&t, "/b");
    irqlog_store_line(&t.store, 0, &line);
    g_assert_null(line.device);
    irqlog_store_set_device(&t.store, 0, NULL);
    irqlog_store_set_device(&t.store, 0, "hpet");
    used = t.store.heap_used;
    irqlog_store_set_device(&t.store, 1, "hpet");
    g_assert_cmpuint(t.store.heap_used, ==, used);
    add_line(&t, "/c");
    irqlog_store_set_device(&t.store, 2, "edu:e");
    irqlog_store_line(&t.store, 1, &line);
    g_assert_cmpstr(line.device, ==, "hpet");
    irqlog_store_line(&t.store, 2, &line);
    g_assert_cmpstr(line.device, ==, "edu:e");
    g_assert_cmpuint(irqlog_store_lines_refused(&t.store), ==, 0);
    free(t.mem);
}

static void test_tables_full(void)
{
    IrqlogThreadInfo thread = { .tid = 1, .name = "t" };
    IrqlogObjectInfo object = { .file = "f", .build_id = "" };
    IrqlogCall call = { .line = IRQLOG_NO_LINE, .thread = IRQLOG_NO_THREAD };
    IrqlogEvent event;
    TestStore t;
    int i;

    test_store_init(&t, 64, 0);
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        g_assert_cmpuint(add_line(&t, "/p"), ==, i);
    }
    g_assert_cmpuint(irqlog_store_lines_refused(&t.store), ==, 0);
    g_assert_cmpuint(add_line(&t, "/p"), ==, IRQLOG_NO_LINE);
    irqlog_store_refuse_line(&t.store);
    g_assert_cmpuint(irqlog_store_lines_refused(&t.store), ==, 1);
    for (i = 0; i < IRQLOG_MAX_THREADS; i++) {
        g_assert_cmpuint(irqlog_store_add_thread(&t.store, &thread), ==, i);
    }
    g_assert_cmpuint(irqlog_store_add_thread(&t.store, &thread), ==,
                     IRQLOG_NO_THREAD);
    for (i = 0; i < IRQLOG_MAX_OBJECTS; i++) {
        g_assert_true(irqlog_store_add_object(&t.store, &object));
    }
    g_assert_false(irqlog_store_add_object(&t.store, &object));
    irqlog_store_record(&t.store, &call);
    g_assert_cmpint(irqlog_store_event(&t.store, 1, &event), ==, EVRING_OK);
    g_assert_cmpstr(event.path, ==, "(unknown)");
    free(t.mem);
}

/* No room for names is no reason to lose the line, but is said, once. */
static void test_heap_full(void)
{
    g_autofree char *path = g_strnfill(1000, 'x');
    IrqlogLineInfo line;
    TestStore t;
    uint32_t id = 0;
    uint32_t unnamed;
    int i;

    test_store_init(&t, 64, 0);
    for (i = 0; i < IRQLOG_HEAP_SIZE / 1000 + 2; i++) {
        id = add_line(&t, path);
        g_assert_cmpuint(id, ==, i);
    }
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, IRQLOG_UNKNOWN);
    g_assert_true(irqlog_store_line(&t.store, 0, &line));
    g_assert_cmpstr(line.path, ==, path);
    g_assert_cmpuint(irqlog_store_lines_refused(&t.store), ==,
                     i - IRQLOG_HEAP_SIZE / 1001);
    irqlog_store_name_line(&t.store, id, NULL, path, path);
    g_assert_cmpuint(irqlog_store_lines_refused(&t.store), ==,
                     i - IRQLOG_HEAP_SIZE / 1001);

    unnamed = add_line(&t, NULL);
    irqlog_store_name_line(&t.store, unnamed, NULL, path, path);
    g_assert_cmpuint(irqlog_store_lines_refused(&t.store), ==,
                     i - IRQLOG_HEAP_SIZE / 1001 + 1);
    free(t.mem);
}

/* The heap's last bytes, to the last one, and nothing behind it. */
static void test_heap_to_its_end(void)
{
    g_autofree char *path = g_strnfill(1000, 'x');
    IrqlogLineInfo line;
    TestStore t;
    uint32_t left;
    uint32_t id;

    test_store_init(&t, 64, 0);
    do {
        add_line(&t, path);
        left = IRQLOG_HEAP_SIZE - t.store.heap_used;
    } while (left > 1001);
    memset((char *)t.store.tables + sizeof(IrqlogTables), 0x5a, 64);
    path[left] = '\0';      /* one byte too long, with its NUL */
    id = add_line(&t, path);
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, IRQLOG_UNKNOWN);
    path[left - 1] = '\0';
    id = add_line(&t, path);
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, path);
    g_assert_cmpuint(t.store.heap_used, ==, IRQLOG_HEAP_SIZE);
    id = add_line(&t, "a");
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, IRQLOG_UNKNOWN);
    g_assert_cmpint(((char *)t.store.tables)[sizeof(IrqlogTables)], ==, 0x5a);
    free(t.mem);
}

/* What stands in the memory of a ring, others may have written. */
static void test_heap_lied_to(void)
{
    IrqlogLineInfo line;
    TestStore t;
    uint32_t id;

    test_store_init(&t, 64, 0);
    atomic_store(&t.store.tables->heap_used, UINT32_MAX - 5);
    id = add_line(&t, "/machine/a");
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, ==, "/machine/a");

    /* A string without an end, and ones outside of the heap. */
    memset(t.store.tables->heap + IRQLOG_HEAP_SIZE - 8, 'x', 8);
    atomic_store(&t.store.tables->lines[id].path, IRQLOG_HEAP_SIZE - 4);
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpstr(line.path, !=, "xxxx");
    atomic_store(&t.store.tables->lines[id].path, IRQLOG_HEAP_SIZE);
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpuint(strlen(line.path), <, 30);
    atomic_store(&t.store.tables->lines[id].path, UINT32_MAX);
    t.store.tables->lines[id].kind = 77;
    g_assert_true(irqlog_store_line(&t.store, id, &line));
    g_assert_cmpint(line.kind, ==, IRQLOG_SOFTWARE);
    free(t.mem);
}

static void test_attach(void)
{
    IrqlogCall call = { .level = 1 };
    IrqlogStore reader;
    IrqlogEvent event;
    IrqlogRun run;
    TestStore t;
    Err err = {};

    test_store_init(&t, 64, 0);
    call.line = add_line(&t, "/machine/a");
    irqlog_store_record(&t.store, &call);
    irqlog_store_stop(&t.store);
    g_assert_true(irqlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_cmpint(irqlog_store_event(&reader, 1, &event), ==, EVRING_OK);
    g_assert_cmpstr(event.path, ==, "/machine/a");
    irqlog_store_run(&reader, &run);
    g_assert_cmpuint(run.pid, ==, 4711);
    g_assert_cmphex(run.load_base, ==, 0x555500000000);
    g_assert_cmpuint(strlen(run.build_id), ==, 40);
    g_assert_cmpstr(run.exe, ==, "/usr/bin/qemu-system-x86_64");
    free(t.mem);
}

static void test_attach_refuses(void)
{
    IrqlogStore reader;
    TestStore t;
    Err err = {};

    test_store_init(&t, 64, 0);
    t.store.header->content = EVRING_CONTENT_SCHED;
    g_assert_false(irqlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_nonnull(strstr(err.text, "does not hold interrupts"));
    t.store.header->content = EVRING_CONTENT_IRQ;
    t.store.header->tables_size -= 64;
    g_assert_false(irqlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_nonnull(strstr(err.text, "impossible size"));
    g_assert_false(irqlog_store_attach(&reader, t.mem, 100, &err));
    g_assert_cmpint(err.code, ==, ERR_FORMAT);
    free(t.mem);
}

/* Whatever bytes follow a good header, reading stays inside the memory. */
static void test_damaged_tables(void)
{
    GRand *rand = g_rand_new_with_seed(1);
    IrqlogStore reader;
    IrqlogEvent event;
    IrqlogLineInfo line;
    IrqlogThreadInfo thread;
    IrqlogObjectInfo object;
    TestStore t;
    Err err = {};
    uint64_t i;

    test_store_init(&t, 64, 16);
    for (i = EVRING_HEADER_SIZE; i < t.size; i++) {
        ((uint8_t *)t.mem)[i] = g_rand_int(rand);
    }
    g_assert_true(irqlog_store_attach(&reader, t.mem, t.size, &err));
    /* Make the random slots look committed, and the heads plausible. */
    for (i = 0; i < 64; i++) {
        evring_slot(&reader.ring, i + 1)->state = 2 * (i + 1);
    }
    atomic_store(&reader.ring.shared->head, 64);
    for (i = 1; i <= 64; i++) {
        g_assert_cmpint(irqlog_store_event(&reader, i, &event), ==,
                        EVRING_OK);
        g_assert_cmpuint(event.n_backtrace, <=, IRQLOG_BACKTRACE_MAX);
        g_assert_cmpuint(strlen(event.path), <, IRQLOG_HEAP_SIZE);
        g_assert_cmpint(event.kind, <, IRQLOG_KIND_COUNT);
    }
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        g_assert_true(irqlog_store_line(&reader, i, &line));
        g_assert_cmpuint(strlen(line.path), <, IRQLOG_HEAP_SIZE);
    }
    g_assert_false(irqlog_store_line(&reader, IRQLOG_MAX_LINES, &line));
    g_assert_true(irqlog_store_thread(&reader, 5, &thread));
    g_assert_cmpuint(strlen(thread.name), <, IRQLOG_HEAP_SIZE);
    g_assert_true(irqlog_store_object(&reader, 5, &object));
    g_assert_cmpuint(strlen(object.file), <, IRQLOG_HEAP_SIZE);
    g_rand_free(rand);
    free(t.mem);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/irqlog/store/format", test_format);
    g_test_add_func("/irqlog/store/call", test_call);
    g_test_add_func("/irqlog/store/message", test_message);
    g_test_add_func("/irqlog/store/brief", test_brief);
    g_test_add_func("/irqlog/store/named-later", test_named_later);
    g_test_add_func("/irqlog/store/device", test_device);
    g_test_add_func("/irqlog/store/tables-full", test_tables_full);
    g_test_add_func("/irqlog/store/heap-full", test_heap_full);
    g_test_add_func("/irqlog/store/heap-to-its-end", test_heap_to_its_end);
    g_test_add_func("/irqlog/store/heap-lied-to", test_heap_lied_to);
    g_test_add_func("/irqlog/store/attach", test_attach);
    g_test_add_func("/irqlog/store/attach-refuses", test_attach_refuses);
    g_test_add_func("/irqlog/store/damaged-tables", test_damaged_tables);
    return g_test_run();
}
