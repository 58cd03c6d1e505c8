/*
 * base/safe-text: whatever a guest calls itself, what is written is harmless
 * where it is written, and says every byte of it.
 *
 * The names are those of tests/fixtures/nasty-names.txt, on which every output
 * of the tools is tried too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/safe-text.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 64 * SAFE_GROWTH + 1 };

/* Says of each character what the page of the tools promises. */
static void assert_harmless(const char *text)
{
    const char *p;

    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        GUnicodeType type = g_unichar_type(c);

        g_assert_cmpint(type, !=, G_UNICODE_CONTROL);
        g_assert_cmpint(type, !=, G_UNICODE_LINE_SEPARATOR);
        g_assert_cmpint(type, !=, G_UNICODE_PARAGRAPH_SEPARATOR);
        g_assert_cmpint(type, !=, G_UNICODE_SURROGATE);
        g_assert_false((c >= 0x202a && c <= 0x202e) ||
                       (c >= 0x2066 && c <= 0x206f) || c == 0x200e ||
                       c == 0x200f || c == 0x61c);
    }
}

/* \xNN back into bytes. */
static GString *unescape(const char *text)
{
    GString *bytes = g_string_new(NULL);

    while (*text) {
        if (text[0] == '\\' && text[1] == 'x' && g_ascii_isxdigit(text[2]) &&
            g_ascii_isxdigit(text[3])) {
            g_string_append_c(bytes,
                              (char)(g_ascii_xdigit_value(text[2]) << 4 |
                                     g_ascii_xdigit_value(text[3])));
            text += 4;
        } else {
            g_string_append_c(bytes, *text++);
        }
    }
    return bytes;
}

/* What a field of CSV says: a quote in it stands twice. */
static GString *unquote(const char *text)
{
    GString *plain = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '"') {
            text++;
            g_assert_cmpint(*text, ==, '"');
        }
        g_string_append_c(plain, *text);
    }
    return plain;
}

static gunichar take_unit(const char **text)
{
    gunichar unit = 0;
    int i;

    g_assert_cmpint((*text)[0], ==, '\\');
    g_assert_cmpint((*text)[1], ==, 'u');
    for (i = 2; i < 6; i++) {
        g_assert_true(g_ascii_isxdigit((*text)[i]));
        unit = unit << 4 | (gunichar)g_ascii_xdigit_value((*text)[i]);
    }
    *text += 6;
    return unit;
}

/* What a string of JSON says. */
static GString *parse_json(const char *text)
{
    GString *plain = g_string_new(NULL);

    while (*text) {
        g_assert_cmpuint((unsigned char)*text, >=, 0x20);
        g_assert_cmpint(*text, !=, '"');
        if (*text != '\\') {
            g_string_append_c(plain, *text++);
        } else if (text[1] == 'u') {
            gunichar c = take_unit(&text);

            if (c >= 0xd800 && c < 0xdc00) {
                c = 0x10000 + ((c - 0xd800) << 10) +
                    (take_unit(&text) - 0xdc00);
            }
            g_string_append_unichar(plain, c);
        } else {
            g_assert_true(text[1] == '"' || text[1] == '\\');
            g_string_append_c(plain, text[1]);
            text += 2;
        }
    }
    return plain;
}

static void assert_says(GString *plain, const char *name)
{
    g_autoptr(GString) bytes = unescape(plain->str);

    g_assert_cmpmem(bytes->str, bytes->len, name, strlen(name));
}

