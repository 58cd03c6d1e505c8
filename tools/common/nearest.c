/*
 * nearest: see nearest.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/nearest.h"

#include <string.h>

enum { LETTERS_MAX = 32, DISTANCE_MAX = 2 };

void nearest_begin(Nearest *nearest, const char *given, size_t len)
{
    *nearest = (Nearest) { given, len, NULL, DISTANCE_MAX + 1 };
    if (len / 3 < DISTANCE_MAX) {
        nearest->distance = (unsigned)(len / 3) + 1;
    }
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/*
 * How many letters differ: the optimal string alignment distance, row by row
 * of the first word.
 */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][LETTERS_MAX + 1];
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *now = rows[2];
    unsigned *free;
    size_t i;
    size_t k;

    for (k = 0; k <= m; k++) {
        last[k] = (unsigned)k;
    }
    for (i = 1; i <= n; i++) {
        now[0] = (unsigned)i;
        for (k = 1; k <= m; k++) {
            now[k] = least(least(last[k], now[k - 1]) + 1,
                           last[k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
                a[i - 2] == b[k - 1]) {
                now[k] = least(now[k], before[k - 2] + 1);
            }
        }
        free = before;
        before = last;
        last = now;
        now = free;
    }
    return last[m];
}

void nearest_try(Nearest *nearest, const char *word)
{
    size_t len = strlen(word);
    unsigned found;

    if (len > LETTERS_MAX || nearest->len > LETTERS_MAX) {
        return;
    }
    found = distance(nearest->given, nearest->len, word, len);
    if (found < nearest->distance) {
        nearest->distance = found;
        nearest->word = word;
    }
}
