/*
 * tracefile/read: files that were cut, damaged or made to do harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sample.h"

#include "tracefile/pack.h"
#include "tracefile/read-chunk.h"

#include <string.h>

/*
 * Every reader is some MiB of fresh memory, which a sanitizer writes over and
 * shadows: nearly all of the time of a read here.  Every byte is tried in a
 * plain build, one in STEP under a sanitizer.
 */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STEP = 13 };
#else
enum { STEP = 1 };
#endif

enum { N = 40 };

static void write_sample(Memory *memory)
{
    TraceSink sink;
    TraceWriter *writer;

    memory_init(memory);
    sink = memory_sink(memory);
    writer = trace_writer_new(&sink);
    sample_write(writer, N);
    trace_writer_free(writer);
}

/* The file's length after the last write that is within @len bytes. */
static size_t whole_within(const Memory *memory, size_t len)
{
    size_t whole = 0;
    guint i;

    for (i = 0; i < memory->ends->len; i++) {
        size_t end = g_array_index(memory->ends, size_t, i);

        whole = end <= len ? end : whole;
    }
    return whole;
}

/* Cut at every byte: what is read is what the whole chunks before hold. */
static void test_cut(void)
{
    Memory memory;
    TraceReadStats stats;
    g_autofree char *wanted = NULL;
    size_t last_whole = SIZE_MAX;
    size_t cut;
    size_t len;

    write_sample(&memory);
    len = memory.bytes->len;
    for (cut = 0; cut < len; cut += STEP) {
        g_autofree char *dump = NULL;
        size_t whole = whole_within(&memory, cut);

        if (whole != last_whole) {
            g_free(wanted);
            memory.bytes->len = (guint)whole;
            wanted = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
            last_whole = whole;
        }
        memory.bytes->len = (guint)cut;
        dump = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
        if (whole) {
            g_assert_false(stats.ended);
            g_assert_true(stats.cut == (cut > whole));
        }
        g_assert_cmpstr(dump, ==, wanted);
    }
    memory.bytes->len = (guint)len;
    memory_clear(&memory);
}

/* Is every line of @part in @whole, in this order? */
static bool is_part(const char *part, const char *whole)
{
    g_auto(GStrv) lines = g_strsplit(part, "\n", -1);
    size_t i;

    for (i = 0; lines[i] && lines[i][0]; i++) {
        g_autofree char *line = g_strdup_printf("%s\n", lines[i]);

        whole = strstr(whole, line);
        if (!whole) {
            return false;
        }
        whole += strlen(line);
    }
    return true;
}

/* Without what depends on a table's chunk, which may be the damaged one. */
static char *without_names(const char *dump)
{
    g_autoptr(GRegex) regex = g_regex_new(
        " ffffa[0-9a-f]+ has=.*$| 0 has=.*$| n=.*$", G_REGEX_MULTILINE, 0,
        NULL);

    return g_regex_replace(regex, dump, -1, 0, "", 0, NULL);
}

/*
 * One byte changed, anywhere: either the header is refused, or it is noticed
 * and all that is read is true.
 */
static void test_changed(void)
{
    Memory memory;
    TraceReadStats stats;
    g_autofree char *good = NULL;
    g_autofree char *good_plain = NULL;
    size_t i;

    write_sample(&memory);
    good = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
    good_plain = without_names(good);
    for (i = 0; i < memory.bytes->len; i += STEP) {
        g_autofree char *dump = NULL;
        g_autofree char *plain = NULL;

        memory.bytes->data[i] ^= 0x5a;
        dump = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
        memory.bytes->data[i] ^= 0x5a;
        if (i < TRACE_HEADER_SIZE) {
            g_assert_cmpstr(dump, ==, "");
            continue;
        }
        g_assert_true(stats.bytes_skipped > 0 || stats.cut);
        g_assert_cmpuint(strlen(dump), <, strlen(good));
        plain = without_names(dump);
        g_assert_true(is_part(plain, good_plain));
    }
    memory_clear(&memory);
}

