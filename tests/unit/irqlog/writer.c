/*
 * irqlog/writer: all text reaches the file, whole events a file, and what
 * does not is counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/writer.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES = 4096, LIMIT = 64 * 1024 };

typedef struct TestWriter {
    IrqlogStore store;
    ClockKeeper keeper;
    IrqlogFile file;
    IrqlogWriter writer;
    void *mem;
    char *folder;
    char *path;
    char *old;
    char error[512];            /* the last that was told; "": none */
} TestWriter;

static void tell(void *opaque, const char *error)
{
    TestWriter *t = opaque;

    g_strlcpy(t->error, error ? error : "", sizeof(t->error));
}

static void setup(TestWriter *t, uint64_t limit)
{
    RecorderRun run = { .pid = 4711, .build_id = "", .exe = "/usr/bin/qemu" };
    IrqlogLineInfo line = { .irq = 0x1000, .n = 9, .path = "/machine/a" };
    IrqlogThreadInfo thread = { .tid = 7, .name = "CPU 0/TCG" };
    IrqlogObjectInfo object = { .build_id = "aa", .file = "/usr/bin/qemu" };
    uint64_t size = irqlog_store_size(ENTRIES, 0);
    ClockReading earlier;

    memset(t, 0, sizeof(*t));
    t->folder = g_dir_make_tmp("vmscope-XXXXXX", NULL);
    t->path = g_build_filename(t->folder, "log", NULL);
    t->old = g_build_filename(t->folder, "log.old", NULL);
    clock_read(clock_host_kind(), &earlier);
    t->mem = aligned_alloc(4096, size);
    memset(t->mem, 0, size);
    irqlog_store_init(&t->store, t->mem, ENTRIES, 0, &run, &t->keeper,
                      &earlier);
    irqlog_store_add_line(&t->store, &line, 0);
    irqlog_store_add_thread(&t->store, &thread);
    irqlog_store_add_object(&t->store, &object);
    t->file.fd = -1;
    g_assert_true(irqlog_writer_init(&t->writer, &t->store, &t->file, t->path,
                                     limit, tell, t));
}

static void open_log(TestWriter *t)
{
    Err err;

    g_assert_true(irqlog_file_open(&t->file, t->path, NULL, &err));
    irqlog_writer_begin(&t->writer);
}

static void teardown(TestWriter *t)
{
    irqlog_file_close(&t->file);
    irqlog_writer_deinit(&t->writer);
    g_remove(t->path);
    g_remove(t->old);
    g_rmdir(t->folder);
    g_free(t->old);
    g_free(t->path);
    g_free(t->folder);
    free(t->mem);
}

static void record(TestWriter *t, unsigned n)
{
    IrqlogCall call = { .tid = 7, .level = 1 };

    while (n--) {
        irqlog_store_record(&t->store, &call);
    }
}

/* How often a word stands in a file, which has whole lines. */
static unsigned count(const char *path, const char *word)
{
    g_autofree char *text = NULL;
    const char *at;
    unsigned n = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !*text) {
        return 0;
    }
    g_assert_cmpint(text[strlen(text) - 1], ==, '\n');
    for (at = text; (at = strstr(at, word)); at += strlen(word)) {
        n++;
    }
    return n;
}

#define EVENT "irq-log: time="

static void test_plain(void)
{
    TestWriter t;

    setup(&t, 1 << 30);
    open_log(&t);
    irqlog_writer_objects(&t.writer);
    record(&t, 3000);
    g_assert_cmpuint(irqlog_writer_drain(&t.writer, 0), ==, 3000);
    g_assert_cmpuint(irqlog_writer_drain(&t.writer, 0), ==, 0);
    record(&t, 500);
    irqlog_writer_finish(&t.writer, 0);
    g_assert_cmpuint(t.writer.stream.text_lost, ==, 0);
    g_assert_cmpuint(count(t.path, "/usr/bin/qemu"), >=, 1);
    g_assert_cmpuint(count(t.path, EVENT), ==, 3500);
    g_assert_cmpstr(t.error, ==, "");
    teardown(&t);
}

