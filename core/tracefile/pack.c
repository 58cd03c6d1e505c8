/*
 * tracefile/pack: see pack.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/pack.h"

#include "base/le.h"
#include "tracefile/format.h"

#include <string.h>

static bool has_room(Packer *to, size_t len)
{
    if ((size_t)(to->end - to->p) < len) {
        to->full = true;
    }
    return !to->full;
}

static void pack_fixed(Packer *to, uint64_t value, size_t len)
{
    size_t i;

    if (!has_room(to, len)) {
        return;
    }
    for (i = 0; i < len; i++) {
        *to->p++ = (uint8_t)(value >> 8 * i);
    }
}

void pack_u8(Packer *to, uint8_t value)
{
    pack_fixed(to, value, 1);
}

void pack_fixed32(Packer *to, uint32_t value)
{
    pack_fixed(to, value, 4);
}

void pack_fixed64(Packer *to, uint64_t value)
{
    pack_fixed(to, value, 8);
}

void pack_number(Packer *to, uint64_t value)
{
    if (!has_room(to, PACK_NUMBER_MAX)) {
        return;
    }
    to->p = varint_put(to->p, value);
}

void pack_signed(Packer *to, int64_t value)
{
    pack_number(to, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void pack_bytes(Packer *to, const void *bytes, size_t len)
{
    pack_number(to, len);
    if (has_room(to, len)) {
        memcpy(to->p, bytes, len);
        to->p += len;
    }
}

void pack_string(Packer *to, const char *text)
{
    pack_bytes(to, text, strnlen(text, TRACE_STRING_MAX));
}

static bool has_bytes(Unpacker *from, uint64_t len)
{
    if ((uint64_t)(from->end - from->p) < len) {
        from->bad = true;
    }
    return !from->bad;
}

uint8_t unpack_u8(Unpacker *from)
{
    return has_bytes(from, 1) ? *from->p++ : 0;
}

uint32_t unpack_fixed32(Unpacker *from)
{
    uint32_t value = 0;

    if (has_bytes(from, 4)) {
        value = load_le32(from->p);
        from->p += 4;
    }
    return value;
}

uint64_t unpack_fixed64(Unpacker *from)
{
    uint64_t value = 0;

    if (has_bytes(from, 8)) {
        value = load_le64(from->p);
        from->p += 8;
    }
    return value;
}

uint64_t unpack_number(Unpacker *from)
{
    uint64_t value = 0;
    unsigned shift;
    uint8_t byte;

    for (shift = 0; shift < 64; shift += 7) {
        byte = unpack_u8(from);
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return from->bad ? 0 : value;
        }
    }
    from->bad = true;
    return 0;
}

int64_t unpack_signed(Unpacker *from)
{
    uint64_t value = unpack_number(from);

    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

void unpack_string(Unpacker *from, char *buf, size_t size)
{
    uint64_t len = unpack_number(from);
    size_t kept;

    buf[0] = '\0';
    if (!has_bytes(from, len)) {
        return;
    }
    kept = len < size - 1 ? (size_t)len : size - 1;
    memcpy(buf, from->p, kept);
    buf[kept] = '\0';
    from->p += len;
}

/* The remainder of each byte value, four bits at a time. */
static const uint32_t crc_table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t pack_crc32(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint32_t crc = UINT32_MAX;

    while (len--) {
        crc ^= *p++;
        crc = crc >> 4 ^ crc_table[crc & 15];
        crc = crc >> 4 ^ crc_table[crc & 15];
    }
    return ~crc;
}
