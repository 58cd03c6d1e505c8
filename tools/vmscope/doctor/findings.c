/*
 * findings: see findings.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/findings.h"

#include "common/map.h"
#include "common/translate.h"
#include "shared/display.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where text stands, and columns of it. */
enum { TEXT_COLUMN = 16, TEXT_WIDTH = 80 - TEXT_COLUMN, TEXT_MAX = 1024 };

static const struct {
    const char *word;
    const char *colour;
    const char *key;
} grades[] = {
    [GRADE_OK] = { "OK", "\033[32m", "ok" },
    [GRADE_NOTE] = { "NOTE", "\033[36m", "note" },
    [GRADE_WARN] = { "WARN", "\033[33m", "warn" },
    [GRADE_FAIL] = { "FAIL", "\033[1;31m", "fail" },
};

void findings_add(Findings *findings, Grade grade, const char *check,
                  const char *advice, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    findings->list = grow(findings->list, findings->n, &findings->room,
                          sizeof(*findings->list));
    findings->list[findings->n++] = (Finding) { grade, check, keep(text),
                                                advice };
}

size_t findings_count(const Findings *findings, Grade grade)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < findings->n; i++) {
        n += findings->list[i].grade == grade;
    }
    return n;
}

void findings_release(Findings *findings)
{
    size_t i;

    for (i = 0; i < findings->n; i++) {
        free(findings->list[i].text);
    }
    free(findings->list);
    memset(findings, 0, sizeof(*findings));
}

/* Bytes of the character at @text. */
static size_t character_length(const char *text)
{
    size_t len = *text != '\0';

    while (((unsigned char)text[len] & 0xc0) == 0x80) {
        len++;
    }
    return len;
}

/* Bytes of @text that go on a line of TEXT_WIDTH: up to a blank, if any. */
static size_t line_length(const char *text)
{
    char one[TEXT_MAX];
    size_t blank = 0;
    size_t used = 0;
    unsigned columns = 0;
    size_t len;

    while ((len = character_length(text + used))) {
        snprintf(one, sizeof(one), "%.*s", (int)len, text + used);
        columns += display_width(one);
        blank = *one == ' ' ? used : blank;
        if (columns > TEXT_WIDTH) {
            return blank ? blank : used ? used : len;
        }
        used += len;
    }
    return used;
}

/* Text in lines, the first of which begins where the cursor is. */
static void print_wrapped(Out *out, const char *text)
{
    char line[TEXT_MAX];
    char safe[DISPLAY_ROOM(4 * TEXT_WIDTH)];    /* of escapes alone */
    size_t len;

    while (*text) {
        len = line_length(text);
        snprintf(line, sizeof(line), "%.*s", (int)len, text);
        display_fit(safe, line, 4 * TEXT_WIDTH);
        out_printf(out, "%s\n", safe);
        text += len;
        text += *text == ' ';
        if (*text) {
            out_printf(out, "%*s", TEXT_COLUMN, "");
        }
    }
}

static void print_finding(const Finding *finding, Out *out, bool colour)
{
    out_printf(out, "%s%-4s%s  %-9s ",
               colour ? grades[finding->grade].colour : "",
               grades[finding->grade].word, colour ? "\033[0m" : "",
               finding->check);
    print_wrapped(out, finding->text);
    if (finding->advice) {
        out_printf(out, "%*s", TEXT_COLUMN, "");
        print_wrapped(out, _(finding->advice));
    }
}

void findings_print(const Findings *findings, Grade least, Out *out,
                    bool colour)
{
    size_t i;

    for (i = 0; i < findings->n; i++) {
        if (findings->list[i].grade >= least) {
            print_finding(&findings->list[i], out, colour);
        }
    }
}

void findings_print_counts(const Findings *findings, Out *out)
{
    unsigned i;

    for (i = 0; i < GRADE_COUNT; i++) {
        out_printf(out, "%s%zu %s", i ? ", " : "",
                   findings_count(findings, (Grade)i), grades[i].word);
    }
    out_char(out, '\n');
}

static void write_finding(const Finding *finding, JsonOut *json)
{
    jsonout_begin(json, NULL, '{');
    jsonout_text(json, "grade", grades[finding->grade].key);
    jsonout_text(json, "check", finding->check);
    jsonout_text(json, "text", finding->text);
    if (finding->advice) {
        jsonout_text(json, "advice", _(finding->advice));
    }
    jsonout_end(json, '}');
}

void findings_write(const Findings *findings, JsonOut *json)
{
    size_t i;

    jsonout_begin(json, "findings", '[');
    for (i = 0; i < findings->n; i++) {
        write_finding(&findings->list[i], json);
    }
    jsonout_end(json, ']');
    jsonout_begin(json, "counts", '{');
    for (i = 0; i < GRADE_COUNT; i++) {
        jsonout_uint(json, grades[i].key,
                     findings_count(findings, (Grade)i));
    }
    jsonout_end(json, '}');
}
