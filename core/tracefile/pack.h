/*
 * tracefile/pack: numbers and strings to and from the bytes of a chunk.
 *
 * A number is seven bits a byte, the lowest first, the top bit saying that
 * more follow; a signed one has its sign in bit 0.  Both directions know
 * where the bytes end and go on harmlessly when they would go past it: the
 * caller asks once, at the end, whether all went well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_PACK_H
#define VMSCOPE_TRACEFILE_PACK_H

#include "base/varint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that a number takes at most. */
enum { PACK_NUMBER_MAX = VARINT_MAX };

typedef struct Packer {
    uint8_t *p;
    uint8_t *end;
    bool full;              /* something did not fit */
} Packer;

typedef struct Unpacker {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;               /* cut short, or a number beyond 64 bits */
} Unpacker;

void pack_u8(Packer *to, uint8_t value);
void pack_fixed32(Packer *to, uint32_t value);
void pack_fixed64(Packer *to, uint64_t value);
void pack_number(Packer *to, uint64_t value);
void pack_signed(Packer *to, int64_t value);
/* Their length, then the bytes, whatever they are. */
void pack_bytes(Packer *to, const void *bytes, size_t len);
/* At most TRACE_STRING_MAX bytes of it. */
void pack_string(Packer *to, const char *text);

/* Each gives 0 once the bytes are bad. */
uint8_t unpack_u8(Unpacker *from);
uint32_t unpack_fixed32(Unpacker *from);
uint64_t unpack_fixed64(Unpacker *from);
uint64_t unpack_number(Unpacker *from);
int64_t unpack_signed(Unpacker *from);

/**
 * unpack_string - what pack_string() or pack_bytes() packed, cut to fit
 * @buf: receives it and a NUL; as a string it ends at the first NUL in it
 * @size: of @buf, at least 1
 */
void unpack_string(Unpacker *from, char *buf, size_t size);

/**
 * pack_crc32 - the checksum of bytes
 *
 * Source: IEEE 802.3, 3.2.9 "Frame Check Sequence": generator 0x04c11db7,
 * bits reversed, begun with ones and inverted at the end.
 */
uint32_t pack_crc32(const void *bytes, size_t len);

#endif
