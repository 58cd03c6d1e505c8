/*
 * base/safe-text: text of a guest, made harmless for where it goes.
 *
 * A guest names its processes and threads as it likes, and names of files and
 * threads of the host may be any bytes too.  Everything that writes such a
 * text, in QEMU and in the tools, writes what comes out of here: nothing in it
 * commands a terminal, breaks a row or a string, turns the direction of what
 * follows, or is no UTF-8.  Nothing is lost: what may not stand for itself is
 * written as its bytes, \xNN each, or as JSON has it, \uNNNN.
 *
 * What may not: C0 and C1 controls and DEL, the controls of direction, line
 * and paragraph separators, deprecated format characters, and bytes that are
 * no UTF-8, surrogates among them.  How wide a text is, is not known here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_SAFE_TEXT_H
#define VMSCOPE_BASE_SAFE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum SafeFor {
    /*
     * Shown as it is: terminal, HMP, a viewer's label.  A backslash before x
     * and two hexadecimal digits becomes \x5c, so what looks like an escape
     * is one.
     */
    SAFE_FOR_TEXT,
    /*
     * Between the quotes of a CSV field: as above, a quote doubled, and a
     * first character that makes a formula in spreadsheets (= + - @) escaped.
     */
    SAFE_FOR_CSV,
    /* Between the quotes of a JSON string: bytes \xNN, all else \uNNNN. */
    SAFE_FOR_JSON,
    /*
     * The same, in a page that shows it: what SAFE_FOR_TEXT gives, as JSON,
     * and nothing in it is mark-up.
     */
    SAFE_FOR_HTML,
    /*
     * For programs, by a writer that escapes by itself, as QMP's does: only
     * bytes that are no UTF-8 are escaped.
     */
    SAFE_FOR_DATA,
} SafeFor;

enum {
    /* Bytes that come out for one that goes in, at most. */
    SAFE_GROWTH = 6,
    /* Bytes of one step, at most: four bytes of HTML, \\xNN each. */
    SAFE_STEP_MAX = 24,
    /* Bytes of a text that one step looks at, at most. */
    SAFE_AHEAD = 4,
};

typedef struct SafeText {
    SafeFor to;
    bool raw;           /* only what the destination's syntax needs */
    bool begun;         /* this is not the first character */
} SafeText;

/**
 * safe_step - the next character of a text
 * @safe: zeroes but for @to and @raw at a text's beginning
 * @text: @len bytes, at least one; a NUL is a control like others
 * @out: receives what stands for it: SAFE_STEP_MAX bytes at most, no NUL
 * @taken: receives how many bytes of @text that was, 1 to 4
 *
 * Context: any thread; allocates nothing.
 *
 * Returns: bytes in @out
 */
size_t safe_step(SafeText *safe, const char *text, size_t len, char *out,
                 size_t *taken);

/**
 * safe_plain - how many bytes stand for themselves everywhere
 *
 * Printable ASCII that no destination escapes: these can be copied as they
 * are, unless they are at the beginning of a CSV field.
 */
size_t safe_plain(const char *text, size_t len);

/**
 * safe_copy - a whole text, cut where there is no room for the next step
 * @text: ends at a NUL
 * @out: receives it, NUL-terminated; @size bytes, at least 1; strlen(@text) *
 *       SAFE_GROWTH + 1 are enough for all of it
 *
 * Returns: bytes written, without the NUL
 */
size_t safe_copy(SafeFor to, const char *text, char *out, size_t size);

#endif
