/*
 * proto: messages in the wire format of Protocol Buffers.
 *
 * A message is built in a buffer of its own and then put into the one around
 * it.  What does not fit makes it "full", and the whole message is left out
 * then.  Which fields there are is for the caller.
 *
 * Source: protobuf.dev, "Encoding".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROTO_H
#define VMSCOPE_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Three strings of a recording and more, each byte of them escaped. */
enum { PROTO_ROOM = 16384 };

typedef struct Proto {
    size_t len;
    bool full;
    uint8_t bytes[PROTO_ROOM];
} Proto;

void proto_begin(Proto *proto);

/* For uint32, uint64, int32 and int64 that are not negative, bool, enum. */
void proto_uint(Proto *proto, unsigned field, uint64_t value);

/* For int32 and int64; int32 is extended to 64 bits. */
void proto_int(Proto *proto, unsigned field, int64_t value);

/* For sint32 and sint64. */
void proto_sint(Proto *proto, unsigned field, int64_t value);

/* Made harmless, see base/safe-text.h; always UTF-8, as readers demand. */
void proto_text(Proto *proto, unsigned field, const char *text);

void proto_message(Proto *proto, unsigned field, const Proto *inner);

#endif
