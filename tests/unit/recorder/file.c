/*
 * recorder/file: a header is believed only where it fits the bytes there are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/file.h"

#include <glib.h>
#include <string.h>

static const EvringShape shape = {
    .content = EVRING_CONTENT_IRQ,
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
    Evring ring;
    Err err = {};

    g_assert_false(evring_file_check(header, size, &err));
    evring_file_publish(header);
    g_assert_true(evring_file_check(header, size, &err));
    evring_file_ring(header, &ring);
    g_assert_cmpuint((uintptr_t)ring.slots % 64, ==, 0);
    g_assert_true((char *)ring.shared + sizeof(EvringHead) <=
                  (char *)ring.slots);
    g_assert_true((char *)ring.slots + 64 * 64 <= (char *)header + size);
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
    { "newer", AT(version), 3, ERR_VERSION, "of version 3" },
    { "version-0", AT(version), 0, ERR_VERSION, "of version 0" },
    { "header-size", AT(header_size), 4096, ERR_FORMAT, "makes no sense" },
    { "no-rings", AT(n_rings), 0, ERR_FORMAT, "makes no sense" },
    { "two-rings", AT(n_rings), 2, ERR_FORMAT, "makes no sense" },
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

/* Sizes that only two fields together make possible. */
static void test_bad_pairs(void)
{
    uint64_t size;
    EvringHeader *header = new_file(&size);
    Err err = {};

    evring_file_publish(header);
    header->tables_size = UINT64_MAX - header->tables_offset + 65;
    g_assert_false(evring_file_check(header, size, &err));
    g_assert_nonnull(strstr(err.text, "truncated"));
    header->tables_size = 5000;
    g_assert_true(evring_file_check(header, size, &err));
    header->n_words = 32;
    header->slot_size = (uint32_t)evring_slot_size(32);
    g_assert_false(evring_file_check(header, UINT64_MAX, &err));
    g_assert_nonnull(strstr(err.text, "makes no sense"));
    free(header);
}

static void test_truncated(void)
{
    uint64_t size;
    EvringHeader *header = new_file(&size);
    uint64_t cut;
    Err err = {};

    evring_file_publish(header);
    for (cut = 0; cut < header->slots_offset + 64 * 64; cut += 61) {
        g_assert_false(evring_file_check(header, cut, &err));
        g_assert_cmpint(err.code, ==, ERR_FORMAT);
    }
    free(header);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recorder/file/format", test_format);
    g_test_add_func("/recorder/file/layout", test_layout);
    for (i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        g_autofree char *path = g_strdup_printf("/recorder/file/bad/%s",
                                                bad_cases[i].name);

        g_test_add_data_func(path, &bad_cases[i], test_bad);
    }
    g_test_add_func("/recorder/file/bad-pairs", test_bad_pairs);
    g_test_add_func("/recorder/file/truncated", test_truncated);
    return g_test_run();
}
