/*
 * findings: what vmscope doctor found, and how it is printed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_FINDINGS_H
#define VMSCOPE_FINDINGS_H

#include "common/jsonout.h"

typedef enum Grade {
    GRADE_OK,
    GRADE_NOTE,         /* good to know */
    GRADE_WARN,         /* results are less good than they could be */
    GRADE_FAIL,         /* something does not work */
    GRADE_COUNT
} Grade;

typedef struct Finding {
    Grade grade;
    const char *check;  /* a word for what was looked at; static */
    char *text;         /* a sentence */
    const char *advice; /* what to do; static; NULL for GRADE_OK alone */
} Finding;

/* Zeroes are an empty list. */
typedef struct Findings {
    Finding *list;
    size_t n;
    size_t room;
} Findings;

void findings_add(Findings *findings, Grade grade, const char *check,
                  const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

size_t findings_count(const Findings *findings, Grade grade);

/* Those of @least or worse, in 80 columns, with colour where @colour. */
void findings_print(const Findings *findings, Grade least, Out *out,
                    bool colour);

/* "12 OK, 1 NOTE, 0 WARN, 0 FAIL" and the end of a line. */
void findings_print_counts(const Findings *findings, Out *out);

/* A member "findings", and one of counts. */
void findings_write(const Findings *findings, JsonOut *json);

void findings_release(Findings *findings);

#endif
