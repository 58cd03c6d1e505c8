/*
 * base/utf16: text of the guest as UTF-8 that is valid whatever it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_UTF16_H
#define VMSCOPE_BASE_UTF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * utf16_to_utf8 - convert little-endian UTF-16
 * @in: @n bytes; an odd last byte is ignored
 * @out: receives UTF-8 and a NUL; @size bytes, with 0 nothing is written
 * @cut: receives whether not all of it had room; may be NULL
 *
 * A lone surrogate becomes U+FFFD.  A NUL ends the text.  A character is
 * never cut in its middle.
 *
 * Returns: bytes written, without the NUL
 */
size_t utf16_to_utf8(const uint8_t *in, size_t n, char *out, size_t size,
                     bool *cut);

#endif
