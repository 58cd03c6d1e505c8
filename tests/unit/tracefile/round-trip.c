/*
 * tracefile: what was written is read, item by item.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sample.h"

#include "old-file.h"

#include <string.h>

typedef struct Fixture {
    Memory memory;
    TraceSink sink;
    TraceSource source;
    TraceWriter *writer;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    memory_init(&f->memory);
    f->sink = memory_sink(&f->memory);
    f->source = memory_source(&f->memory);
    f->writer = trace_writer_new(&f->sink);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    trace_writer_free(f->writer);
    memory_clear(&f->memory);
}

static void test_header(Fixture *f, gconstpointer data)
{
    TraceReader *reader;
    const TraceInfo *info;
    TraceInfo wanted = sample_info;

    (void)data;
    wanted.version = TRACE_VERSION;
    sample_write(f->writer, 1);
    reader = trace_reader_new(&f->source, TRACE_SCHED, NULL);
    info = trace_reader_info(reader);
    g_assert_cmpuint(info->version, ==, wanted.version);
    g_assert_cmpuint(info->contents, ==, wanted.contents);
    g_assert_cmpuint(info->n_vcpus, ==, wanted.n_vcpus);
    g_assert_cmpuint(info->monotonic_ns, ==, wanted.monotonic_ns);
    g_assert_cmpuint(info->realtime_ns, ==, wanted.realtime_ns);
    g_assert_cmpuint(info->tsc, ==, wanted.tsc);
    g_assert_cmpuint(info->load_base, ==, wanted.load_base);
    g_assert_cmpuint(info->pid, ==, wanted.pid);
    g_assert_cmpuint(info->poll_hz, ==, wanted.poll_hz);
    g_assert_true(info->exact);
    g_assert_cmpuint(info->part, ==, 1);
    g_assert_cmpstr(info->build_id, ==, wanted.build_id);
    g_assert_cmpstr(info->exe, ==, wanted.exe);
    g_assert_cmpstr(info->qemu_version, ==, wanted.qemu_version);
    g_assert_cmpstr(info->vm_name, ==, wanted.vm_name);
    g_assert_cmpstr(info->options, ==, wanted.options);
    g_assert_cmpint(info->past_log_known, ==, wanted.past_log_known);
    g_assert_cmpstr(info->past_log, ==, wanted.past_log);
    trace_reader_free(reader);
}

static void compare_sched(const SchedlogEvent *got, uint64_t seq)
{
    SchedlogEvent wanted;

    sample_sched(seq, &wanted);
    g_assert_cmpmem(got, sizeof(*got), &wanted, sizeof(wanted));
}

/* Every member of every switch, bit for bit. */
static void test_sched(Fixture *f, gconstpointer data)
{
    enum { N = 5000 };
    TraceReader *reader;
    TraceItem item;
    uint64_t seq = 0;

    (void)data;
    sample_write(f->writer, N);
    reader = trace_reader_new(&f->source, TRACE_SCHED, NULL);
    while (trace_reader_next(reader, &item)) {
        if (item.type == TRACE_ITEM_SCHED) {
            compare_sched(&item.sched, ++seq);
        }
        g_assert_cmpint(item.type, !=, TRACE_ITEM_IRQ);
    }
    g_assert_cmpuint(seq, ==, N);
    g_assert_true(trace_reader_stats(reader)->ended);
    g_assert_cmpuint(trace_reader_stats(reader)->bytes_skipped, ==, 0);
    trace_reader_free(reader);
}

static void compare_irq(const IrqlogEvent *got, uint64_t seq)
{
    IrqlogEvent wanted;
    uint32_t line;
    uint32_t thread;

    sample_irq(seq, &wanted, &line, &thread);
    g_assert_cmpuint(got->seq, ==, wanted.seq);
    g_assert_cmpuint(got->time_ns, ==, wanted.time_ns);
    g_assert_cmpint(got->level, ==, wanted.level);
    g_assert_cmpuint(got->depth, ==, wanted.depth);
    g_assert_cmpuint(got->tid, ==, wanted.tid);
    g_assert_cmphex(got->caller, ==, wanted.caller);
    g_assert_true(got->has_msi == wanted.has_msi);
    g_assert_cmphex(got->msi_address, ==, wanted.msi_address);
    g_assert_cmphex(got->msi_data, ==, wanted.msi_data);
    g_assert_cmpuint(got->n_backtrace, ==, wanted.n_backtrace);
    g_assert_cmpmem(got->backtrace, sizeof(got->backtrace),
                    wanted.backtrace, sizeof(wanted.backtrace));
}

