/*
 * names: what the guest calls its processes, as text.
 *
 * EPROCESS.ImageFileName is 15 bytes.  Which characters Windows means by those
 * that are not ASCII is not certain; who knows the guest's code page may say
 * so.  Without it the bytes stay what they are: those that are UTF-8 are read
 * as such by everything that shows them, others are escaped there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_NAMES_H
#define VMSCOPE_NAMES_H

#include "common/options.h"

#include <stdbool.h>

enum {
    NAMES_BYTES = 16,           /* of an image name, with a NUL */
    NAMES_HEX = 2 * NAMES_BYTES,
    /* No code page makes more than 12 bytes of UTF-8 of one: TSCII does. */
    NAMES_ROOM = 15 * 12 + 1,
};

/* What the command line says of names. */
typedef struct NameOptions {
    const char *codepage;       /* NULL: none */
    bool raw;                   /* write them as they are */
} NameOptions;

/*
 * For Usage.names, with NameOptions at Usage.names_offset.  They take effect
 * when they are read.
 */
extern const Option name_options[];

/**
 * names_image - an image name as text
 * @bytes: NUL-terminated
 * @text: receives it, NUL-terminated; NAMES_ROOM bytes.  What the code page
 *        has no character for stays as it is
 */
void names_image(const char *bytes, char *text);

/* The last part of a path in the guest, within it. */
const char *names_leaf(const char *path);

/**
 * names_hex - an image name in hexadecimal
 * @hex: receives it; NAMES_HEX bytes; "" when the name is ASCII
 */
void names_hex(const char *bytes, char *hex);

/**
 * names_from_hex - the bytes that names_hex() or QMP wrote
 * @bytes: receives them; NAMES_BYTES
 *
 * Returns: false when there are none, or these are no such bytes
 */
bool names_from_hex(const char *hex, char *bytes);

#endif
