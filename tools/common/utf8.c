/*
 * utf8: see utf8.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/utf8.h"

size_t utf8_length(const unsigned char *text)
{
    size_t len;
    size_t i;
    unsigned low = 0x80;
    unsigned high = 0xbf;

    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] < 0xc2 || text[0] > 0xf4) {
        return 0;
    }
    len = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    low = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : low;
    high = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f : high;
    for (i = 1; i < len; i++) {
        if (text[i] < low || text[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

uint32_t utf8_decode(const unsigned char *text, size_t len)
{
    uint32_t c = len == 1 ? text[0] : text[0] & (0x7fu >> len);
    size_t i;

    for (i = 1; i < len; i++) {
        c = c << 6 | (text[i] & 0x3f);
    }
    return c;
}
