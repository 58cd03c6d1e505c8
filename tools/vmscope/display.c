/*
 * display: see display.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "display.h"

#include "common/utf8.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* Marks on one character, at most: a name may not pile them up. */
enum { MARKS_MAX = 2 };

static bool ascii_only;

void display_begin(int fd)
{
    if (!strcmp(nl_langinfo(CODESET), "UTF-8")) {
        return;
    }
    if (isatty(fd)) {
        ascii_only = true;
    } else {
        setlocale(LC_CTYPE, "C.UTF-8");
    }
}

/* What has no shape of its own and may change that of others. */
static bool is_invisible(uint32_t c)
{
    return (c >= 0x200b && c <= 0x200f) ||  /* joiners, direction marks */
           (c >= 0x2028 && c <= 0x202e) ||  /* line ends, directions */
           (c >= 0x2060 && c <= 0x206f) ||  /* more of both */
           (c >= 0xfe00 && c <= 0xfe0f) ||  /* variation selectors */
           (c >= 0xe0000 && c <= 0xe0fff) ||
           c == 0xad || c == 0x61c || c == 0xfeff;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* One character on its way to the screen. */
typedef struct Shape {
    const char *bytes;
    size_t len;
    unsigned width;
    bool mark;          /* stands on the character before */
} Shape;

static const Shape unknown = { "?", 1, 1, false };

/* The next of @text, which is moved on; false at its end. */
static bool next_shape(const char **text, Shape *shape)
{
    const unsigned char *p = (const unsigned char *)*text;
    size_t len = utf8_length(p);
    uint32_t c;
    int width;

    if (!*p) {
        return false;
    }
    *text += len ? len : 1;
    c = len ? utf8_decode(p, len) : 0;
    if (!len || is_control(c) || (ascii_only && c >= 0x80)) {
        *shape = unknown;
        return true;
    }
    width = wcwidth((wchar_t)c);
    if (is_invisible(c)) {
        *shape = (Shape) { "", 0, 0, true };
    } else if (width < 0) {
        *shape = unknown;
    } else {
        *shape = (Shape) { (const char *)p, len, (unsigned)width, !width };
    }
    return true;
}

/* A text being laid out. */
typedef struct Line {
    char *out;
    size_t len;
    unsigned width;
    unsigned marks;     /* on the last character */
    size_t cut_len;     /* where "~" may go, when more comes */
    unsigned cut_width;
} Line;

/* False when it does not fit any more. */
static bool add_shape(Line *line, const Shape *shape, unsigned columns)
{
    if (shape->mark) {
        if (!line->width || line->marks == MARKS_MAX) {
            return true;
        }
        line->marks += shape->len > 0;
    } else {
        if (shape->width > columns - line->width) {
            return false;
        }
        line->marks = 0;
    }
    memcpy(line->out + line->len, shape->bytes, shape->len);
    line->len += shape->len;
    line->width += shape->width;
    if (line->width < columns) {
        line->cut_len = line->len;
        line->cut_width = line->width;
    }
    return true;
}

unsigned display_fit(char *out, const char *text, unsigned columns)
{
    Line line = { .out = out };
    Shape shape;

    while (next_shape(&text, &shape)) {
        if (!add_shape(&line, &shape, columns)) {
            line.len = line.cut_len;
            line.width = line.cut_width + 1;
            out[line.len++] = '~';
            break;
        }
    }
    out[line.len] = '\0';
    return line.width;
}

void display_pad(char *out, const char *text, unsigned columns)
{
    unsigned used = display_fit(out, text, columns);
    size_t len = strlen(out);

    memset(out + len, ' ', columns - used);
    out[len + columns - used] = '\0';
}

unsigned display_width(const char *text)
{
    unsigned width = 0;
    Shape shape;

    while (width < UINT_MAX / 2 && next_shape(&text, &shape)) {
        width += shape.width;
    }
    return width;
}
