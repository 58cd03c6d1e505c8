/*
 * message: see message.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/message.h"

#include "base/safe-text.h"
#include "common/translate.h"

#include <stdio.h>
#include <stdlib.h>

static const char *program = "vmscope";

void message_begin(const char *name)
{
    program = name;
}

void message_va(const char *fmt, va_list ap)
{
    char text[2048];
    char safe[sizeof(text) * SAFE_GROWTH];

    vsnprintf(text, sizeof(text), gettext(fmt), ap);
    safe_copy(SAFE_FOR_TEXT, text, safe, sizeof(safe));
    fprintf(stderr, "%s: %s\n", program, safe);
}

void message(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    message_va(fmt, ap);
    va_end(ap);
}

void die_no_memory(void)
{
    message("out of memory");
    exit(1);
}
