/*
 * base/le: little-endian numbers from bytes, at any alignment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_LE_H
#define VMSCOPE_BASE_LE_H

#include <stdint.h>

static inline uint16_t load_le16(const void *p)
{
    const uint8_t *b = p;

    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t load_le32(const void *p)
{
    const uint8_t *b = p;

    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static inline uint64_t load_le64(const void *p)
{
    const uint8_t *b = p;

    return load_le32(b) | (uint64_t)load_le32(b + 4) << 32;
}

#endif
