/*
 * utf8: telling UTF-8 from other bytes.
 *
 * How wide a character is on a terminal is not known here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_UTF8_H
#define VMSCOPE_COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/**
 * utf8_length - how many bytes of valid UTF-8 a text begins with
 * @text: NUL-terminated; read no further than its NUL
 *
 * Source: RFC 3629, 4 "Syntax of UTF-8 Byte Sequences".
 *
 * Returns: bytes of the first character, 1 for an empty text, 0 when it is
 * not valid
 */
size_t utf8_length(const unsigned char *text);

/**
 * utf8_decode - the character that utf8_length() measured
 * @len: what it returned, 1 to 4
 */
uint32_t utf8_decode(const unsigned char *text, size_t len);

#endif
