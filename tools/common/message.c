/*
 * message: see message.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/message.h"

#include <stdio.h>
#include <stdlib.h>

static const char *program = "vmscope";

void message_begin(const char *name)
{
    program = name;
}

static void make_harmless(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

void message_va(const char *fmt, va_list ap)
{
    char text[2048];

    vsnprintf(text, sizeof(text), fmt, ap);
    make_harmless(text);
    fprintf(stderr, "%s: %s\n", program, text);
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