/* Damage in the middle: what is behind it is found again. */
static void test_resync(void)
{
    Memory memory;
    TraceReadStats stats;
    g_autofree char *dump = NULL;
    size_t first;
    size_t second;

    write_sample(&memory);
    first = g_array_index(memory.ends, size_t, 0);
    second = g_array_index(memory.ends, size_t, 1);
    memset(memory.bytes->data + first, 0, second - first);
    dump = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
    g_assert_cmpuint(stats.bytes_skipped, ==, second - first);
    g_assert_cmpuint(stats.chunks_missing, ==, 1);
    g_assert_true(stats.ended);
    g_assert_nonnull(strstr(dump, "sched 40 "));
    memory_clear(&memory);
}

/* A stretch of zeroes behind the first chunk: all the rest is found. */
static void check_gap(size_t gap)
{
    Memory memory;
    TraceReadStats stats;
    g_autofree char *dump = NULL;
    g_autofree uint8_t *tail = NULL;
    g_autofree uint8_t *nothing = g_malloc0(gap);
    size_t first;
    size_t len;

    write_sample(&memory);
    first = g_array_index(memory.ends, size_t, 0);
    len = memory.bytes->len - first;
    tail = g_memdup2(memory.bytes->data + first, len);
    g_byte_array_set_size(memory.bytes, (guint)first);
    g_byte_array_append(memory.bytes, nothing, (guint)gap);
    g_byte_array_append(memory.bytes, tail, (guint)len);
    dump = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
    g_assert_cmpuint(stats.bytes_skipped, ==, gap);
    g_assert_cmpuint(stats.chunks_missing, ==, 0);
    g_assert_true(stats.ended);
    g_assert_nonnull(strstr(dump, "irq 40 "));
    memory_clear(&memory);
}

/* Longer than the reader's window. */
static void test_long_gap(void)
{
    check_gap(200000);
}

/* The next chunk's header lies across the end of the reader's window. */
static void test_gap_to_the_windows_end(void)
{
    size_t gap;

    for (gap = TRACE_SEARCH_SIZE - TRACE_CHUNK_HEADER_SIZE;
         gap <= TRACE_SEARCH_SIZE; gap++) {
        check_gap(gap);
    }
}

typedef struct HeaderCase {
    const char *name;
    size_t offset;
    uint32_t value;
    ErrCode code;
    const char *reason;
} HeaderCase;

static const HeaderCase header_cases[] = {
    { "other-magic", 0, 0, ERR_FORMAT, "not a recording" },
    { "newer", 8, 3, ERR_VERSION, "version 3, but this program reads up to "
      "version 2" },
    { "much-newer", 8, UINT32_MAX, ERR_VERSION, "version 4294967295" },
    { "version-0", 8, 0, ERR_FORMAT, "makes no sense" },
    { "header-size", 12, 4096, ERR_FORMAT, "makes no sense" },
    { "checksum", 2044, 0, ERR_FORMAT, "makes no sense" },
};

static void test_bad_header(gconstpointer data)
{
    const HeaderCase *c = data;
    Memory memory;
    TraceSource source;
    Err err = {};

    write_sample(&memory);
    source = memory_source(&memory);
    memcpy(memory.bytes->data + c->offset, &c->value, 4);
    g_assert_null(trace_reader_new(&source, TRACE_SCHED, &err));
    g_assert_cmpint(err.code, ==, c->code);
    g_assert_nonnull(strstr(err.text, c->reason));
    memory_clear(&memory);
}

static void test_short_header(void)
{
    Memory memory;
    TraceSource source;
    Err err = {};

    write_sample(&memory);
    source = memory_source(&memory);
    g_byte_array_set_size(memory.bytes, 0);
    g_assert_null(trace_reader_new(&source, TRACE_SCHED, &err));
    g_assert_nonnull(strstr(err.text, "not a recording"));
    g_byte_array_append(memory.bytes, (const uint8_t *)"vmstrace\1\0\0\0"
                        "\0\10\0\0", 16);
    g_assert_null(trace_reader_new(&source, TRACE_SCHED, &err));
    g_assert_nonnull(strstr(err.text, "not complete"));
    memory_clear(&memory);
}

static ssize_t fail_behind_header(void *opaque, uint64_t offset, void *buf,
                                  size_t len)
{
    TraceSource source = memory_source(opaque);

    if (offset >= TRACE_HEADER_SIZE + 1000) {
        return -1;
    }
    return source.read(opaque, offset, buf, len);
}

