/*
 * base/num: numbers from and to text, fast and without a locale.
 *
 * The text log's inner loops live on these; printf and strtoul would cost
 * more than all the rest.  What surrounds a number is the caller's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_NUM_H
#define VMSCOPE_BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

/* A sum, or the greatest number if that is beyond 64 bits. */
static inline uint64_t num_add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Room that num_put_*() may write to, whatever the number. */
enum { NUM_PUT_MAX = 24 };

/**
 * num_put_dec - write a number in decimal
 * @p: receives the digits, no NUL; NUM_PUT_MAX bytes must be writable
 * @value: the number
 *
 * Context: any thread; allocates nothing, as all in this file.
 *
 * Returns: the byte behind the last digit
 */
char *num_put_dec(char *p, uint64_t value);
char *num_put_signed(char *p, int64_t value);

/**
 * num_put_hex - write a number in hexadecimal, "0x" first
 *
 * Arguments and result as for num_put_dec().
 */
char *num_put_hex(char *p, uint64_t value);

/**
 * num_get_dec - read a decimal number
 * @p: where it begins; receives where it ended
 * @end: behind the last byte that may be read
 * @value: receives the number
 *
 * Returns: false when there is no digit or the number exceeds 64 bits; then
 * nothing is written
 */
bool num_get_dec(const char **p, const char *end, uint64_t *value);
bool num_get_signed(const char **p, const char *end, int64_t *value);

/**
 * num_get_hex - read a hexadecimal number that begins with "0x"
 *
 * Arguments and result as for num_get_dec().
 */
bool num_get_hex(const char **p, const char *end, uint64_t *value);

/**
 * num_hex_digit - what a hexadecimal digit stands for
 * @c: the digit, in either case
 *
 * Returns: 0 to 15, or -1 when it is none
 */
int num_hex_digit(char c);

#endif
