/*
 * message: see message.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "message.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void warn(WarnCause cause, const char *fmt, ...)
{
    static bool given[WARN_COUNT];
    va_list ap;

    if (cause != WARN_EACH && given[cause]) {
        return;
    }
    given[cause] = true;
    fputs("irqlog-analyze: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void die_no_memory(void)
{
    fputs("irqlog-analyze: out of memory\n", stderr);
    exit(1);
}