static void compare_line(const TraceItem *item)
{
    static const char *const paths[] = {
        "/machine/pin[0]", "/machine/cpu[3]", "(anonymous)", "",
        "/machine/peripheral/net0",
    };
    IrqlogEvent event;
    uint32_t line;
    uint32_t thread;

    sample_irq(item->irq.seq, &event, &line, &thread);
    g_assert_cmpuint(item->line, ==, line);
    if (line == IRQLOG_NO_LINE) {
        g_assert_cmpstr(item->irq.path, ==, "(unknown)");
        g_assert_cmpstr(item->host_thread->name, ==, "");
        return;
    }
    g_assert_cmpstr(item->irq.path, ==, paths[line]);
    g_assert_cmpstr(item->host_thread->name, ==,
                    thread ? "qemu" : "CPU 0/KVM");
    g_assert_cmpstr(item->host_thread->role, ==, thread ? NULL : "vcpu 0");
    if (line == 1) {
        g_assert_cmpstr(item->line_info->driven_by, ==, "/drv:x");
        g_assert_cmpstr(item->line_info->owner, ==, "/owner");
        g_assert_cmpstr(item->line_info->device, ==, "edu:e");
        g_assert_cmpint(item->irq.n, ==, 3);
    }
    if (line == 4) {
        g_assert_cmpint(item->irq.kind, ==, IRQLOG_MSI);
        g_assert_cmpint(item->irq.n, ==, 0x31);
        g_assert_cmpstr(item->irq.requester, ==, paths[4]);
    }
}

static void test_irq(Fixture *f, gconstpointer data)
{
    enum { N = 5000 };
    TraceReader *reader;
    TraceItem item;
    uint64_t seq = 0;

    (void)data;
    sample_write(f->writer, N);
    reader = trace_reader_new(&f->source, TRACE_IRQ, NULL);
    while (trace_reader_next(reader, &item)) {
        if (item.type == TRACE_ITEM_IRQ) {
            compare_irq(&item.irq, ++seq);
            compare_line(&item);
        }
        g_assert_cmpint(item.type, !=, TRACE_ITEM_SCHED);
    }
    g_assert_cmpuint(seq, ==, N);
    trace_reader_free(reader);
}

static void test_others(Fixture *f, gconstpointer data)
{
    static const char wanted[] =
        "object 7f0000000000 7f0000001000 7f0000002000 '5a3c' '/lib/c.so'\n"
        "guest @1500000 fffff80000000000+1000000 12345678 build=26100 "
        "kpcr-current-prcb=32(code) kthread-state=-1()\n"
        "vector 0 145 apic 1 0 'viostor.sys by storport.sys'\n"
        "vector 4095 255 apic 1 4294967295 ''\n"
        "vector 2 0 apic 0 0 'a, \xc3\xa9'\n"
        "path ffff800000001000 4 '' ''\n"
        "path ffff800000002000 8 'p1.exe' '\\Device\\HarddiskVolume3\\"
        "\xec\x82\xac\xec\x9a\xa9\\p1.exe'\n"
        "path ffffffffffffffff 4294967295 '\\260\\350\\377' 'x'\n"
        "host 0 1000000-3000000 run 1500000 wait 500000\n"
        "host 3 1000000-2999000 run 0 wait 0\n"
        "host 4095 3000000-3900000 run 3000000 wait 18446744073709551615\n"
        "ticks 0 1000000-3000000 of 15625000: 32 4 1 0 27 irqs 64 dpcs 5\n"
        "ticks 4095 2000000-2999999 of 0: 4294967295 0 0 0 1 "
        "irqs 4294967295 dpcs 0\n"
        "lost 2 17 from 100: 3000000 to 3100000\n"
        "mark 4000000 1 2 3 1\n"
        "end 2 5000000 0 0 0 17\n";
    TraceReadStats stats;
    g_autofree char *dump = NULL;

    (void)data;
    sample_write(f->writer, 0);
    dump = sample_dump(&f->memory, TRACE_SCHED | TRACE_IRQ, &stats);
    g_assert_cmpstr(dump, ==, wanted);
    g_assert_true(stats.ended);
    g_assert_false(stats.cut);
}

