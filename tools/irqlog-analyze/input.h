/*
 * input: the bytes of a log, from a file, a growing file or a pipe.
 *
 * Takes compressed files apart, waits for more where more may come, and
 * notices when a followed file was rotated or truncated.  What the bytes mean
 * is for others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_INPUT_H
#define IRQLOG_ANALYZE_INPUT_H

#include "base/err.h"
#include "unpack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { INPUT_BLOCK = 256 * 1024 };

/* What a read came to. */
typedef enum InputResult {
    INPUT_DATA,
    INPUT_IDLE,         /* nothing for a while; more may come */
    INPUT_RESTART,      /* a followed file begins again; then as before */
    INPUT_END,
    INPUT_FAILED,       /* the error says why */
} InputResult;

typedef struct Input {
    const char *path;       /* "-": standard input */
    int fd;
    bool regular;
    bool follow;
    bool member_ended;      /* between two members, or behind the last */
    bool packed_ended;      /* there is no more behind @piece */
    bool peeked;            /* @block holds what was not handed out yet */
    uint64_t offset;        /* bytes read from a regular file */
    dev_t device;           /* which file that is */
    ino_t inode;
    Unpack *unpack;         /* NULL: not compressed */
    UnpackPiece piece;      /* what is left of @packed, and room in @block */
    size_t block_len;
    char block[INPUT_BLOCK];
    char packed[INPUT_BLOCK];
} Input;

/**
 * input_new - open a log
 * @path: borrowed; "-" is standard input
 * @follow: wait for more at the end of a regular file
 * @err: says why it cannot be read
 *
 * Returns: freed with input_free(); NULL when it cannot be read
 */
Input *input_new(const char *path, bool follow, Err *err);
void input_free(Input *input);

/**
 * input_peek - look at the first bytes
 * @len: receives how many there are
 *
 * Returns: the bytes of the first block, which is read again later
 */
const char *input_peek(const Input *input, size_t *len);

/**
 * input_read - get the next bytes
 * @data: receives a pointer to them, good until the next call
 * @len: receives how many
 *
 * A signal that set stop_asked ends the input.
 */
InputResult input_read(Input *input, const char **data, size_t *len,
                       Err *err);

/* What messages call it. */
const char *input_name(const Input *input);

#endif
