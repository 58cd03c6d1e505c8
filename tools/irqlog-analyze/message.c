/*
 * message: see message.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "message.h"

#include <stdbool.h>

void warn(WarnCause cause, const char *fmt, ...)
{
    static bool given[WARN_COUNT];
    va_list ap;

    if (cause != WARN_EACH && given[cause]) {
        return;
    }
    given[cause] = true;
    va_start(ap, fmt);
    message_va(fmt, ap);
    va_end(ap);
}
