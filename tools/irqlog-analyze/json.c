/*
 * json: see json.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "json.h"

#include <math.h>
#include <string.h>

/*
 * How many bytes of valid UTF-8 @text begins with, 0 for none.
 * Source: RFC 3629, 4 "Syntax of UTF-8 Byte Sequences".
 */
static size_t utf8_length(const unsigned char *text)
{
    size_t len;
    size_t i;
    unsigned low = 0x80;
    unsigned high = 0xbf;

    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] < 0xc2 || text[0] > 0xf4) {
        return 0;
    }
    len = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    low = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : low;
    high = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f : high;
    for (i = 1; i < len; i++) {
        if (text[i] < low || text[i] > high) {
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

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

static void put_key(Json *json, const char *key)
{
    if (json->comma) {
        out_text(json->out, ", ");
    }
    json->comma = true;
    if (key) {      /* one of ours: there is nothing to escape in it */
        out_char(json->out, '"');
        out_text(json->out, key);
        out_text(json->out, "\": ");
    }
}

void json_begin(Json *json, const char *key, char bracket)
{
    put_key(json, key);
    out_char(json->out, bracket);
    json->comma = false;
}

void json_end(Json *json, char bracket)
{
    out_char(json->out, bracket);
    json->comma = true;
}

void json_text(Json *json, const char *key, const char *text)
{
    put_key(json, key);
    put_string(json->out, text);
}

void json_uint(Json *json, const char *key, uint64_t value)
{
    put_key(json, key);
    out_dec(json->out, value);
}

void json_int(Json *json, const char *key, int64_t value)
{
    put_key(json, key);
    out_signed(json->out, value);
}

void json_real(Json *json, const char *key, double value)
{
    put_key(json, key);
    out_printf(json->out, "%.3f", isfinite(value) ? value : 0.0);
}

void json_line(Json *json)
{
    out_char(json->out, '\n');
    json->comma = false;
}