/* A reader of switches is not told of interrupts that were lost. */
static void test_lost_filter(Fixture *f, gconstpointer data)
{
    TraceReadStats stats;
    g_autofree char *sched = NULL;
    g_autofree char *irq = NULL;

    (void)data;
    sample_write(f->writer, 0);
    sched = sample_dump(&f->memory, TRACE_SCHED, &stats);
    irq = sample_dump(&f->memory, TRACE_IRQ, &stats);
    g_assert_null(strstr(sched, "lost"));
    g_assert_nonnull(strstr(irq, "lost 2 17"));
}

/* A line of which more is learnt later is told of again, and only then. */
static void test_late_name(Fixture *f, gconstpointer data)
{
    IrqlogLineInfo line = { 1, 2, 3, 4, IRQLOG_HARDWARE, "/p", NULL, NULL };
    IrqlogEvent event = { .seq = 1, .time_ns = 1 };
    TraceReadStats stats;
    g_autofree char *dump = NULL;

    (void)data;
    trace_writer_begin(f->writer, &sample_info, NULL);
    trace_writer_line(f->writer, 0, &line, NULL);
    trace_writer_irq(f->writer, &event, 0, 0, NULL);
    trace_writer_flush(f->writer, NULL);
    line.owner = "/late";
    trace_writer_line(f->writer, 0, &line, NULL);
    event.seq = 2;
    trace_writer_irq(f->writer, &event, 0, 0, NULL);
    trace_writer_end(f->writer, TRACE_END_ASKED, 9, NULL);
    dump = sample_dump(&f->memory, TRACE_IRQ, &stats);
    g_assert_nonnull(strstr(dump, "irq 1 @1 l=0 n=4 k=0 d=0 1 2 3 c=0 tid=0 "
                            "'/p' req=- line=0 drv=- own=- dev=- by"));
    g_assert_nonnull(strstr(dump, "own=/late"));
}

/* More threads than there are ids: nobody gets another one's name. */
static void test_many_threads(Fixture *f, gconstpointer data)
{
    enum { N = 3 * TRACE_MAX_THREADS + 5 };
    SchedlogEvent event = { .has = SCHEDLOG_HAS_IDS | SCHEDLOG_HAS_OLD |
                                   SCHEDLOG_HAS_OLD_IDS };
    TraceReader *reader;
    TraceItem item;
    uint32_t i;
    uint32_t n = 0;

    (void)data;
    trace_writer_begin(f->writer, &sample_info, NULL);
    for (i = 1; i <= N; i++) {
        event.seq = i;
        event.vcpu = i % 4;
        event.thread = 0x1000 + i;
        event.tid = i;
        event.old_thread = i > 4 ? 0x1000 + i - 4 : 0x77;
        event.old_tid = i > 4 ? i - 4 : 7;
        g_assert_true(trace_writer_sched(f->writer, &event, NULL));
    }
    trace_writer_end(f->writer, TRACE_END_ASKED, 9, NULL);
    reader = trace_reader_new(&f->source, TRACE_SCHED, NULL);
    while (trace_reader_next(reader, &item)) {
        if (item.type == TRACE_ITEM_SCHED) {
            n++;
            g_assert_cmpuint(item.sched.tid, ==, n);
            g_assert_cmphex(item.sched.thread, ==, 0x1000 + n);
            g_assert_cmpuint(item.sched.old_tid, ==, n > 4 ? n - 4 : 7);
            g_assert_cmphex(item.sched.old_thread, ==,
                            n > 4 ? 0x1000 + n - 4 : 0x77);
        }
    }
    g_assert_cmpuint(n, ==, N);
    trace_reader_free(reader);
}

