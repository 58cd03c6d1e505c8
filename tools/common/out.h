/*
 * out: standard output, buffered, with its first failure remembered.
 *
 * Views write without looking back; the main loop asks out_failed().  What a
 * failure means for the exit code is main.c's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_OUT_H
#define VMSCOPE_COMMON_OUT_H

#include "base/safe-text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Out {
    int fd;
    int error;          /* errno of the first write that failed; 0: none */
    size_t used;
    char buf[1 << 16];
} Out;

void out_init(Out *out, int fd);
void out_bytes(Out *out, const char *bytes, size_t len);
void out_text(Out *out, const char *text);
void out_char(Out *out, char c);
void out_dec(Out *out, uint64_t value);
void out_signed(Out *out, int64_t value);
void out_hex(Out *out, uint64_t value);

/* For what is not written once an event. */
void out_printf(Out *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * out_name - write text that may hold anything, harmless where it goes
 * @to: what is around it; quotes are the caller's
 *
 * See base/safe-text.h.
 */
void out_name(Out *out, SafeFor to, const char *text);

/* The same, for people. */
void out_safe(Out *out, const char *text);

/**
 * out_raw_names - from now on names are written as they are
 *
 * Only what the syntax around them needs is still escaped.  For the whole
 * program, by who reads its command line.
 */
void out_raw_names(void);
bool out_names_are_raw(void);

bool out_flush(Out *out);
bool out_failed(const Out *out);

/**
 * out_finish - write what is left to standard output
 *
 * Returns: false when anything could not be written, and has said so; a reader
 * that has gone, as head does, is no failure
 */
bool out_finish(Out *out);

#endif
