/*
 * fuzz/base/safe-text: what must hold for any bytes that a guest calls a name.
 *
 * 1. A step takes 1 to 4 bytes of what there is, and gives no more than it may.
 * 2. What comes out for people is UTF-8 without a character that harms, and
 *    its escapes undone are the bytes that went in.
 * 3. Into less room goes a beginning of it, with a NUL, and nothing behind.
 *
 * An input (script.h) makes a name:
 *
 *     b BYTE N     a byte, and N times again
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "base/safe-text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN_MAX = 200, OUT_MAX = IN_MAX * SAFE_GROWTH + 8 };

static char in[IN_MAX + 1];
static size_t in_len;

static void fail(const char *why, SafeFor to)
{
    fprintf(stderr, "safe-text: %s: %zu bytes for %d\n", why, in_len,
            (int)to);
    abort();
}

/* By steps; returns how many bytes. */
static size_t convert(SafeFor to, bool raw, char *out)
{
    SafeText safe = { .to = to, .raw = raw };
    char step[SAFE_STEP_MAX + 1];
    size_t used = 0;
    size_t taken;
    size_t at;
    size_t n;

    for (at = 0; at < in_len; at += taken) {
        memset(step, 0x11, sizeof(step));
        n = safe_step(&safe, in + at, in_len - at, step, &taken);
        if (!n || n > SAFE_STEP_MAX || step[SAFE_STEP_MAX] != 0x11) {
            fail("a step of impossible size", to);
        }
        if (!taken || taken > 4 || taken > in_len - at ||
            n > taken * SAFE_GROWTH) {
            fail("a step took what is not there", to);
        }
        memcpy(out + used, step, n);
        used += n;
    }
    out[used] = '\0';
    return used;
}

/* The character at @p of three bytes, by its bits; 0 when it is none. */
static unsigned three(const unsigned char *p)
{
    return (p[0] & 0xf0) == 0xe0 ? (p[0] & 15u) << 12 | (p[1] & 63u) << 6 |
                                   (p[2] & 63u) : 0;
}

static void check_harmless(SafeFor to, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned c;

    for (; *p; p++) {
        c = p[1] ? three(p) : 0;
        if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0) ||
            (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
            (c >= 0x2066 && c <= 0x2069) || (c >= 0xd800 && c <= 0xdfff) ||
            (*p == 0xd8 && p[1] == 0x9c)) {
            fail("a character that harms", to);
        }
        if (to == SAFE_FOR_HTML && strchr("<>&", *p)) {
            fail("mark-up", to);
        }
    }
}

static int digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c | 0x20) : NULL;

    return found && (c > '@' || c < ':') ? (int)(found - digits) : -1;
}

static void check_undone(SafeFor to, const char *text)
{
    size_t at = 0;
    int high;
    int low;

    while (*text) {
        char c = *text++;

        if (c == '\\' && *text == 'x' && (high = digit(text[1])) >= 0 &&
            (low = digit(text[2])) >= 0) {
            c = (char)(high << 4 | low);
            text += 3;
        } else if (to == SAFE_FOR_CSV && c == '"') {
            if (*text++ != '"') {
                fail("a quote alone", to);
            }
        }
        if (at == in_len || in[at++] != c) {
            fail("another name", to);
        }
    }
    if (at != in_len) {
        fail("not all of it", to);
    }
}

static void check_room(SafeFor to, const char *whole)
{
    char out[OUT_MAX];
    size_t size;
    size_t used;

    for (size = 1; size < 40; size++) {
        memset(out, 0x11, sizeof(out));
        used = safe_copy(to, in, out, size);
        if (used >= size || out[used] || out[size] != 0x11 ||
            memcmp(out, whole, used)) {
            fail("no beginning of it", to);
        }
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    static char out[OUT_MAX];
    Script script = script_begin(data, len);
    ScriptLine line;
    SafeFor to;

    in_len = 0;
    while (script_next(&script, &line)) {
        uint64_t times = line.b % IN_MAX + 1;

        while (line.what == 'b' && (uint8_t)line.a && times-- &&
               in_len < IN_MAX) {
            in[in_len++] = (char)line.a;
        }
    }
    in[in_len] = '\0';
    for (to = SAFE_FOR_TEXT; to <= SAFE_FOR_DATA; to++) {
        convert(to, true, out);
        convert(to, false, out);
        check_room(to, out);
        if (to != SAFE_FOR_DATA) {
            check_harmless(to, out);
        }
        if (to == SAFE_FOR_TEXT || to == SAFE_FOR_CSV) {
            check_undone(to, out);
        }
    }
}
