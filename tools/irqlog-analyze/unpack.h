/*
 * unpack: logs that were compressed with gzip, xz or zstd.
 *
 * One interface to the three libraries, for data that comes in pieces.  A
 * member is what begins with the method's first bytes and says itself where
 * it ends; several may stand behind each other.  Where bytes come from is
 * input.c's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_UNPACK_H
#define IRQLOG_ANALYZE_UNPACK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that surely tell whether a member begins. */
enum { UNPACK_HEAD = 6 };

typedef struct Unpack Unpack;

/* What is to be unpacked and where to; both move on. */
typedef struct UnpackPiece {
    const char *in;
    size_t in_len;
    char *out;
    size_t out_len;
} UnpackPiece;

typedef enum UnpackResult {
    UNPACK_MORE,        /* @in is used up, or @out is full */
    UNPACK_MEMBER_END,
    UNPACK_DAMAGED,
} UnpackResult;

/* Whether bytes begin a member of one of the methods. */
bool unpack_is_packed(const char *data, size_t len);

/**
 * unpack_new - begin with the first member
 * @data: its first bytes, for which unpack_is_packed() holds; not used up
 * @name: what the error calls the input
 *
 * Returns: freed with unpack_free(); NULL, with a sentence, when this build
 * knows no such method or there is no memory
 */
Unpack *unpack_new(const char *data, size_t len, const char *name, Err *err);
void unpack_free(Unpack *unpack);

/**
 * unpack_next - go on to the next member
 *
 * Returns: false when these bytes do not begin one of the same method
 */
bool unpack_next(Unpack *unpack, const char *data, size_t len);

UnpackResult unpack_step(Unpack *unpack, UnpackPiece *piece);

#endif