static void test_source_fails(void)
{
    Memory memory;
    TraceSource source = { fail_behind_header, &memory };
    TraceReader *reader;
    TraceItem item;
    unsigned n = 0;

    write_sample(&memory);
    reader = trace_reader_new(&source, TRACE_SCHED, NULL);
    while (trace_reader_next(reader, &item)) {
        n++;
    }
    g_assert_true(trace_reader_stats(reader)->failed);
    g_assert_false(trace_reader_stats(reader)->cut);
    g_assert_cmpuint(n, >, 0);
    trace_reader_free(reader);
    memory_clear(&memory);
}

/* Chunks whose checksums are right and whose content is not. */

static void add_chunk(Memory *memory, uint32_t kind, uint32_t number,
                      const char *payload, size_t len)
{
    uint8_t header[TRACE_CHUNK_HEADER_SIZE];
    Packer to = { .p = header, .end = header + sizeof(header) };

    pack_fixed32(&to, TRACE_CHUNK_MARKER);
    pack_fixed32(&to, kind);
    pack_fixed32(&to, (uint32_t)len);
    pack_fixed32(&to, number);
    pack_fixed32(&to, pack_crc32(payload, len));
    pack_fixed32(&to, pack_crc32(header, 20));
    g_byte_array_append(memory->bytes, header, sizeof(header));
    g_byte_array_append(memory->bytes, (const uint8_t *)payload, (guint)len);
}

typedef struct ChunkCase {
    const char *name;
    uint32_t kind;
    const char *payload;
    size_t len;
    unsigned malformed;
    unsigned unknown;
    const char *dump;
} ChunkCase;

#define P(s) (s), sizeof(s) - 1
#define EIGHT "\1\0\0\0\0\0\0\0"

