/*
 * base/varint: numbers that take a byte for each seven bits they have.
 *
 * The lowest bits come first, and the top bit of a byte says that more follow:
 * so in recordings and in the protocol buffers that are exported.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_VARINT_H
#define VMSCOPE_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that a number takes at most. */
enum { VARINT_MAX = 10 };

/**
 * varint_put - write a number
 * @p: VARINT_MAX bytes must be writable
 *
 * Returns: the byte behind its last one
 */
static inline uint8_t *varint_put(uint8_t *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

#endif
