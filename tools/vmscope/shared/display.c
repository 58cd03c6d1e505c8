/*
 * display: see display.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/display.h"

#include "base/utf8.h"
#include "common/out.h"

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

/* One character on its way to the screen. */
typedef struct Shape {
    char bytes[SAFE_STEP_MAX];
    size_t len;
    unsigned width;
    bool mark;          /* stands on the character before */
} Shape;

/* It stands for itself, or for what the screen cannot show. */
static void shape_character(Shape *shape, uint32_t c)
{
    int width = c < 0x80 ? 1 : ascii_only ? -1 : wcwidth((wchar_t)c);

    if (is_invisible(c)) {
        shape->len = 0;
        shape->mark = true;
    } else if (width < 0) {
        shape->bytes[0] = '?';
        shape->len = shape->width = 1;
    } else {
        shape->width = (unsigned)width;
        shape->mark = !width;
    }
}

/* The next of @text, which is moved on; false at its end. */
static bool next_shape(const char **text, Shape *shape)
{
    SafeText safe = { .to = SAFE_FOR_TEXT, .raw = out_names_are_raw() };
    size_t rest = strnlen(*text, SAFE_AHEAD);
    size_t len;

    if (!rest) {
        return false;
    }
    memset(shape, 0, sizeof(*shape));
    shape->len = safe_step(&safe, *text, rest, shape->bytes, &len);
    if (safe.raw) {
        shape->width = 1;       /* who asks for it does without columns */
    } else if (shape->len == len && !memcmp(shape->bytes, *text, len)) {
        shape_character(shape, utf8_decode((const uint8_t *)*text, len));
    } else {
        shape->width = (unsigned)shape->len;    /* an escape is ASCII */
    }
    *text += len;
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