static const ChunkCase chunk_cases[] = {
    { "kind-0", 0, P("abc"), 0, 1, "" },
    { "kind-unknown", 99, P("abc"), 0, 1, "" },
    { "threads-empty", TRACE_CHUNK_THREADS, P(""), 1, 0, "" },
    { "thread-id-0", TRACE_CHUNK_THREADS, P("\1\0\0" EIGHT), 1, 0, "" },
    { "thread-id-16385", TRACE_CHUNK_THREADS, P("\1\x81\x80\1\0" EIGHT), 1,
      0, "" },
    { "thread-cut", TRACE_CHUNK_THREADS, P("\1\1\0\1\2\3"), 1, 0, "" },
    { "thread-name-beyond", TRACE_CHUNK_THREADS,
      P("\1\1\x10" EIGHT "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 1, 0,
      "" },
    { "sched-vcpu-4096", TRACE_CHUNK_SCHED, P("\1" EIGHT "\1\0\x80\x80\1\1"),
      1, 0, "" },
    { "sched-origin-3", TRACE_CHUNK_SCHED, P("\1" EIGHT "\1\0\3\1"), 1, 0,
      "" },
    { "sched-unknown-thread", TRACE_CHUNK_SCHED,
      P("\1" EIGHT "\1\0\0\7"), 0, 0,
      "sched 1 @1 cpu0 o0 0 has=0 proc=0 0:0 '' '' att=0 st=0 pr=0 miss=0 "
      "sw=0 wt=0 old=0 0:0 0 0 0\n" },
    { "sched-thread-beyond", TRACE_CHUNK_SCHED,
      P("\1" EIGHT "\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 0, 0,
      "sched 1 @1 cpu0 o0 0 has=0 proc=0 0:0 '' '' att=0 st=0 pr=0 miss=0 "
      "sw=0 wt=0 old=0 0:0 0 0 0\n" },
    { "sched-second-cut", TRACE_CHUNK_SCHED, P("\1" EIGHT "\1\0\0\7\2"), 1,
      0, "sched 1 @1 cpu0 o0 0 has=0 proc=0 0:0 '' '' att=0 st=0 pr=0 "
      "miss=0 sw=0 wt=0 old=0 0:0 0 0 0\n" },
    { "line-id", TRACE_CHUNK_LINES, P("\x80\x20" EIGHT EIGHT EIGHT
      "\0\0\0\0\0"), 1, 0, "" },
    { "host-thread-id", TRACE_CHUNK_HOST_THREADS, P("\x80\x08\1\0\0"), 1, 0,
      "" },
    { "irq-frames-17", TRACE_CHUNK_IRQ, P(EIGHT "\1\0\0\0\0\0\x22\0"
      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 1, 0, "" },
    { "guest-offsets-65", TRACE_CHUNK_GUEST, P(EIGHT EIGHT "\0\0\0\x41"), 1,
      0, "" },
    { "host-vcpu-4096", TRACE_CHUNK_HOST, P(EIGHT "\x80\x20\0\0\0"), 1, 0,
      "" },
    { "host-longer-than-time", TRACE_CHUNK_HOST, P(EIGHT "\0\2\0\0"), 1, 0,
      "" },
    { "host-second-cut", TRACE_CHUNK_HOST, P(EIGHT "\2\1\3\4" "\2\2"), 1,
      0, "host 2 0-1 run 3 wait 4\n" },
    { "ticks-vcpu-4096", TRACE_CHUNK_TICKS, P(EIGHT "\x80\x20\0"
      "\0\0\0\0\0\0\0\0"), 1, 0, "" },
    { "ticks-longer-than-time", TRACE_CHUNK_TICKS, P(EIGHT "\0\2\0"
      "\0\0\0\0\0\0\0"), 1, 0, "" },
    { "ticks-second-cut", TRACE_CHUNK_TICKS, P(EIGHT "\2\1\3"
      "\4\5\6\7\10\11\12" "\2\2"), 1, 0,
      "ticks 2 0-1 of 3: 4 5 6 7 8 irqs 9 dpcs 10\n" },
    { "path-cut", TRACE_CHUNK_PATHS, P(EIGHT "\4\1a\5\\b"), 1, 0, "" },
    { "path-image-beyond", TRACE_CHUNK_PATHS, P(EIGHT "\4"
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1" "a"), 1, 0, "" },
    { "path-image-too-long", TRACE_CHUNK_PATHS,
      P(EIGHT "\4\24" "abcdefghijklmnopqrst" "\2\\b"), 0, 0,
      "path 1 4 'abcdefghijklmno' '\\b'\n" },
    { "path-second-cut", TRACE_CHUNK_PATHS,
      P(EIGHT "\4\1a\2\\a" EIGHT "\4"), 1, 0,
      "path 1 4 'a' '\\a'\n" },
    { "path-with-nul", TRACE_CHUNK_PATHS,
      P(EIGHT "\4\3a\0b\3\\\0a"), 0, 0, "path 1 4 'a' '\\'\n" },
    { "vector-vcpu-4096", TRACE_CHUNK_VECTORS, P("\x80\x20\1\0\0"), 1, 0,
      "" },
    { "vector-apic-33-bits", TRACE_CHUNK_VECTORS,
      P("\0\1\x81\x80\x80\x80\x10\0"), 1, 0, "" },
    { "vector-second-cut", TRACE_CHUNK_VECTORS, P("\3\x91\5\1a" "\3\x92"),
      1, 0, "vector 3 145 apic 1 4 'a'\n" },
    { "end-cut", TRACE_CHUNK_END, P("\1\0\0\0"), 1, 0, "" },
};

static void test_chunk(gconstpointer data)
{
    const ChunkCase *c = data;
    Memory memory;
    TraceReadStats stats;
    g_autofree char *dump = NULL;

    write_sample(&memory);
    g_byte_array_set_size(memory.bytes, TRACE_HEADER_SIZE);
    add_chunk(&memory, c->kind, 0, c->payload, c->len);
    dump = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
    g_assert_cmpstr(dump, ==, c->dump);
    g_assert_cmpuint(stats.chunks_malformed, ==, c->malformed);
    g_assert_cmpuint(stats.chunks_unknown, ==, c->unknown);
    g_assert_cmpuint(stats.bytes_skipped, ==, 0);
    memory_clear(&memory);
}

/* One offset more than a guest can have, and all of them are there. */
static void test_too_many_offsets(void)
{
    uint8_t payload[20 + 3 * (SCHEDLOG_MAX_OFFSETS + 1)] = { 0 };
    Memory memory;
    TraceReadStats stats;
    g_autofree char *dump = NULL;

    write_sample(&memory);
    g_byte_array_set_size(memory.bytes, TRACE_HEADER_SIZE);
    payload[19] = SCHEDLOG_MAX_OFFSETS + 1;
    add_chunk(&memory, TRACE_CHUNK_GUEST, 0, (char *)payload,
              sizeof(payload));
    dump = sample_dump(&memory, TRACE_SCHED | TRACE_IRQ, &stats);
    g_assert_cmpstr(dump, ==, "");
    g_assert_cmpuint(stats.chunks_malformed, ==, 1);
    memory_clear(&memory);
}

static ssize_t read_no_more_than_fits(void *opaque, uint64_t offset,
                                      void *buf, size_t len)
{
    TraceSource source = memory_source(opaque);

    g_assert_cmpuint(len, <=, TRACE_CHUNK_MAX);
    return source.read(opaque, offset, buf, len);
}

/* A chunk that is longer than chunks are, with checksums that are right. */
static void test_too_long(void)
{
    g_autofree char *payload = g_malloc0(TRACE_CHUNK_MAX + 1);
    Memory memory;
    TraceSource source = { read_no_more_than_fits, &memory };
    TraceReader *reader;
    TraceItem item;

    write_sample(&memory);
    g_byte_array_set_size(memory.bytes, TRACE_HEADER_SIZE);
    add_chunk(&memory, TRACE_CHUNK_LOST, 0, payload, TRACE_CHUNK_MAX + 1);
    reader = trace_reader_new(&source, TRACE_SCHED, NULL);
    g_assert_false(trace_reader_next(reader, &item));
    g_assert_cmpuint(trace_reader_stats(reader)->bytes_skipped, ==,
                     TRACE_CHUNK_HEADER_SIZE + TRACE_CHUNK_MAX + 1);
    trace_reader_free(reader);
    memory_clear(&memory);
}

/* Numbers that go backwards or far ahead are no reason to stop. */
static void test_numbers(void)
{
    Memory memory;
    TraceReadStats stats;
    g_autofree char *dump = NULL;

    write_sample(&memory);
    g_byte_array_set_size(memory.bytes, TRACE_HEADER_SIZE);
    add_chunk(&memory, TRACE_CHUNK_LOST, UINT32_MAX, P("\1\1\1" EIGHT EIGHT));
    add_chunk(&memory, TRACE_CHUNK_LOST, 3, P("\1\2\1" EIGHT EIGHT));
    add_chunk(&memory, TRACE_CHUNK_LOST, 5, P("\1\3\1" EIGHT EIGHT));
    dump = sample_dump(&memory, TRACE_SCHED, &stats);
    g_assert_cmpstr(dump, ==, "lost 1 1 from 1: 1 to 1\n"
                    "lost 1 2 from 1: 1 to 1\nlost 1 3 from 1: 1 to 1\n");
    g_assert_cmpuint(stats.chunks_missing, ==, (uint64_t)UINT32_MAX + 3 + 1);
    memory_clear(&memory);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tracefile/damage/cut", test_cut);
    g_test_add_func("/tracefile/damage/changed", test_changed);
    g_test_add_func("/tracefile/damage/resync", test_resync);
    g_test_add_func("/tracefile/damage/long-gap", test_long_gap);
    g_test_add_func("/tracefile/damage/gap-to-the-windows-end",
                    test_gap_to_the_windows_end);
    for (i = 0; i < G_N_ELEMENTS(header_cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/tracefile/damage/header/%s", header_cases[i].name);

        g_test_add_data_func(path, &header_cases[i], test_bad_header);
    }
    g_test_add_func("/tracefile/damage/header/short", test_short_header);
    g_test_add_func("/tracefile/damage/source-fails", test_source_fails);
    for (i = 0; i < G_N_ELEMENTS(chunk_cases); i++) {
        g_autofree char *path = g_strdup_printf(
            "/tracefile/damage/chunk/%s", chunk_cases[i].name);

        g_test_add_data_func(path, &chunk_cases[i], test_chunk);
    }
    g_test_add_func("/tracefile/damage/chunk/too-many-offsets",
                    test_too_many_offsets);
    g_test_add_func("/tracefile/damage/chunk/too-long", test_too_long);
    g_test_add_func("/tracefile/damage/numbers", test_numbers);
    return g_test_run();
}
