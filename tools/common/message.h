/*
 * message: what is said to the person, on standard error.
 *
 * Data goes to standard output, see out.h; what a message means for the exit
 * code is for whoever gives it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_MESSAGE_H
#define VMSCOPE_COMMON_MESSAGE_H

#include <stdarg.h>

/**
 * message_begin - the name that stands in front of every message
 * @name: of the program or subcommand; borrowed for good
 */
void message_begin(const char *name);

/**
 * message - say a sentence, on a line of its own
 *
 * Bytes below 0x20 and 0x7f become "?", so that a name in it can neither
 * break the line nor command a terminal.
 */
void message(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void message_va(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));

/* Say so, and end the program with exit code 1. */
_Noreturn void die_no_memory(void);

#endif
