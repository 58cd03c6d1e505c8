/*
 * jsonout: see jsonout.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/jsonout.h"

#include "common/utf8.h"

#include <math.h>
#include <string.h>

static void put_escaped(Out *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        out_char(out, '\\');
        out_char(out, (char)c);
        return;
    }
    out_text(out, "\\u00");
    out_char(out, digits[c >> 4]);
    out_char(out, digits[c & 15]);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* One that is not plain; returns how many bytes it takes. */
static size_t put_special(Out *out, const unsigned char *p)
{
    size_t len = utf8_length(p);

    if (!len) {
        out_text(out, "\xef\xbf\xbd");
        return 1;
    }
    if (len == 1) {
        put_escaped(out, *p);
    } else {
        out_bytes(out, (const char *)p, len);
    }
    return len;
}

static void put_string(Out *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const unsigned char *plain;

    out_char(out, '"');
    while (*p) {
        plain = p;
        while (is_plain(*p)) {
            p++;
        }
        out_bytes(out, (const char *)plain, (size_t)(p - plain));
        if (*p) {
            p += put_special(out, p);
        }
    }
    out_char(out, '"');
}

static void put_key(JsonOut *json, const char *key)
{
    if (json->comma) {
        out_text(json->out, ", ");
    }
    json->comma = true;
    if (key) {
        put_string(json->out, key);
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
    put_string(json->out, text);
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
