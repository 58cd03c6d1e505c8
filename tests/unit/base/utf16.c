/*
 * base/utf16: any text of the guest becomes valid UTF-8 that fits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/utf16.h"

#include <glib.h>
#include <string.h>

typedef struct Utf16Case {
    const char *name;
    uint16_t in[12];
    size_t n;               /* units */
    size_t size;
    const char *out;
    bool cut;
} Utf16Case;

static const Utf16Case utf16_cases[] = {
    { "nothing", {}, 0, 8, "", false },
    { "ascii", { 'a', 'b', 'c' }, 3, 8, "abc", false },
    { "latin", { 0x80, 0x7ff }, 2, 8, "\xc2\x80\xdf\xbf", false },
    { "hangul", { 0xd55c, 0xae00 }, 2, 8, "\xed\x95\x9c\xea\xb8\x80", false },
    { "bmp-ends", { 0x800, 0xffff }, 2, 8, "\xe0\xa0\x80\xef\xbf\xbf",
      false },
    { "below-surrogates", { 0xd7ff }, 1, 8, "\xed\x9f\xbf", false },
    { "above-surrogates", { 0xe000 }, 1, 8, "\xee\x80\x80", false },
    { "first-pair", { 0xd800, 0xdc00 }, 2, 8, "\xf0\x90\x80\x80", false },
    { "last-pair", { 0xdbff, 0xdfff }, 2, 8, "\xf4\x8f\xbf\xbf", false },
    { "high-alone", { 0xd800 }, 1, 8, "\xef\xbf\xbd", false },
    { "high-then-letter", { 0xdbff, 'x' }, 2, 8, "\xef\xbf\xbdx", false },
    { "low-alone", { 0xdc00, 'x' }, 2, 8, "\xef\xbf\xbdx", false },
    { "two-highs-and-a-low", { 0xd800, 0xd801, 0xdc00 }, 3, 16,
      "\xef\xbf\xbd\xf0\x90\x90\x80", false },
    { "low-before-high", { 0xdc00, 0xd800 }, 2, 16,
      "\xef\xbf\xbd\xef\xbf\xbd", false },
    { "nul-ends", { 'a', 0, 'b' }, 3, 8, "a", false },
    { "nul-first", { 0, 'b' }, 2, 8, "", false },
    { "nul-after-high", { 0xd800, 0, 'b' }, 3, 8, "\xef\xbf\xbd", false },
    { "just-fits", { 'a', 'b', 'c' }, 3, 4, "abc", false },
    { "one-too-many", { 'a', 'b', 'c', 'd' }, 4, 4, "abc", true },
    { "full-then-nul", { 'a', 'b', 'c', 0, 'd' }, 5, 4, "abc", false },
    { "no-half-character", { 'a', 0xd55c }, 2, 4, "a", true },
    { "no-half-pair", { 'a', 0xd800, 0xdc00 }, 3, 5, "a", true },
    { "nothing-after-a-cut", { 0xd55c, 'a' }, 2, 3, "", true },
    { "room-for-a-nul", { 'a' }, 1, 1, "", true },
};

static void test_utf16(gconstpointer data)
{
    const Utf16Case *c = data;
    uint8_t in[24];
    char out[17];
    bool cut = !c->cut;
    size_t i;

    for (i = 0; i < c->n; i++) {
        in[2 * i] = (uint8_t)c->in[i];
        in[2 * i + 1] = (uint8_t)(c->in[i] >> 8);
    }
    memset(out, '#', sizeof(out));
    g_assert_cmpuint(utf16_to_utf8(in, 2 * c->n, out, c->size, &cut), ==,
                     strlen(c->out));
    g_assert_cmpstr(out, ==, c->out);
    g_assert_cmpint(cut, ==, c->cut);
    for (i = c->size; i < sizeof(out); i++) {
        g_assert_cmpint(out[i], ==, '#');
    }
}

static void test_no_room(void)
{
    uint8_t in[] = { 'a', 0 };
    char out[] = "##";
    bool cut = false;

    g_assert_cmpuint(utf16_to_utf8(in, 2, out, 0, &cut), ==, 0);
    g_assert_true(cut);
    g_assert_cmpuint(utf16_to_utf8(in, 0, out, 0, &cut), ==, 0);
    g_assert_false(cut);
    g_assert_cmpstr(out, ==, "##");
    g_assert_cmpuint(utf16_to_utf8(in, 2, out, 2, NULL), ==, 1);
}

static void test_odd_byte(void)
{
    uint8_t in[] = { 'a', 0, 'b' };
    char out[8];
    bool cut;

    g_assert_cmpuint(utf16_to_utf8(in, 3, out, sizeof(out), &cut), ==, 1);
    g_assert_cmpstr(out, ==, "a");
    g_assert_false(cut);
    g_assert_cmpuint(utf16_to_utf8(in, 1, out, sizeof(out), &cut), ==, 0);
}

/* Each unit alone, against glib. */
static void test_every_unit(void)
{
    uint32_t c;

    for (c = 1; c < 0x10000; c++) {
        uint8_t in[] = { (uint8_t)c, (uint8_t)(c >> 8) };
        char want[7] = "";
        char out[8];

        g_unichar_to_utf8(c >= 0xd800 && c < 0xe000 ? 0xfffd : c, want);
        utf16_to_utf8(in, 2, out, sizeof(out), NULL);
        g_assert_cmpstr(out, ==, want);
    }
}

static void add_case(const char *group, const char *name, gconstpointer data,
                     GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/base/utf16/%s/%s", group,
                                            name);

    g_test_add_data_func(path, data, fn);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(utf16_cases); i++) {
        add_case("convert", utf16_cases[i].name, &utf16_cases[i], test_utf16);
    }
    g_test_add_func("/base/utf16/no-room", test_no_room);
    g_test_add_func("/base/utf16/odd-byte", test_odd_byte);
    g_test_add_func("/base/utf16/every-unit", test_every_unit);
    return g_test_run();
}
