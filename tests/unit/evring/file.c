/*
 * evring/file: a header is believed only where it fits the bytes there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "evring/file.h"

#include <glib.h>
#include <string.h>

static const EvringShape shape = {
    .content = EVRING_CONTENT_IRQ,
    .n_rings = 2,
    .entries = 64,
    .n_words = 6,
    .tables_size = 5000,
};

static EvringHeader *new_file(uint64_t *size)
{
    EvringHeader *header;

    *size = evring_file_size(&shape);
    header = aligned_alloc(4096, *size);
    memset(header, 0, *size);
    evring_file_init(header, &shape);
    return header;
}

#define AT(field) offsetof(EvringHeader, field)

/* Where docs/formats/ring-v1.md says things are. */
static void test_format(void)
{
    g_assert_cmpuint(AT(content), ==, 16);
    g_assert_cmpuint(AT(entries), ==, 24);
    g_assert_cmpuint(AT(n_words), ==, 32);
    g_assert_cmpuint(AT(tables_offset), ==, 40);
    g_assert_cmpuint(AT(heads_offset), ==, 56);
    g_assert_cmpuint(AT(size), ==, 72);
    g_assert_cmpuint(AT(pid), ==, 80);
    g_assert_cmpuint(AT(load_base), ==, 88);
    g_assert_cmpuint(AT(begin), ==, 96);
    g_assert_cmpuint(AT(state), ==, 120);
    g_assert_cmpuint(AT(end_stamp), ==, 128);
    g_assert_cmpuint(AT(build_id), ==, 136);
    g_assert_cmpuint(AT(exe), ==, 184);
    g_assert_cmpuint(AT(clock), ==, 4096);
    g_assert_cmpuint(offsetof(ClockMap, n_segments), ==, 8);
    g_assert_cmpuint(offsetof(ClockMap, segments), ==, 16);
    g_assert_cmpuint(sizeof(ClockSegment), ==, 32);
    g_assert_cmpuint(offsetof(EvringHead, dropped), ==, 64);
    g_assert_cmpuint(offsetof(EvringSlot, words), ==, 8);
}

static void test_layout(void)
{
    uint64_t size;
    EvringHeader *header = new_file(&size);
    Evring rings[2];
    Err err = {};

    g_assert_false(evring_file_check(header, size, &err));
    evring_file_publish(header);
    g_assert_true(evring_file_check(header, size, &err));
    evring_file_ring(header, 0, &rings[0]);
    evring_file_ring(header, 1, &rings[1]);
    g_assert_cmpuint((uintptr_t)rings[0].slots % 64, ==, 0);
    g_assert_true((char *)rings[1].slots == (char *)rings[0].slots + 64 * 64);
    g_assert_true((char *)rings[1].slots + 64 * 64 <= (char *)header + size);
    free(header);
}

typedef struct BadCase {
    const char *name;
    size_t offset;          /* of a 4-byte field that is changed */
    uint32_t value;
    ErrCode code;
    const char *reason;     /* part of the sentence */
} BadCase;

static const BadCase bad_cases[] = {
    { "magic", AT(magic), 0, ERR_FORMAT, "not a vmscope ring" },
    { "newer", AT(version), 2, ERR_VERSION, "of version 2" },
    { "header-size", AT(header_size), 4096, ERR_FORMAT, "makes no sense" },
    { "no-rings", AT(n_rings), 0, ERR_FORMAT, "makes no sense" },
    { "many-rings", AT(n_rings), 4097, ERR_FORMAT, "makes no sense" },
    { "rings-beyond", AT(n_rings), 4096, ERR_FORMAT, "truncated" },
    { "odd-entries", AT(entries), 65, ERR_FORMAT, "makes no sense" },
    { "huge-entries", AT(entries) + 4, 1, ERR_FORMAT, "makes no sense" },
    { "entries-beyond", AT(entries), 4194304, ERR_FORMAT, "truncated" },
    { "words", AT(n_words), 32, ERR_FORMAT, "makes no sense" },
    { "slot-size", AT(slot_size), 63, ERR_FORMAT, "makes no sense" },
    { "tables-in-header", AT(tables_offset), 64, ERR_FORMAT, "truncated" },
    { "tables-beyond", AT(tables_size), 0x7fffffff, ERR_FORMAT,
      "truncated" },
    { "tables-wrap", AT(tables_size) + 4, 0xffffffff, ERR_FORMAT,
      "truncated" },
    { "heads-odd", AT(heads_offset), 16385, ERR_FORMAT, "truncated" },
    { "slots-beyond", AT(slots_offset) + 4, 0xffffffff, ERR_FORMAT,
      "truncated" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    uint64_t size;
    EvringHeader *header = new_file(&size);
    Err err = {};

    evring_file_publish(header);
    memcpy((char *)header + c->offset, &c->value, sizeof(c->value));
    g_assert_false(evring_file_check(header, size, &err));
    g_assert_cmpint(err.code, ==, c->code);
    g_assert_nonnull(strstr(err.text, c->reason));
    free(header);
}

static void test_truncated(void)
{
    uint64_t size;
    EvringHeader *header = new_file(&size);
    uint64_t cut;
    Err err = {};

    evring_file_publish(header);
    for (cut = 0; cut < header->slots_offset + 2 * 64 * 64; cut += 61) {
        g_assert_false(evring_file_check(header, cut, &err));
        g_assert_cmpint(err.code, ==, ERR_FORMAT);
    }
    free(header);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evring/file/format", test_format);
    g_test_add_func("/evring/file/layout", test_layout);
    for (i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        g_autofree char *path = g_strdup_printf("/evring/file/bad/%s",
                                                bad_cases[i].name);

        g_test_add_data_func(path, &bad_cases[i], test_bad);
    }
    g_test_add_func("/evring/file/truncated", test_truncated);
    return g_test_run();
}
