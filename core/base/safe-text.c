/*
 * base/safe-text: see safe-text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/safe-text.h"

#include "base/utf8.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

/*
 * Source: The Unicode Standard 15.0, 23.1 "Control Codes", 23.2 "Layout
 * Controls", 23.3 "Deprecated Format Characters"; UAX #9, 2 "Directional
 * Formatting Characters".
 */
static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) ||
           c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x206f) ||
           (c >= 0xfff9 && c <= 0xfffb);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* Something that a reader would take for a byte of ours. */
static bool is_like_escape(const char *text, size_t len)
{
    return len >= 4 && text[0] == '\\' && text[1] == 'x' && is_hex(text[2]) &&
           is_hex(text[3]);
}

static bool is_json(SafeFor to)
{
    return to == SAFE_FOR_JSON || to == SAFE_FOR_HTML;
}

/* \xNN for each byte; in JSON the backslash is one of the string's. */
static size_t put_bytes(SafeFor to, const char *text, size_t n, char *out)
{
    size_t used = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)text[i];

        out[used++] = '\\';
        if (is_json(to)) {
            out[used++] = '\\';
        }
        out[used++] = 'x';
        out[used++] = digits[byte >> 4];
        out[used++] = digits[byte & 15];
    }
    return used;
}

static size_t put_unit(uint32_t unit, char *out)
{
    out[0] = '\\';
    out[1] = 'u';
    out[2] = digits[unit >> 12 & 15];
    out[3] = digits[unit >> 8 & 15];
    out[4] = digits[unit >> 4 & 15];
    out[5] = digits[unit & 15];
    return 6;
}

/* \uNNNN, two of them beyond U+FFFF. */
static size_t put_code(uint32_t c, char *out)
{
    size_t used = 0;

    if (c >= 0x10000) {
        used = put_unit(0xd800 + ((c - 0x10000) >> 10), out);
        c = 0xdc00 + ((c - 0x10000) & 0x3ff);
    }
    return used + put_unit(c, out + used);
}

/* What the syntax around the text gives a meaning to; 0: nothing. */
static size_t put_syntax(const SafeText *safe, uint32_t c, char *out)
{
    SafeFor to = safe->to;

    if (is_json(to) && (c == '"' || c == '\\')) {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if ((is_json(to) && c < 0x20) ||
        (to == SAFE_FOR_HTML && (c == '<' || c == '>' || c == '&'))) {
        return put_code(c, out);
    }
    if (to == SAFE_FOR_CSV && c == '"') {
        memset(out, '"', 2);
        return 2;
    }
    return 0;
}

static bool must_escape(const SafeText *safe, uint32_t c, const char *text,
                        size_t len)
{
    switch (safe->to) {
    case SAFE_FOR_CSV:
        if (!safe->begun && c && c < 0x80 && strchr("=+-@", (int)c)) {
            return true;
        }
        return is_harmful(c) || is_like_escape(text, len);
    case SAFE_FOR_TEXT:
    case SAFE_FOR_HTML:
        return is_harmful(c) || is_like_escape(text, len);
    case SAFE_FOR_JSON:
        return is_harmful(c);
    default:
        return false;
    }
}

size_t safe_step(SafeText *safe, const char *text, size_t len, char *out,
                 size_t *taken)
{
    size_t n = utf8_sequence((const uint8_t *)text, len);
    uint32_t c = n ? utf8_decode((const uint8_t *)text, n) : 0;
    bool as_is = safe->to == SAFE_FOR_TEXT || safe->to == SAFE_FOR_CSV;
    size_t used = 0;

    *taken = n ? n : 1;
    if (!n ? !(safe->raw && as_is)
           : !safe->raw && must_escape(safe, c, text, len)) {
        used = n && safe->to == SAFE_FOR_JSON ? put_code(c, out)
               : put_bytes(safe->to, text, *taken, out);
    } else if (n) {
        used = put_syntax(safe, c, out);
    }
    if (!used) {
        memcpy(out, text, *taken);
        used = *taken;
    }
    safe->begun = true;
    return used;
}

static inline bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' &&
           c != '>' && c != '&';
}

size_t safe_plain(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && is_plain(text[n])) {
        n++;
    }
    return n;
}

size_t safe_copy(SafeFor to, const char *text, char *out, size_t size)
{
    SafeText safe = { .to = to };
    const char *end = text + strlen(text);
    char step[SAFE_STEP_MAX];
    size_t used = 0;
    size_t taken;
    size_t n;

    for (; text < end; text += taken) {
        n = safe_step(&safe, text, (size_t)(end - text), step, &taken);
        if (n >= size - used) {
            break;
        }
        memcpy(out + used, step, n);
        used += n;
    }
    out[used] = '\0';
    return used;
}
