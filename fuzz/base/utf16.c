/*
 * fuzz/base/utf16: what must hold for any text of the guest.
 *
 * 1. The conversion says what a second one says that was written apart.
 * 2. What comes out is valid UTF-8, ends with a NUL, and nothing is written
 *    behind the room there is.
 *
 * An input (script.h) makes a text and says how much room there is for it:
 *
 *     u UNIT N     UTF-16 unit, and N times again
 *     b BYTE N     a byte alone, and N times again
 *     s SIZE       convert into SIZE bytes, besides other sizes at the end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "base/utf16.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_MAX = 400,
    /* A byte becomes three at most. */
    OUT_MAX = 3 * IN_MAX + 8,
};

static uint8_t in[IN_MAX];
static size_t in_len;

static void fail(const char *why, size_t size)
{
    fprintf(stderr, "utf16: %s: %zu bytes into %zu\n", why, in_len, size);
    abort();
}

/* Characters of a text, each as bytes. */
typedef struct Plain {
    uint32_t chars[IN_MAX];
    size_t n;
} Plain;

/* By dividing, so that it shares nothing with the code under test. */
static size_t plain_encode(uint32_t c, uint8_t *bytes)
{
    static const uint32_t firsts[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    size_t len = c <= 0x7f ? 1 : c <= 0x7ff ? 2 : c <= 0xffff ? 3 : 4;
    size_t i;

    for (i = len - 1; i > 0; i--) {
        bytes[i] = (uint8_t)(0x80 + c % 64);
        c /= 64;
    }
    bytes[0] = (uint8_t)(firsts[len] + c);
    return len;
}

static void plain_utf16(Plain *plain)
{
    size_t i;

    plain->n = 0;
    for (i = 0; i + 1 < in_len; i += 2) {
        uint32_t unit = in[i] + 256u * in[i + 1];
        uint32_t *last = plain->n ? &plain->chars[plain->n - 1] : NULL;

        if (!unit) {
            break;
        }
        if (last && *last / 0x400 == 0x36 && unit / 0x400 == 0x37) {
            *last = 0x10000 + *last % 0x400 * 0x400 + unit % 0x400;
        } else {
            plain->chars[plain->n++] = unit;
        }
    }
    for (i = 0; i < plain->n; i++) {
        if (plain->chars[i] / 0x800 == 0x1b) {
            plain->chars[i] = 0xfffd;
        }
    }
}

/* The character that is written at @bytes, found by writing it. */
static bool plain_decode(const uint8_t *bytes, size_t n, uint32_t *c,
                         size_t *len)
{
    static const uint32_t marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    uint8_t again[4];
    size_t i;

    for (*len = 1; *len <= 4 && *len <= n; ++*len) {
        *c = bytes[0] - marks[*len];
        if (bytes[0] < marks[*len]) {
            continue;
        }
        for (i = 1; i < *len; i++) {
            *c = *c * 64 + bytes[i] % 64;
        }
        if (*c <= 0x10ffff && *c / 0x800 != 0x1b &&
            plain_encode(*c, again) == *len && !memcmp(again, bytes, *len)) {
            return true;
        }
    }
    return false;
}

/* As many whole characters as leave a byte; false when not all do. */
static bool plain_write(const Plain *plain, size_t size, uint8_t *out,
                        size_t *used)
{
    uint8_t bytes[4];
    size_t len;
    size_t i;

    *used = 0;
    for (i = 0; i < plain->n; i++) {
        len = plain_encode(plain->chars[i], bytes);
        if (*used + len + 1 > size) {
            return false;
        }
        memcpy(out + *used, bytes, len);
        *used += len;
    }
    return true;
}

static void check_out(const uint8_t *out, size_t size, size_t used)
{
    uint32_t c;
    size_t len;
    size_t i;

    for (i = size; i < OUT_MAX; i++) {
        if (out[i] != 0xee) {
            fail("written behind its room", size);
        }
    }
    if (size && (used >= size || out[used])) {
        fail("no NUL", size);
    }
    for (i = 0; i < used; i += len) {
        if (!plain_decode(out + i, used - i, &c, &len) || !c) {
            fail("not valid", size);
        }
    }
}

static void compare(const Plain *plain, const uint8_t *out, size_t size,
                    size_t used, const bool *cut)
{
    static uint8_t wanted[OUT_MAX];
    size_t wanted_used;
    bool all = plain_write(plain, size, wanted, &wanted_used);

    check_out(out, size, used);
    if (used != wanted_used || memcmp(out, wanted, used)) {
        fail("another text", size);
    }
    if (cut && *cut == all) {
        fail("cut or not", size);
    }
}

static void check(size_t size)
{
    static uint8_t out[OUT_MAX];
    static Plain plain;
    size_t used;
    bool cut;

    memset(out, 0xee, sizeof(out));
    used = utf16_to_utf8(in, in_len, (char *)out, size, &cut);
    plain_utf16(&plain);
    compare(&plain, out, size, used, &cut);
}

static void append(uint64_t value, size_t len, uint64_t times)
{
    for (times = times % IN_MAX + 1; times && in_len + len <= IN_MAX;
         times--) {
        in[in_len++] = (uint8_t)value;
        if (len == 2) {
            in[in_len++] = (uint8_t)(value >> 8);
        }
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 16, 80, OUT_MAX };
    Script script = script_begin(data, len);
    ScriptLine line;
    size_t i;

    in_len = 0;
    while (script_next(&script, &line)) {
        if (line.what == 'u') {
            append(line.a, 2, line.b);
        } else if (line.what == 'b') {
            append(line.a, 1, line.b);
        } else if (line.what == 's') {
            check(line.a % (OUT_MAX + 1));
        }
    }
    for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        check(sizes[i]);
    }
}
