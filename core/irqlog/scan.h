/*
 * irqlog/scan: what stands in one line of a text log, value by value.
 *
 * Private to line.c and parse.c, and inline: these are the parser's inner
 * loops.  Every take_*() moves on only past what it took, and returns false
 * where the value is not there or not in range.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_SCAN_H
#define VMSCOPE_IRQLOG_SCAN_H

#include "base/num.h"
#include "irqlog/text.h"

#include <string.h>

/* Where reading is in a line. */
typedef struct Scan {
    const char *p;
    const char *end;
    char *text;         /* where the next string goes, unescaped */
    const char *why;    /* it went no further; a static string */
} Scan;

static inline bool fail(Scan *scan, const char *why)
{
    scan->why = why;
    return false;
}

static inline bool take_word(Scan *scan, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(scan->end - scan->p) < len || memcmp(scan->p, word, len)) {
        return false;
    }
    scan->p += len;
    return true;
}

static inline bool take_dec(Scan *scan, uint64_t max, uint64_t *value)
{
    return num_get_dec(&scan->p, scan->end, value) && *value <= max;
}

static inline bool take_int32(Scan *scan, int32_t *value)
{
    int64_t wide;

    if (!num_get_signed(&scan->p, scan->end, &wide) ||
        wide < INT32_MIN || wide > INT32_MAX) {
        return false;
    }
    *value = (int32_t)wide;
    return true;
}

static inline bool take_u32(Scan *scan, uint32_t *value)
{
    uint64_t wide;

    if (!take_dec(scan, UINT32_MAX, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

/* Written in hexadecimal, but any number is understood. */
static inline bool take_hex(Scan *scan, uint64_t *value)
{
    if (scan->end - scan->p >= 2 && scan->p[1] == 'x') {
        return num_get_hex(&scan->p, scan->end, value);
    }
    return num_get_dec(&scan->p, scan->end, value);
}

static inline bool take_hex32(Scan *scan, uint32_t *value)
{
    uint64_t wide;

    if (!take_hex(scan, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

static inline bool take_kind(Scan *scan, IrqlogKind *kind)
{
    unsigned i;

    for (i = 0; i < IRQLOG_KIND_COUNT; i++) {
        if (take_word(scan, irqlog_kind_name((IrqlogKind)i))) {
            *kind = (IrqlogKind)i;
            return true;
        }
    }
    return false;
}

static inline bool at_end(const Scan *scan)
{
    return scan->p == scan->end;
}

static inline bool take_escape(Scan *scan, char *c)
{
    const char *p = scan->p;
    int high;
    int low;

    if (scan->end - p < 4 || p[1] != 'x') {
        return fail(scan, "a backslash without two digits");
    }
    high = num_hex_digit(p[2]);
    low = num_hex_digit(p[3]);
    if (high < 0 || low < 0) {
        return fail(scan, "a backslash without two digits");
    }
    *c = (char)(high << 4 | low);
    if (!*c) {
        return fail(scan, "a NUL byte in a string");
    }
    scan->p += 4;
    return true;
}

static inline bool take_char(Scan *scan, char *c)
{
    unsigned char byte = (unsigned char)*scan->p;

    if (byte == '\\') {
        return take_escape(scan, c);
    }
    if (byte < 0x20 || byte == 0x7f) {
        return fail(scan, "a control byte in a string");
    }
    *c = (char)byte;
    scan->p++;
    return true;
}

/*
 * Unescape a string, at most IRQLOG_STRING_MAX bytes, until @stop, which is
 * not taken, or the end of the line; a @stop of 0 is never found.
 */
static inline bool take_string(Scan *scan, char stop, const char **result)
{
    size_t n = 0;

    while (!at_end(scan) && (!stop || *scan->p != stop)) {
        if (n == IRQLOG_STRING_MAX) {
            return fail(scan, "a string of more than 1024 bytes");
        }
        if (!take_char(scan, scan->text + n)) {
            return false;
        }
        n++;
    }
    scan->text[n] = '\0';
    *result = scan->text;
    scan->text += n + 1;
    return true;
}

#endif
