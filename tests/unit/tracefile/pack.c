/*
 * tracefile/pack: what was packed is unpacked, and never beyond the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/pack.h"

#include "tracefile/format.h"

#include <glib.h>
#include <string.h>

static const uint64_t numbers[] = {
    0, 1, 127, 128, 16383, 16384, UINT32_MAX, (uint64_t)UINT32_MAX + 1,
    INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX,
};

static void test_numbers(void)
{
    uint8_t bytes[64];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(numbers); i++) {
        Packer to = { .p = bytes, .end = bytes + sizeof(bytes) };
        Unpacker from = { .p = bytes };

        pack_number(&to, numbers[i]);
        pack_signed(&to, (int64_t)numbers[i]);
        g_assert_false(to.full);
        g_assert_cmpint(to.p - bytes, <=, 2 * PACK_NUMBER_MAX);
        from.end = to.p;
        g_assert_cmpuint(unpack_number(&from), ==, numbers[i]);
        g_assert_cmpint(unpack_signed(&from), ==, (int64_t)numbers[i]);
        g_assert_false(from.bad);
        g_assert_true(from.p == from.end);
    }
}

static void test_layout(void)
{
    static const uint8_t wanted[] = {
        0x07, 0x04, 0x03, 0x02, 0x01, 8, 7, 6, 5, 4, 3, 2, 1,
        0xac, 0x02, 0x01, 0x02, 'a', 'b',
    };
    uint8_t bytes[64];
    Packer to = { .p = bytes, .end = bytes + sizeof(bytes) };

    pack_u8(&to, 7);
    pack_fixed32(&to, 0x01020304);
    pack_fixed64(&to, 0x0102030405060708);
    pack_number(&to, 300);
    pack_signed(&to, -1);
    pack_string(&to, "ab");
    g_assert_cmpmem(bytes, (to.p - bytes), wanted, sizeof(wanted));
}

/* Cut anywhere, reading says so, and stays within the bytes. */
static void test_cut(void)
{
    uint8_t bytes[64];
    Packer to = { .p = bytes, .end = bytes + sizeof(bytes) };
    char text[8];
    size_t len;
    size_t cut;

    pack_u8(&to, 1);
    pack_fixed32(&to, 2);
    pack_fixed64(&to, 3);
    pack_number(&to, UINT64_MAX);
    pack_string(&to, "text");
    len = (size_t)(to.p - bytes);
    for (cut = 0; cut <= len; cut++) {
        g_autofree uint8_t *copy = g_memdup2(bytes, cut);
        Unpacker from = { .p = copy, .end = copy + cut };

        unpack_u8(&from);
        unpack_fixed32(&from);
        unpack_fixed64(&from);
        unpack_number(&from);
        unpack_string(&from, text, sizeof(text));
        g_assert_true(from.bad == (cut < len));
        g_assert_cmpstr(text, ==, cut < len ? "" : "text");
    }
}

static void test_full(void)
{
    uint8_t bytes[16];
    Packer to = { .p = bytes, .end = bytes + sizeof(bytes) };
    unsigned i;

    for (i = 0; i < 100; i++) {
        pack_number(&to, UINT64_MAX);
        pack_fixed64(&to, 1);
        pack_string(&to, "abcdefghijklmnop");
        g_assert_true(to.p <= to.end);
    }
    g_assert_true(to.full);
}

typedef struct BadCase {
    const char *name;
    const char *bytes;
    size_t len;
} BadCase;

static const BadCase bad_numbers[] = {
    { "endless", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
    { "beyond-64-bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },
    { "cut", "\xff", 1 },
    { "empty", "", 0 },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    const uint8_t *bytes = (const uint8_t *)c->bytes;
    Unpacker from = { .p = bytes, .end = bytes + c->len };

    g_assert_cmpuint(unpack_number(&from), ==, 0);
    g_assert_true(from.bad);
    g_assert_cmpuint(unpack_fixed32(&from), ==, 0);
    g_assert_true(from.p <= from.end);
}

static void test_strings(void)
{
    g_autofree char *longer = g_strnfill(3 * TRACE_STRING_MAX, 'x');
    uint8_t bytes[TRACE_STRING_MAX + 16];
    Packer to = { .p = bytes, .end = bytes + sizeof(bytes) };
    Unpacker from = { .p = bytes };
    char text[5];

    pack_string(&to, longer);
    g_assert_false(to.full);
    pack_string(&to, "");
    from.end = to.p;
    unpack_string(&from, text, sizeof(text));
    g_assert_cmpstr(text, ==, "xxxx");
    unpack_string(&from, text, sizeof(text));
    g_assert_cmpstr(text, ==, "");
    g_assert_false(from.bad);
}

/* The check value that catalogues of checksums give for "123456789". */
static void test_crc(void)
{
    g_assert_cmphex(pack_crc32("123456789", 9), ==, 0xcbf43926);
    g_assert_cmphex(pack_crc32("", 0), ==, 0);
    g_assert_cmphex(pack_crc32("\0\0\0\0", 4), ==, 0x2144df1c);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tracefile/pack/numbers", test_numbers);
    g_test_add_func("/tracefile/pack/layout", test_layout);
    g_test_add_func("/tracefile/pack/cut", test_cut);
    g_test_add_func("/tracefile/pack/full", test_full);
    for (i = 0; i < G_N_ELEMENTS(bad_numbers); i++) {
        g_autofree char *path = g_strdup_printf("/tracefile/pack/bad/%s",
                                                bad_numbers[i].name);

        g_test_add_data_func(path, &bad_numbers[i], test_bad);
    }
    g_test_add_func("/tracefile/pack/strings", test_strings);
    g_test_add_func("/tracefile/pack/crc", test_crc);
    return g_test_run();
}
