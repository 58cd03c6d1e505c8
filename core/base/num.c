/*
 * base/num: see num.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/num.h"

#include <string.h>

static const char digit_pairs[201] =
    "00010203040506070809101112131415161718192021222324"
    "25262728293031323334353637383940414243444546474849"
    "50515253545556575859606162636465666768697071727374"
    "75767778798081828384858687888990919293949596979899";

/* One more than the digit, so that what is not listed is no digit. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5,
    ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static unsigned count_digits(uint64_t value)
{
    unsigned n = 1;

    while (value >= 10000) {
        value /= 10000;
        n += 4;
    }
    return n + (value >= 10) + (value >= 100) + (value >= 1000);
}

char *num_put_dec(char *p, uint64_t value)
{
    char *end = p + count_digits(value);
    char *at = end;

    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        memcpy(at - 2, digit_pairs + value * 2, 2);
    } else {
        at[-1] = (char)('0' + value);
    }
    return end;
}

char *num_put_signed(char *p, int64_t value)
{
    if (value >= 0) {
        return num_put_dec(p, (uint64_t)value);
    }
    *p = '-';
    return num_put_dec(p + 1, 0 - (uint64_t)value);
}

/* All eight digits at once: each byte of @spread becomes one nibble. */
static void put_hex32(char *p, uint32_t value)
{
    uint64_t spread = value;
    uint64_t letters;
    int i;

    spread = (spread << 16 | spread) & 0x0000ffff0000ffff;
    spread = (spread << 8 | spread) & 0x00ff00ff00ff00ff;
    spread = (spread << 4 | spread) & 0x0f0f0f0f0f0f0f0f;
    letters = (spread + 0x0606060606060606) >> 4 & 0x0101010101010101;
    spread += 0x3030303030303030 + letters * ('a' - '0' - 10);
    for (i = 0; i < 8; i++) {
        p[i] = (char)(spread >> (56 - 8 * i));
    }
}

char *num_put_hex(char *p, uint64_t value)
{
    unsigned n = value ? (67 - (unsigned)__builtin_clzll(value)) / 4 : 1;

    /* The first digit comes first; what is written behind the last is junk. */
    value <<= 4 * (16 - n);
    memcpy(p, "0x", 2);
    put_hex32(p + 2, (uint32_t)(value >> 32));
    put_hex32(p + 10, (uint32_t)value);
    return p + 2 + n;
}

bool num_get_dec(const char **p, const char *end, uint64_t *value)
{
    const char *at = *p;
    uint64_t result = 0;
    unsigned digit;

    while (at < end && (digit = (unsigned)(*at - '0')) <= 9) {
        if (result >= UINT64_MAX / 10 &&
            (result > UINT64_MAX / 10 || digit > UINT64_MAX % 10)) {
            return false;
        }
        result = result * 10 + digit;
        at++;
    }
    if (at == *p) {
        return false;
    }
    *p = at;
    *value = result;
    return true;
}

bool num_get_signed(const char **p, const char *end, int64_t *value)
{
    const char *at = *p;
    bool negative = at < end && *at == '-';
    uint64_t size;

    at += negative;
    if (!num_get_dec(&at, end, &size) ||
        size > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *p = at;
    *value = (int64_t)(negative ? 0 - size : size);
    return true;
}

bool num_get_hex(const char **p, const char *end, uint64_t *value)
{
    const char *at = *p + 2;
    uint64_t result = 0;
    unsigned digit;

    if (end - *p < 3 || (*p)[0] != '0' || (*p)[1] != 'x') {
        return false;
    }
    while (at < end && (digit = hex_digits[(uint8_t)*at])) {
        if (result >> 60) {
            return false;
        }
        result = result << 4 | (digit - 1);
        at++;
    }
    if (at == *p + 2) {
        return false;
    }
    *p = at;
    *value = result;
    return true;
}

int num_hex_digit(char c)
{
    return hex_digits[(uint8_t)c] - 1;
}