static void check_name(const char *name)
{
    g_autoptr(GString) field = NULL;
    g_autoptr(GString) json = NULL;
    g_autoptr(GString) html = NULL;
    bool valid = g_utf8_validate(name, -1, NULL);
    char text[ROOM];
    char out[ROOM];

    safe_copy(SAFE_FOR_TEXT, name, text, sizeof(text));
    assert_harmless(text);
    field = g_string_new(text);
    assert_says(field, name);
    g_string_free(field, TRUE);

    safe_copy(SAFE_FOR_CSV, name, out, sizeof(out));
    assert_harmless(out);
    g_assert_null(*out ? strchr("=+-@", *out) : NULL);
    field = unquote(out);
    assert_says(field, name);

    safe_copy(SAFE_FOR_JSON, name, out, sizeof(out));
    assert_harmless(out);
    json = parse_json(out);
    if (valid) {
        g_assert_cmpstr(json->str, ==, name);
    } else if (!strchr(name, '\\')) {
        assert_says(json, name);
    }

    safe_copy(SAFE_FOR_HTML, name, out, sizeof(out));
    assert_harmless(out);
    g_assert_null(strpbrk(out, "<>&"));
    html = parse_json(out);
    g_assert_cmpstr(html->str, ==, text);

    safe_copy(SAFE_FOR_DATA, name, out, sizeof(out));
    g_assert_true(g_utf8_validate(out, -1, NULL));
    if (valid) {
        g_assert_cmpstr(out, ==, name);
    }
}

static char *from_hex(const char *hex)
{
    GString *bytes = g_string_new(NULL);

    for (; *hex; hex += 2) {
        g_string_append_c(bytes, (char)(g_ascii_xdigit_value(hex[0]) << 4 |
                                        g_ascii_xdigit_value(hex[1])));
    }
    return g_string_free(bytes, FALSE);
}

static void test_nasty(gconstpointer data)
{
    g_autofree char *name = from_hex(data);

    check_name(name);
}

/* Any three bytes. */
static void test_triples(void)
{
    uint32_t i;

    for (i = 0; i < 0x1000000; i += 0x17) {
        char name[] = { 'a', (char)(i >> 16), (char)(i >> 8), (char)i, 0 };

        check_name(name + i % 2);
    }
}

/* Any character. */
static void test_characters(void)
{
    gunichar c;

    for (c = 1; c < 0x110000; c++) {
        char name[16] = "x";

        if (c < 0xd800 || c > 0xdfff) {
            name[1 + g_unichar_to_utf8(c, name + 1)] = '\0';
            check_name(name + (c & 1));
        }
    }
}

typedef struct ExactCase {
    const char *name;
    SafeFor to;
    bool raw;
    const char *in;
    const char *out;
} ExactCase;

static const ExactCase exact_cases[] = {
    { "code-page", SAFE_FOR_TEXT, false, "\xb0\xe8\xbb\xea\xb1\xe2.exe",
      "\\xb0\\xe8\\xbb\\xea\\xb1\\xe2.exe" },
    { "code-page-json", SAFE_FOR_JSON, false, "\xb0\xe8.exe",
      "\\\\xb0\\\\xe8.exe" },
    { "code-page-data", SAFE_FOR_DATA, false, "\xb0\xe8.exe",
      "\\xb0\\xe8.exe" },
    { "mixed", SAFE_FOR_TEXT, false, "\xed\x95\x9c\xb0.exe",
      "\xed\x95\x9c\\xb0.exe" },
    { "control", SAFE_FOR_TEXT, false, "a\x1b[31m\r\n", "a\\x1b[31m\\x0d\\x0a" },
    { "control-json", SAFE_FOR_JSON, false, "a\x1b\x7f\xc2\x9b",
      "a\\u001b\\u007f\\u009b" },
    { "control-data", SAFE_FOR_DATA, false, "a\x1b\xe2\x80\xae",
      "a\x1b\xe2\x80\xae" },
    { "bidi", SAFE_FOR_TEXT, false, "a\xe2\x80\xae" "b", "a\\xe2\\x80\\xaeb" },
    { "bidi-json", SAFE_FOR_JSON, false, "a\xe2\x80\xae" "b", "a\\u202eb" },
    { "bidi-html", SAFE_FOR_HTML, false, "a\xe2\x80\xae" "b",
      "a\\\\xe2\\\\x80\\\\xaeb" },
    { "script", SAFE_FOR_HTML, false, "</script>", "\\u003c/script\\u003e" },
    { "path", SAFE_FOR_TEXT, false, "\\Device\\HarddiskVolume3\\a.exe",
      "\\Device\\HarddiskVolume3\\a.exe" },
    { "like-escape", SAFE_FOR_TEXT, false, "\\xb0", "\\x5cxb0" },
    { "csv", SAFE_FOR_CSV, false, "a\"b,\n", "a\"\"b,\\x0a" },
    { "formula", SAFE_FOR_CSV, false, "=1+1", "\\x3d1+1" },
    { "raw-text", SAFE_FOR_TEXT, true, "a\x1b\xb0\\xb0", "a\x1b\xb0\\xb0" },
    { "raw-csv", SAFE_FOR_CSV, true, "=\x1b\"\xb0", "=\x1b\"\"\xb0" },
    { "raw-json", SAFE_FOR_JSON, true, "\x1b\xe2\x80\xae\xb0\"",
      "\\u001b\xe2\x80\xae\\\\xb0\\\"" },
    { "raw-html", SAFE_FOR_HTML, true, "<\xe2\x80\xae\x1b\xb0",
      "\\u003c\xe2\x80\xae\\u001b\\\\xb0" },
};

