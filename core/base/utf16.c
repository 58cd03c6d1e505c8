/*
 * base/utf16: see utf16.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/utf16.h"

#include "base/le.h"

enum { REPLACEMENT = 0xfffd };

/* Where text goes; room for a NUL is always kept. */
typedef struct Out {
    char *text;
    size_t size;
    size_t used;
} Out;

/* False when there is no room for all of it. */
static inline bool utf16_put(Out *out, const uint8_t *bytes, size_t len)
{
    size_t i;

    if (len >= out->size - out->used) {
        return false;
    }
    for (i = 0; i < len; i++) {
        out->text[out->used + i] = (char)bytes[i];
    }
    out->used += len;
    return true;
}

static bool utf16_put_char(Out *out, uint32_t c)
{
    uint8_t bytes[4];

    if (c < 0x80) {
        bytes[0] = (uint8_t)c;
        return utf16_put(out, bytes, 1);
    }
    if (c < 0x800) {
        bytes[0] = (uint8_t)(0xc0 | c >> 6);
        bytes[1] = (uint8_t)(0x80 | (c & 0x3f));
        return utf16_put(out, bytes, 2);
    }
    if (c < 0x10000) {
        bytes[0] = (uint8_t)(0xe0 | c >> 12);
        bytes[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        bytes[2] = (uint8_t)(0x80 | (c & 0x3f));
        return utf16_put(out, bytes, 3);
    }
    bytes[0] = (uint8_t)(0xf0 | c >> 18);
    bytes[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    bytes[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    bytes[3] = (uint8_t)(0x80 | (c & 0x3f));
    return utf16_put(out, bytes, 4);
}

static bool utf16_is_high(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool utf16_is_low(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* The character at @in, and in @len how many of the @n bytes it takes. */
static uint32_t utf16_take_char(const uint8_t *in, size_t n, size_t *len)
{
    uint32_t unit = load_le16(in);
    uint32_t next;

    *len = 2;
    if (utf16_is_high(unit) && n >= 4) {
        next = load_le16(in + 2);
        if (utf16_is_low(next)) {
            *len = 4;
            return 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
        }
    }
    return utf16_is_high(unit) || utf16_is_low(unit) ? REPLACEMENT : unit;
}

size_t utf16_to_utf8(const uint8_t *in, size_t n, char *out, size_t size,
                     bool *cut)
{
    Out to = { .text = out, .size = size };
    bool full = false;
    size_t len;

    for (; n >= 2 && !full; in += len, n -= len) {
        uint32_t c = utf16_take_char(in, n, &len);

        if (!c) {
            break;
        }
        full = !utf16_put_char(&to, c);
    }
    if (size) {
        out[to.used] = '\0';
    }
    if (cut) {
        *cut = full;
    }
    return to.used;
}
