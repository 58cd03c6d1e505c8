/*
 * base/num: numbers look as printf writes them, and are read back the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/num.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct GetCase {
    const char *name;
    const char *text;
    bool ok;
    uint64_t value;
    size_t used;
} GetCase;

static const GetCase dec_cases[] = {
    { "zero",           "0",                    true,  0, 1 },
    { "one",            "1",                    true,  1, 1 },
    { "leading-zeros",  "007",                  true,  7, 3 },
    { "stops",          "12ns",                 true,  12, 2 },
    { "largest",        "18446744073709551615", true,  UINT64_MAX, 20 },
    { "one-too-large",  "18446744073709551616", false, 0, 0 },
    { "ten-times",      "184467440737095516150", false, 0, 0 },
    { "absurd",         "99999999999999999999999999999999", false, 0, 0 },
    { "empty",          "",                     false, 0, 0 },
    { "minus",          "-1",                   false, 0, 0 },
    { "plus",           "+1",                   false, 0, 0 },
    { "space",          " 1",                   false, 0, 0 },
    { "letter",         "x",                    false, 0, 0 },
};

static const GetCase hex_cases[] = {
    { "zero",           "0x0",                  true,  0, 3 },
    { "both-cases",     "0xaBcDeF",             true,  0xabcdef, 8 },
    { "stops",          "0x12,0x13",            true,  0x12, 4 },
    { "largest",        "0xffffffffffffffff",   true,  UINT64_MAX, 18 },
    { "one-too-large",  "0x10000000000000000",  false, 0, 0 },
    { "leading-zeros",  "0x00000000000000000000001", true, 1, 25 },
    { "no-digits",      "0x",                   false, 0, 0 },
    { "no-hex-digit",   "0xg",                  false, 0, 0 },
    { "no-prefix",      "12",                   false, 0, 0 },
    { "upper-prefix",   "0X12",                 false, 0, 0 },
    { "empty",          "",                     false, 0, 0 },
};

static void check_get(const GetCase *c,
                      bool (*get)(const char **, const char *, uint64_t *))
{
    const char *p = c->text;
    uint64_t value = 77;
    bool ok = get(&p, c->text + strlen(c->text), &value);

    if (ok != c->ok || (size_t)(p - c->text) != c->used ||
        value != (ok ? c->value : 77)) {
        g_error("%s: '%s' gave %d, %" PRIu64 ", %zu bytes", c->name, c->text,
                ok, value, (size_t)(p - c->text));
    }
}

static void test_get_dec(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(dec_cases); i++) {
        check_get(&dec_cases[i], num_get_dec);
    }
}

static void test_get_hex(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(hex_cases); i++) {
        check_get(&hex_cases[i], num_get_hex);
    }
}

typedef struct SignedCase {
    const char *text;
    bool ok;
    int64_t value;
} SignedCase;

static const SignedCase signed_cases[] = {
    { "0", true, 0 }, { "-0", true, 0 }, { "5", true, 5 }, { "-5", true, -5 },
    { "9223372036854775807", true, INT64_MAX },
    { "9223372036854775808", false, 0 },
    { "-9223372036854775808", true, INT64_MIN },
    { "-9223372036854775809", false, 0 },
    { "-", false, 0 }, { "--1", false, 0 }, { "", false, 0 },
};

static void test_get_signed(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(signed_cases); i++) {
        const SignedCase *c = &signed_cases[i];
        const char *p = c->text;
        int64_t value = 77;

        g_assert_cmpint(num_get_signed(&p, p + strlen(p), &value), ==, c->ok);
        g_assert_cmpint(value, ==, c->ok ? c->value : 77);
    }
}

/* What is behind the end is not looked at. */
static void test_end(void)
{
    const char *text = "0x1234";
    const char *p = text;
    uint64_t value;

    g_assert_true(num_get_hex(&p, text + 4, &value));
    g_assert_cmphex(value, ==, 0x12);
    p = text;
    g_assert_false(num_get_hex(&p, text + 2, &value));
    p = text + 2;
    g_assert_true(num_get_dec(&p, text + 4, &value));
    g_assert_cmpuint(value, ==, 12);
}

static void check_put(uint64_t value)
{
    char buf[NUM_PUT_MAX + 1];
    char wanted[NUM_PUT_MAX + 1];

    *num_put_dec(buf, value) = '\0';
    snprintf(wanted, sizeof(wanted), "%" PRIu64, value);
    g_assert_cmpstr(buf, ==, wanted);
    *num_put_hex(buf, value) = '\0';
    snprintf(wanted, sizeof(wanted), "0x%" PRIx64, value);
    g_assert_cmpstr(buf, ==, wanted);
    *num_put_signed(buf, (int64_t)value) = '\0';
    snprintf(wanted, sizeof(wanted), "%" PRId64, (int64_t)value);
    g_assert_cmpstr(buf, ==, wanted);
}

/* Around every power of two and of ten, and others at random. */
static void test_put(void)
{
    uint64_t power = 1;
    int i;

    for (i = 0; i < 64; i++) {
        check_put((UINT64_C(1) << i) - 1);
        check_put(UINT64_C(1) << i);
        check_put(UINT64_C(0xfedcba9876543210) >> i);
    }
    for (i = 0; i < 20; i++, power *= 10) {
        check_put(power - 1);
        check_put(power);
        check_put(power + 1);
    }
    check_put(UINT64_MAX);
    for (i = 0; i < 10000; i++) {
        check_put((uint64_t)g_test_rand_int() << 32 |
                  (uint32_t)g_test_rand_int());
    }
}

static void test_hex_digit(void)
{
    const char digits[] = "0123456789abcdef";
    int c;

    for (c = 0; c < 256; c++) {
        const char *at = c ? strchr(digits, g_ascii_tolower((gchar)c)) : NULL;

        g_assert_cmpint(num_hex_digit((char)c), ==,
                        at && c < 128 ? at - digits : -1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/num/get-dec", test_get_dec);
    g_test_add_func("/base/num/get-hex", test_get_hex);
    g_test_add_func("/base/num/get-signed", test_get_signed);
    g_test_add_func("/base/num/end", test_end);
    g_test_add_func("/base/num/put", test_put);
    g_test_add_func("/base/num/hex-digit", test_hex_digit);
    return g_test_run();
}
