/*
 * base/err: one error code and one sentence, on the caller's stack.
 *
 * The callee sets it, callers prefix where they were, and whoever handles it
 * decides whether to print.  Nothing in the core prints or ends the process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_ERR_H
#define VMSCOPE_BASE_ERR_H

#include <stddef.h>

typedef enum ErrCode {
    ERR_NONE = 0,
    ERR_USAGE,      /* the caller's argument is wrong */
    ERR_IO,         /* the host's file or system call failed */
    ERR_FORMAT,     /* input is not what it claims to be */
    ERR_VERSION,    /* input is of a newer format than this reader knows */
    ERR_FAULT,      /* guest memory is not there */
    ERR_NOMEM,      /* the host has no memory left */
} ErrCode;

typedef struct Err {
    ErrCode code;
    char text[512];     /* a sentence, NUL-terminated, cut when too long */
} Err;

/*
 * Gives a format's translation, or the format: the formats of both functions
 * below go through it.  NULL, as at first: all stay as they are.  Set by a
 * program for people before it has threads; not by QEMU.
 */
extern const char *(*err_translate)(const char *fmt);

/**
 * err_set - say what went wrong
 * @err: receives code and sentence; NULL is allowed and does nothing
 * @code: the class of failure, for the program
 * @fmt: printf format of the sentence, for the person
 *
 * Context: any thread; allocates nothing.
 */
void err_set(Err *err, ErrCode code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * err_prefix - put words in front of the sentence already there
 * @err: an error that was set; NULL is allowed and does nothing
 * @fmt: printf format of the words, usually ending in ": "
 *
 * Context: any thread; allocates nothing.
 */
void err_prefix(Err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
