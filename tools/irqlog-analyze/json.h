/*
 * json: a writer of JSON that is valid whatever the bytes in.
 *
 * What is not UTF-8 becomes U+FFFD, as nothing else would stay readable.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_JSON_H
#define IRQLOG_ANALYZE_JSON_H

#include "out.h"

/* Zeroes and @out are a writer at the start of a value. */
typedef struct Json {
    Out *out;
    bool comma;         /* before the next member or element */
} Json;

/* A @key of NULL is for elements of arrays and values of their own. */
void json_begin(Json *json, const char *key, char bracket);
void json_end(Json *json, char bracket);
void json_text(Json *json, const char *key, const char *text);
void json_uint(Json *json, const char *key, uint64_t value);
void json_int(Json *json, const char *key, int64_t value);
void json_real(Json *json, const char *key, double value);

/* End of a line, and of the value on it. */
void json_line(Json *json);

#endif
