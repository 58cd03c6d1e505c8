/*
 * jsonout: a writer of JSON that is valid whatever the bytes in.
 *
 * What would command a terminal is escaped, and bytes that are no UTF-8 become
 * the text \xNN: see base/safe-text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_JSONOUT_H
#define VMSCOPE_COMMON_JSONOUT_H

#include "common/out.h"

/* Zeroes and @out are a writer at the start of a value. */
typedef struct JsonOut {
    Out *out;
    bool comma;         /* before the next member or element */
    bool page;          /* it stands in a page of HTML that shows it */
} JsonOut;

/* A @key of NULL is for elements of arrays and values of their own. */
void jsonout_begin(JsonOut *json, const char *key, char bracket);
void jsonout_end(JsonOut *json, char bracket);
void jsonout_text(JsonOut *json, const char *key, const char *text);
void jsonout_uint(JsonOut *json, const char *key, uint64_t value);
void jsonout_int(JsonOut *json, const char *key, int64_t value);
void jsonout_null(JsonOut *json, const char *key);
void jsonout_bool(JsonOut *json, const char *key, bool value);
void jsonout_real(JsonOut *json, const char *key, double value);

/* End of a line, and of the value on it. */
void jsonout_line(JsonOut *json);

#endif
