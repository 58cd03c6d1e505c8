/*
 * base/utf8: where a character of UTF-8 ends, if it is one, and which it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_UTF8_H
#define VMSCOPE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of a character that begins with @first; 0 when none does. */
static inline size_t utf8_length(uint8_t first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/**
 * utf8_sequence - the length of the character at @p
 * @p: @n bytes, at least one
 *
 * Overlong forms, surrogates and what is past U+10FFFF are no characters.
 * Source: RFC 3629, 4 "Syntax of UTF-8 Byte Sequences".
 *
 * Returns: 1 to 4; 0 when no character begins there
 */
static inline size_t utf8_sequence(const uint8_t *p, size_t n)
{
    size_t len = utf8_length(p[0]);
    size_t i;

    if (len > n) {
        return 0;
    }
    for (i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

/**
 * utf8_decode - the character that utf8_sequence() measured
 * @len: what it returned, 1 to 4
 */
static inline uint32_t utf8_decode(const uint8_t *p, size_t len)
{
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    size_t i;

    for (i = 1; i < len; i++) {
        c = c << 6 | (p[i] & 0x3f);
    }
    return c;
}

#endif
