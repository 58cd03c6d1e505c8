/*
 * proto: see proto.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/proto.h"

#include "base/varint.h"
#include "common/out.h"

#include <string.h>

/* Wire types. */
enum { VARINT = 0, LEN = 2 };

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
    uint8_t bytes[VARINT_MAX];

    put_bytes(proto, bytes, (size_t)(varint_put(bytes, value) - bytes));
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

void proto_text(Proto *proto, unsigned field, const char *text)
{
    SafeText safe = { .to = out_names_are_raw() ? SAFE_FOR_DATA
                                                : SAFE_FOR_TEXT };
    const char *end = text + strlen(text);
    char step[SAFE_STEP_MAX];
    const char *p;
    size_t total = 0;
    size_t taken;

    for (p = text; p < end; p += taken) {
        total += safe_step(&safe, p, (size_t)(end - p), step, &taken);
    }
    put_tag(proto, field, LEN);
    put_varint(proto, total);
    for (p = text; p < end; p += taken) {
        put_bytes(proto, step, safe_step(&safe, p, (size_t)(end - p), step,
                                         &taken));
    }
}

void proto_message(Proto *proto, unsigned field, const Proto *inner)
{
    proto->full |= inner->full;
    put_tag(proto, field, LEN);
    put_varint(proto, inner->len);
    put_bytes(proto, inner->bytes, inner->len);
}
