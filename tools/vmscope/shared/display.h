/*
 * display: names from a guest, made fit for a terminal.
 *
 * A guest chooses the names of its threads and processes freely.  What comes
 * out of here is of a known width, and harmless as base/safe-text.h says;
 * what the terminal has no shape for is a question mark.  After
 * out_raw_names() it is neither.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DISPLAY_H
#define VMSCOPE_DISPLAY_H

#include <stddef.h>

/* Bytes that display_fit() may need for @columns, NUL included. */
#define DISPLAY_ROOM(columns) ((columns) * 16 + 1)

/**
 * display_begin - settle which characters can be shown
 *
 * On a terminal those that the user's locale has, else all.
 */
void display_begin(int fd);

/**
 * display_fit - text of at most so many columns
 * @out: receives it, NUL-terminated; DISPLAY_ROOM(@columns) bytes
 * @columns: at least 1; what is longer ends in "~"
 *
 * Returns: columns used
 */
unsigned display_fit(char *out, const char *text, unsigned columns);

/* The same, filled with blanks on the right up to @columns. */
void display_pad(char *out, const char *text, unsigned columns);

/* How many columns the whole text takes. */
unsigned display_width(const char *text);

#endif
