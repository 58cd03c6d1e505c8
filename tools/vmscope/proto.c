/*
 * proto: see proto.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "proto.h"

#include "common/utf8.h"

#include <string.h>

/* Wire types. */
enum { VARINT = 0, LEN = 2 };

static const char replacement[] = "\xef\xbf\xbd";

void proto_begin(Proto *proto)
{
    proto->len = 0;
    proto->full = false;
}

static void put_bytes(Proto *proto, const void *bytes, size_t len)
{
    if (proto->full || len > PROTO_ROOM - proto->len) {
        proto->full = true;
        return;
    }
    memcpy(proto->bytes + proto->len, bytes, len);
    proto->len += len;
}

static void put_varint(Proto *proto, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;

    while (value >= 0x80) {
        bytes[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[n++] = (uint8_t)value;
    put_bytes(proto, bytes, n);
}

static void put_tag(Proto *proto, unsigned field, unsigned type)
{
    put_varint(proto, (uint64_t)field << 3 | type);
}

void proto_uint(Proto *proto, unsigned field, uint64_t value)
{
    put_tag(proto, field, VARINT);
    put_varint(proto, value);
}

void proto_int(Proto *proto, unsigned field, int64_t value)
{
    proto_uint(proto, field, (uint64_t)value);
}

void proto_sint(Proto *proto, unsigned field, int64_t value)
{
    proto_uint(proto, field, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* The next character, or what stands for it; @len is what it takes of text. */
static const char *next_character(const char *text, size_t *len, size_t *size)
{
    *len = *size = utf8_length((const unsigned char *)text);
    if (*len) {
        return text;
    }
    *len = 1;
    *size = sizeof(replacement) - 1;
    return replacement;
}

void proto_text(Proto *proto, unsigned field, const char *text)
{
    const char *p;
    size_t total = 0;
    size_t len;
    size_t size;

    for (p = text; *p; p += len) {
        next_character(p, &len, &size);
        total += size;
    }
    put_tag(proto, field, LEN);
    put_varint(proto, total);
    for (p = text; *p; p += len) {
        const char *character = next_character(p, &len, &size);

        put_bytes(proto, character, size);
    }
}

void proto_message(Proto *proto, unsigned field, const Proto *inner)
{
    proto->full |= inner->full;
    put_tag(proto, field, LEN);
    put_varint(proto, inner->len);
    put_bytes(proto, inner->bytes, inner->len);
}