/* The next part of a recording says who was running, and stands alone. */
static void test_next_part(Fixture *f, gconstpointer data)
{
    TraceInfo info = sample_info;
    TraceReadStats stats;
    g_autofree char *dump = NULL;
    SchedlogEvent event;

    (void)data;
    sample_write(f->writer, 50);
    g_byte_array_set_size(f->memory.bytes, 0);
    info.part = 2;
    trace_writer_begin(f->writer, &info, NULL);
    sample_sched(51, &event);
    trace_writer_sched(f->writer, &event, NULL);
    trace_writer_end(f->writer, TRACE_END_ASKED, 9, NULL);
    dump = sample_dump(&f->memory, TRACE_SCHED, &stats);
    g_assert_true(g_str_has_prefix(dump,
        "running 0 @2048000 cpu0 o0 ffffa00000000200 has=d proc="
        "ffff800000001000 4:16 'p0.exe'"));
    g_assert_nonnull(strstr(dump, "running 0 @2044000 cpu3"));
    g_assert_nonnull(strstr(dump, "sched 51 "));
    g_assert_cmpuint(stats.bytes_skipped + stats.chunks_missing, ==, 0);
    g_assert_nonnull(strstr(dump, "end 1 9 1 0 0 0\n"));
}

/* Each write is a whole piece, and counted. */
static void test_sizes(Fixture *f, gconstpointer data)
{
    (void)data;
    sample_write(f->writer, 20000);
    g_assert_cmpuint(trace_writer_bytes(f->writer) -
                     6 * TRACE_CHUNK_HEADER_SIZE, ==, f->memory.bytes->len);
    g_assert_cmpuint(f->memory.writes, >, 10);
    /* Some 20 to 40 bytes a switch, 20 to 80 an interrupt with frames. */
    g_assert_cmpuint(f->memory.bytes->len, <, 20000 * 130);
}

/* The disk is full: what was written stays, and what was not is counted. */
static void test_full(Fixture *f, gconstpointer data)
{
    SchedlogEvent event;
    TraceReadStats stats;
    g_autofree char *dump = NULL;
    Err err = {};
    unsigned n = 0;
    g_autofree char *wanted = NULL;
    unsigned kept = 0;
    const char *p;

    (void)data;
    f->memory.limit = 200000;
    g_assert_true(trace_writer_begin(f->writer, &sample_info, &err));
    do {
        sample_sched(++n, &event);
    } while (trace_writer_sched(f->writer, &event, &err));
    g_assert_cmpstr(err.text, ==, "full");
    g_assert_true(trace_writer_end_bare(f->writer, TRACE_END_WRITE, 9, &err));
    dump = sample_dump(&f->memory, TRACE_SCHED, &stats);
    g_assert_true(stats.ended);
    g_assert_cmpuint(stats.bytes_skipped, ==, 0);
    for (p = dump; (p = strstr(p, "sched ")); p++) {
        kept++;
    }
    wanted = g_strdup_printf("end 7 9 %u 0 %u 0\n", kept, n - 1 - kept);
    g_assert_nonnull(strstr(dump, wanted));
}

/* Nothing of an image is lost, whatever its bytes. */
static void test_image_bytes(Fixture *f, gconstpointer data)
{
    static const char images[][SCHEDLOG_IMAGE_SIZE] = {
        "\xb0\xe8\xbb\xea\xb1\xe2.exe",
        "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\xff",
        "a\x1b[2J\r\n\x7f\0behind",
    };
    SchedlogEvent event = { .has = SCHEDLOG_HAS_IMAGE };
    TraceReader *reader;
    TraceItem item;
    size_t n = 0;
    size_t i;

    (void)data;
    trace_writer_begin(f->writer, &sample_info, NULL);
    for (i = 0; i < G_N_ELEMENTS(images); i++) {
        event.seq = i + 1;
        event.thread = 0x1000 * (i + 1);
        memcpy(event.image, images[i], sizeof(event.image));
        g_assert_true(trace_writer_sched(f->writer, &event, NULL));
    }
    trace_writer_end(f->writer, TRACE_END_ASKED, 9, NULL);
    reader = trace_reader_new(&f->source, TRACE_SCHED, NULL);
    while (trace_reader_next(reader, &item)) {
        if (item.type == TRACE_ITEM_SCHED) {
            g_assert_cmpmem(item.sched.image, 16, images[n], 16);
            n++;
        }
    }
    g_assert_cmpuint(n, ==, G_N_ELEMENTS(images));
    trace_reader_free(reader);
}

