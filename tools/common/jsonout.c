/*
 * jsonout: see jsonout.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/jsonout.h"

#include <math.h>

static void put_string(const JsonOut *json, const char *text)
{
    out_char(json->out, '"');
    out_name(json->out, json->page ? SAFE_FOR_HTML : SAFE_FOR_JSON, text);
    out_char(json->out, '"');
}

static void put_key(JsonOut *json, const char *key)
{
    if (json->comma) {
        out_text(json->out, ", ");
    }
    json->comma = true;
    if (key) {
        put_string(json, key);
        out_text(json->out, ": ");
    }
}

void jsonout_begin(JsonOut *json, const char *key, char bracket)
{
    put_key(json, key);
    out_char(json->out, bracket);
    json->comma = false;
}

void jsonout_end(JsonOut *json, char bracket)
{
    out_char(json->out, bracket);
    json->comma = true;
}

void jsonout_text(JsonOut *json, const char *key, const char *text)
{
    put_key(json, key);
    put_string(json, text);
}

void jsonout_uint(JsonOut *json, const char *key, uint64_t value)
{
    put_key(json, key);
    out_dec(json->out, value);
}

void jsonout_int(JsonOut *json, const char *key, int64_t value)
{
    put_key(json, key);
    out_signed(json->out, value);
}

void jsonout_real(JsonOut *json, const char *key, double value)
{
    put_key(json, key);
    out_printf(json->out, "%.3f", isfinite(value) ? value : 0.0);
}

void jsonout_line(JsonOut *json)
{
    out_char(json->out, '\n');
    json->comma = false;
}

void jsonout_bool(JsonOut *json, const char *key, bool value)
{
    put_key(json, key);
    out_text(json->out, value ? "true" : "false");
}

void jsonout_null(JsonOut *json, const char *key)
{
    put_key(json, key);
    out_text(json->out, "null");
}
