/*
 * qmp-wire: the messages in a stream of bytes.
 *
 * Messages are found by their brackets, so that it does not matter where
 * lines end (QEMU can be asked to print them prettily).  Integers that need
 * all 64 bits are handed on as negative ones, since JSON readers stop at 63.
 *
 * Private to the QMP client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_WIRE_H
#define VMSCOPE_QMP_WIRE_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* An answer with the most entries that can be asked for is far below this. */
enum { WIRE_MESSAGE_MAX = 256 << 20 };

typedef struct Wire {
    char *raw;          /* as received, not yet read */
    size_t raw_used;
    size_t raw_room;
    size_t raw_read;
    char *text;         /* of the message being read */
    size_t used;
    size_t room;
    size_t number;      /* where the number in @text began, when in one */
    bool in_number;
    bool in_string;
    bool escaped;       /* behind a backslash */
    unsigned depth;     /* brackets open */
    size_t message_bytes;       /* of the last message */
} Wire;

typedef enum WireResult {
    WIRE_MESSAGE,
    WIRE_MORE,          /* more bytes are needed */
    WIRE_BROKEN,        /* what came is no JSON object */
} WireResult;

void wire_init(Wire *wire);
void wire_release(Wire *wire);

/* Take in received bytes; false when they are too many. */
bool wire_feed(Wire *wire, const char *bytes, size_t len);

/**
 * wire_next - the next message
 * @message: receives it, to be released with json_decref()
 * @err: says what is wrong when it is broken
 */
WireResult wire_next(Wire *wire, json_t **message, Err *err);

#endif