/* The file is renamed between two events, and begins anew. */
static void test_limit(void)
{
    unsigned i, all = 0;
    struct stat st;
    TestWriter t;

    setup(&t, LIMIT);
    open_log(&t);
    for (i = 0; i < 20 && !g_file_test(t.old, G_FILE_TEST_EXISTS); i++) {
        record(&t, 200);
        g_assert_cmpuint(irqlog_writer_drain(&t.writer, 0), ==, 200);
        all += 200;
    }
    g_assert_true(g_file_test(t.old, G_FILE_TEST_EXISTS));
    g_assert_cmpint(stat(t.old, &st), ==, 0);
    g_assert_cmpint(st.st_size, <=, LIMIT);
    g_assert_cmpint(st.st_size, >, LIMIT / 2);
    /* Each begins with what is needed to understand it. */
    g_assert_cmpuint(count(t.old, "/usr/bin/qemu"), >=, 1);
    g_assert_cmpuint(count(t.path, "/usr/bin/qemu"), >=, 1);
    g_assert_cmpuint(count(t.old, EVENT) + count(t.path, EVENT), ==, all);
    g_assert_cmpuint(t.writer.stream.text_lost, ==, 0);
    teardown(&t);
}

/* One that may not be renamed stays as long as it may be; the rest is lost. */
static void test_limit_of_others(void)
{
    TestWriter t;

    setup(&t, LIMIT);
    open_log(&t);
    t.file.rotates = false;
    record(&t, 4000);
    g_assert_cmpuint(irqlog_writer_drain(&t.writer, 0), <, 4000);
    g_assert_cmpuint(t.file.size, <=, LIMIT);
    g_assert_true(g_str_has_prefix(t.error, "text-limit is reached"));
    irqlog_writer_finish(&t.writer, 0);
    g_assert_cmpuint(t.writer.stream.text_lost, >, 0);
    g_assert_cmpuint(t.writer.stream.text_lost, <, 4000);
    teardown(&t);
}

/* Nobody reads the pipe: what found room is in it, all else is counted. */
static void test_full_pipe(void)
{
    int fds[2];
    TestWriter t;

    setup(&t, 1 << 30);
    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(fcntl(fds[1], F_SETFL, O_NONBLOCK), ==, 0);
    t.file = (IrqlogFile) { .fd = fds[1] };
    irqlog_writer_begin(&t.writer);
    record(&t, 4000);
    irqlog_writer_drain(&t.writer, 0);
    g_assert_cmpuint(t.writer.stream.text_lost, ==, 0);
    g_assert_cmpuint(t.writer.done, <, t.writer.stream.used);
    /* As the last one of a run would, only without the two seconds. */
    {
        IrqlogFile next = { .fd = open("/dev/null", O_WRONLY) };

        irqlog_writer_switch(&t.writer, &next, 1);
    }
    g_assert_cmpuint(t.writer.stream.text_lost, >, 0);
    g_assert_cmpuint(t.writer.done, ==, 0);
    irqlog_writer_finish(&t.writer, 0);
    g_assert_cmpuint(t.writer.stream.text_lost, <, 4000);
    close(fds[0]);
    teardown(&t);
}

static void test_error(void)
{
    TestWriter t;

    setup(&t, 1 << 30);
    t.file = (IrqlogFile) { .fd = open("/dev/full", O_WRONLY),
                            .regular = true };
    irqlog_writer_begin(&t.writer);
    g_assert_cmpstr(t.error, ==, "No space left on device");
    record(&t, 100);
    irqlog_writer_drain(&t.writer, 0);
    g_assert_cmpuint(t.writer.stream.text_lost, ==, 0);
    irqlog_file_close(&t.file);
    /* Room again: nothing is lost. */
    open_log(&t);
    g_assert_cmpstr(t.error, ==, "");
    irqlog_writer_finish(&t.writer, 0);
    g_assert_cmpuint(count(t.path, EVENT), ==, 100);
    g_assert_cmpuint(t.writer.stream.text_lost, ==, 0);
    teardown(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/writer/plain", test_plain);
    g_test_add_func("/writer/limit", test_limit);
    g_test_add_func("/writer/limit-of-others", test_limit_of_others);
    g_test_add_func("/writer/full-pipe", test_full_pipe);
    g_test_add_func("/writer/error", test_error);
    return g_test_run();
}
