/*
 * qmp-wire: see qmp-wire.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp-wire.h"

#include "base/num.h"
#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wire_init(Wire *wire)
{
    memset(wire, 0, sizeof(*wire));
}

void wire_release(Wire *wire)
{
    free(wire->raw);
    free(wire->text);
    wire_init(wire);
}

/* See to room for @more behind @used bytes, below some sensible limit. */
static bool make_room(char **bytes, size_t used, size_t more, size_t *room)
{
    size_t wanted;
    char *larger;

    if (more > WIRE_MESSAGE_MAX || used > WIRE_MESSAGE_MAX - more) {
        return false;
    }
    if (used + more <= *room) {
        return true;
    }
    wanted = *room ? *room : 4096;
    while (wanted < used + more) {
        wanted *= 2;
    }
    larger = realloc(*bytes, wanted);
    if (!larger) {
        die_no_memory();
    }
    *bytes = larger;
    *room = wanted;
    return true;
}

bool wire_feed(Wire *wire, const char *bytes, size_t len)
{
    if (wire->raw_read == wire->raw_used) {
        wire->raw_read = 0;
        wire->raw_used = 0;
    }
    if (!make_room(&wire->raw, wire->raw_used, len, &wire->raw_room)) {
        return false;
    }
    memcpy(wire->raw + wire->raw_used, bytes, len);
    wire->raw_used += len;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' ||
           c == 'e' || c == 'E';
}

/* A number has ended: make it fit, if it is an integer that does not. */
static void end_number(Wire *wire)
{
    const char *p = wire->text + wire->number;
    const char *end = wire->text + wire->used;
    uint64_t value;
    char fitting[32];
    int len;

    wire->in_number = false;
    if (!num_get_dec(&p, end, &value) || p != end || value <= INT64_MAX) {
        return;
    }
    len = snprintf(fitting, sizeof(fitting), "%" PRId64, (int64_t)value);
    memcpy(wire->text + wire->number, fitting, (size_t)len);
    wire->used = wire->number + (size_t)len;
}

static void read_string_byte(Wire *wire, char c)
{
    if (wire->escaped) {
        wire->escaped = false;
    } else if (c == '\\') {
        wire->escaped = true;
    } else if (c == '"') {
        wire->in_string = false;
    }
}

static void read_byte(Wire *wire, char c)
{
    if (wire->in_string) {
        read_string_byte(wire, c);
        return;
    }
    if (wire->in_number && !is_number(c)) {
        end_number(wire);
    } else if (!wire->in_number && is_number(c)) {
        wire->in_number = true;
        wire->number = wire->used;
    }
    if (c == '"') {
        wire->in_string = true;
    } else if (c == '{' || c == '[') {
        wire->depth++;
    } else if (c == '}' || c == ']') {
        wire->depth--;
    }
}

/* Room for a byte, and for a number's sign that end_number() may add. */
enum { BYTE_ROOM = 2 };

static WireResult tell_no_json(const Wire *wire, Err *err)
{
    size_t len = wire->raw_used - wire->raw_read;
    char sample[41] = "";

    if (len > sizeof(sample) - 1) {
        len = sizeof(sample) - 1;
    }
    memcpy(sample, wire->raw + wire->raw_read, len);
    err_set(err, ERR_FORMAT, "not JSON: '%s'", sample);
    return WIRE_BROKEN;
}

static WireResult parse(Wire *wire, json_t **message, Err *err)
{
    json_error_t error;

    *message = json_loadb(wire->text, wire->used, JSON_ALLOW_NUL, &error);
    wire->message_bytes = wire->used;
    wire->used = 0;
    if (!*message) {
        err_set(err, ERR_FORMAT, "broken JSON: %s", error.text);
        return WIRE_BROKEN;
    }
    return WIRE_MESSAGE;
}

WireResult wire_next(Wire *wire, json_t **message, Err *err)
{
    char c;

    while (wire->raw_read < wire->raw_used) {
        c = wire->raw[wire->raw_read];
        if (!wire->depth && c != '{') {
            if (!is_space(c)) {
                return tell_no_json(wire, err);
            }
            wire->raw_read++;
            continue;
        }
        if (!make_room(&wire->text, wire->used, BYTE_ROOM, &wire->room)) {
            err_set(err, ERR_FORMAT, "a message of more than %d MiB",
                    WIRE_MESSAGE_MAX >> 20);
            return WIRE_BROKEN;
        }
        read_byte(wire, c);
        wire->text[wire->used++] = c;
        wire->raw_read++;
        if (!wire->depth) {
            return parse(wire, message, err);
        }
    }
    return WIRE_MORE;
}