/* A path as long as one can be, and one that is longer. */
static void test_long_paths(Fixture *f, gconstpointer data)
{
    TracePath path = { .process = 0x1000, .pid = 4, .image = "fifteen-letters" };
    TraceReader *reader;
    TraceItem item;
    size_t n = 0;
    size_t i;

    (void)data;
    memset(path.path, 'a', sizeof(path.path));      /* no NUL in it */
    trace_writer_begin(f->writer, &sample_info, NULL);
    for (i = 0; i < 200; i++) {         /* more than a chunk's */
        g_assert_true(trace_writer_path(f->writer, &path, NULL));
    }
    trace_writer_end(f->writer, TRACE_END_ASKED, 9, NULL);
    reader = trace_reader_new(&f->source, TRACE_SCHED, NULL);
    while (trace_reader_next(reader, &item)) {
        if (item.type == TRACE_ITEM_PATH) {
            g_assert_cmpstr(item.path.image, ==, "fifteen-letters");
            g_assert_cmpuint(strlen(item.path.path), ==, TRACE_PATH_MAX);
            n++;
        }
    }
    g_assert_cmpuint(n, ==, 200);
    g_assert_true(trace_reader_stats(reader)->ended);
    trace_reader_free(reader);
}

/* What was told of once stands before the switches it is about. */
static void test_path_before_switches(Fixture *f, gconstpointer data)
{
    TracePath path = { .process = 0x1000, .pid = 4, .path = "\\a" };
    TraceReadStats stats;
    g_autofree char *dump = NULL;
    SchedlogEvent event;

    (void)data;
    trace_writer_begin(f->writer, &sample_info, NULL);
    sample_sched(1, &event);
    g_assert_true(trace_writer_sched(f->writer, &event, NULL));
    g_assert_true(trace_writer_path(f->writer, &path, NULL));
    trace_writer_end(f->writer, TRACE_END_ASKED, 9, NULL);
    dump = sample_dump(&f->memory, TRACE_SCHED, &stats);
    g_assert_true(g_str_has_prefix(dump, "path 1000 4 '' '\\a'\nsched 1 "));
    g_free(dump);
    dump = sample_dump(&f->memory, TRACE_IRQ, &stats);
    g_assert_null(strstr(dump, "path"));
}

/* A recording of version 1, as it was written when there was no other. */
static void test_version_1(Fixture *f, gconstpointer data)
{
    static const char *const wanted[] = {
        "\xeb\xa9\x94\xeb\xaa\xa8\xec\x9e\xa5.exe",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
        "fifteen-letters", "System",
    };
    TraceReader *reader;
    TraceItem item;
    size_t size;
    g_autofree uint8_t *bytes = old_file_read("trace-v1.hex", &size);
    size_t n = 0;

    (void)data;
    g_byte_array_append(f->memory.bytes, bytes, (guint)size);
    reader = trace_reader_new(&f->source, TRACE_SCHED, NULL);
    g_assert_cmpuint(trace_reader_info(reader)->version, ==, 1);
    while (trace_reader_next(reader, &item)) {
        if (item.type == TRACE_ITEM_SCHED) {
            g_assert_cmpstr(item.sched.image, ==, wanted[n % 4]);
            g_assert_cmpuint(item.sched.seq, ==, ++n);
            g_assert_cmphex(item.sched.thread, ==,
                            0xffffa00000000000 + (n % 4 + 1) * 0x100);
        }
    }
    g_assert_cmpuint(n, ==, 8);
    g_assert_true(trace_reader_stats(reader)->ended);
    g_assert_cmpuint(trace_reader_stats(reader)->bytes_skipped +
                     trace_reader_stats(reader)->chunks_malformed, ==, 0);
    trace_reader_free(reader);
}

#define ADD(name, fn) \
    g_test_add("/tracefile/round-trip/" name, Fixture, NULL, set_up, fn, \
               tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("header", test_header);
    ADD("sched", test_sched);
    ADD("irq", test_irq);
    ADD("image-bytes", test_image_bytes);
    ADD("long-paths", test_long_paths);
    ADD("path-before-switches", test_path_before_switches);
    ADD("version-1", test_version_1);
    ADD("others", test_others);
    ADD("lost-filter", test_lost_filter);
    ADD("late-name", test_late_name);
    ADD("many-threads", test_many_threads);
    ADD("next-part", test_next_part);
    ADD("sizes", test_sizes);
    ADD("full", test_full);
    return g_test_run();
}