static void test_exact(gconstpointer data)
{
    const ExactCase *c = data;
    SafeText safe = { .to = c->to, .raw = c->raw };
    const char *end = c->in + strlen(c->in);
    const char *p;
    char out[ROOM];
    size_t used = 0;
    size_t taken;

    for (p = c->in; p < end; p += taken) {
        used += safe_step(&safe, p, (size_t)(end - p), out + used, &taken);
    }
    out[used] = '\0';
    g_assert_cmpstr(out, ==, c->out);
}

/* A step is whole or not there, and there is always a NUL. */
static void test_cut(void)
{
    static const char name[] = "a\xb0\xed\x95\x9c";
    static const size_t lengths[] = { 0, 1, 1, 1, 1, 5, 5, 5, 8, 8 };
    char out[16];
    size_t size;

    for (size = 1; size <= G_N_ELEMENTS(lengths); size++) {
        memset(out, '#', sizeof(out));
        g_assert_cmpuint(safe_copy(SAFE_FOR_TEXT, name, out, size), ==,
                         lengths[size - 1]);
        g_assert_cmpint(out[lengths[size - 1]], ==, '\0');
        g_assert_cmpint(out[size], ==, '#');
    }
}

/* What is plain is the same for all, but for the begin of a CSV field. */
static void test_plain(void)
{
    int c;

    for (c = 1; c < 0x100; c++) {
        char name[] = { 'x', (char)c, 0 };
        SafeFor to;

        if (safe_plain(name, 2) < 2) {
            continue;
        }
        for (to = SAFE_FOR_TEXT; to <= SAFE_FOR_DATA; to++) {
            char out[ROOM];

            safe_copy(to, name, out, sizeof(out));
            g_assert_cmpstr(out, ==, name);
        }
    }
    g_assert_cmpuint(safe_plain("abc\x1b", 4), ==, 3);
    g_assert_cmpuint(safe_plain("abc", 2), ==, 2);
}

static void add_nasty(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    size_t i;

    g_assert_true(g_file_get_contents(NASTY_NAMES, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        char *hex = strchr(lines[i], ' ');
        g_autofree char *path = NULL;

        if (*lines[i] == '#' || !hex) {
            continue;
        }
        *hex++ = '\0';
        path = g_strdup_printf("/base/safe-text/nasty/%s", lines[i]);
        g_test_add_data_func_full(path, g_strdup(hex), test_nasty, g_free);
    }
    g_assert_cmpuint(i, >, 40);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    add_nasty();
    for (i = 0; i < G_N_ELEMENTS(exact_cases); i++) {
        g_autofree char *path = g_strdup_printf("/base/safe-text/exact/%s",
                                                exact_cases[i].name);

        g_test_add_data_func(path, &exact_cases[i], test_exact);
    }
    g_test_add_func("/base/safe-text/triples", test_triples);
    g_test_add_func("/base/safe-text/characters", test_characters);
    g_test_add_func("/base/safe-text/cut", test_cut);
    g_test_add_func("/base/safe-text/plain", test_plain);
    return g_test_run();
}
