/*
 * input: see input.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input.h"

#include "common/stop.h"
#include "common/translate.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    IDLE_MS = 200,          /* silence of a pipe after which it is idle */
    FOLLOW_MS = 100,        /* between two looks at a followed file */
    PEEK_MIN = 8,           /* bytes that tell what a file is */
};

const char *input_name(const Input *input)
{
    return strcmp(input->path, "-") ? input->path : _("standard input");
}

static bool io_error(const Input *input, Err *err)
{
    err_set(err, ERR_IO, "%s: %s", input_name(input), strerror(errno));
    return false;
}

/* Remember which file it is that is open. */
static bool identify(Input *input, Err *err)
{
    struct stat st;

    if (fstat(input->fd, &st)) {
        return io_error(input, err);
    }
    input->regular = S_ISREG(st.st_mode);
    input->device = st.st_dev;
    input->inode = st.st_ino;
    input->offset = 0;
    return true;
}

static bool open_file(Input *input, Err *err)
{
    if (!strcmp(input->path, "-")) {
        input->fd = STDIN_FILENO;
        input->follow = false;      /* a pipe is followed anyway */
    } else {
        input->fd = open(input->path, O_RDONLY | O_CLOEXEC);
    }
    return input->fd < 0 ? io_error(input, err) : identify(input, err);
}

/* Whether a pipe has something to read, or its end. */
static bool has_data(const Input *input)
{
    struct pollfd fd = { .fd = input->fd, .events = POLLIN };

    return input->regular || poll(&fd, 1, IDLE_MS) > 0;
}

/* @len: how many at most; receives how many there were */
static InputResult read_bytes(Input *input, char *buf, size_t *len, Err *err)
{
    ssize_t n;

    do {
        if (stop_asked) {
            return INPUT_END;
        }
        if (!has_data(input)) {
            return INPUT_IDLE;
        }
        n = read(input->fd, buf, *len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        io_error(input, err);
        return INPUT_FAILED;
    }
    *len = (size_t)n;
    input->offset += (size_t)n;
    return n ? INPUT_DATA : INPUT_END;
}

/* Following. */

/* Another file has the name now; false while there is none. */
static bool reopen(Input *input)
{
    struct stat st;
    Err err;
    int fd;

    if (stat(input->path, &st) ||
        (st.st_dev == input->device && st.st_ino == input->inode)) {
        return false;
    }
    fd = open(input->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    close(input->fd);
    input->fd = fd;
    return identify(input, &err);
}

static bool was_truncated(Input *input)
{
    struct stat st;

    if (fstat(input->fd, &st) || (uint64_t)st.st_size >= input->offset ||
        lseek(input->fd, 0, SEEK_SET)) {
        return false;
    }
    input->offset = 0;
    return true;
}

/* At the end of a followed file. */
static InputResult wait_for_more(Input *input)
{
    if (was_truncated(input)) {
        warn(WARN_EACH, "%s was truncated: reading it from its start",
             input_name(input));
        return INPUT_RESTART;
    }
    if (reopen(input)) {
        warn(WARN_EACH, "%s is a new file: reading on in it",
             input_name(input));
        return INPUT_RESTART;
    }
    stop_or_sleep_ms(FOLLOW_MS);
    return stop_asked ? INPUT_END : INPUT_IDLE;
}

static InputResult read_plain(Input *input, size_t *len, Err *err)
{
    InputResult result;

    *len = INPUT_BLOCK;
    result = read_bytes(input, input->block, len, err);
    if (result == INPUT_END && input->follow && input->regular &&
        !stop_asked) {
        return wait_for_more(input);
    }
    return result;
}

/* Taking compressed files apart. */

static InputResult unpack_failed(Input *input, const char *what, Err *err)
{
    err_set(err, ERR_FORMAT, "%s: compressed data %s", input_name(input),
            _(what));
    return INPUT_FAILED;
}

/* More behind what is left of the last bytes. */
static InputResult refill(Input *input, Err *err)
{
    UnpackPiece *piece = &input->piece;
    size_t len = INPUT_BLOCK - piece->in_len;
    InputResult result;

    if (piece->in_len) {
        memmove(input->packed, piece->in, piece->in_len);
    }
    piece->in = input->packed;
    result = read_bytes(input, input->packed + piece->in_len, &len, err);
    if (result == INPUT_DATA) {
        piece->in_len += len;
    }
    input->packed_ended = result == INPUT_END;
    return result;
}

/* Behind a member: padding is skipped, other things than a member are told. */
static bool next_member(Input *input)
{
    UnpackPiece *piece = &input->piece;

    if (unpack_next(input->unpack, piece->in, piece->in_len)) {
        input->member_ended = false;
        return true;
    }
    while (piece->in_len && !*piece->in) {
        piece->in++;
        piece->in_len--;
    }
    if (piece->in_len >= UNPACK_HEAD || input->packed_ended) {
        if (unpack_next(input->unpack, piece->in, piece->in_len)) {
            input->member_ended = false;
            return true;
        }
        if (piece->in_len) {
            warn(WARN_EACH, "%s: what stands behind the compressed data is "
                 "left out: it is not compressed alike", input_name(input));
        }
        piece->in_len = 0;
        input->packed_ended = true;
    }
    return false;
}

static InputResult read_packed(Input *input, size_t *len, Err *err)
{
    UnpackPiece *piece = &input->piece;
    InputResult result;
    UnpackResult status;

    piece->out = input->block;
    piece->out_len = INPUT_BLOCK;
    for (;;) {
        if (!input->member_ended || next_member(input)) {
            status = unpack_step(input->unpack, piece);
            input->member_ended = status == UNPACK_MEMBER_END;
            *len = INPUT_BLOCK - piece->out_len;
            if (*len) {
                return INPUT_DATA;
            }
            if (status == UNPACK_DAMAGED) {
                return unpack_failed(input, N_("is damaged"), err);
            }
        }
        if (input->packed_ended && (input->member_ended || !piece->in_len)) {
            return input->member_ended ? INPUT_END :
                   unpack_failed(input, N_("ends early"), err);
        }
        if (!piece->in_len || input->member_ended) {
            result = refill(input, err);
            if (result != INPUT_DATA && result != INPUT_END) {
                return result;
            }
            if (stop_asked) {
                return INPUT_END;
            }
        }
    }
}

static bool begin_packed(Input *input, Err *err)
{
    InputResult result;

    if (input->follow) {
        err_set(err, ERR_USAGE, "%s: a compressed log cannot be followed",
                input_name(input));
        return false;
    }
    input->unpack = unpack_new(input->block, input->block_len,
                               input_name(input), err);
    if (!input->unpack) {
        return false;
    }
    memcpy(input->packed, input->block, input->block_len);
    input->piece.in = input->packed;
    input->piece.in_len = input->block_len;
    do {
        result = read_packed(input, &input->block_len, err);
    } while (result == INPUT_IDLE);
    if (result != INPUT_DATA) {
        input->block_len = 0;
    }
    return result != INPUT_FAILED;
}

/* Opening. */

/* At least enough bytes to tell what it is, if there are so many. */
static bool read_first(Input *input, Err *err)
{
    InputResult result = INPUT_DATA;
    size_t len;

    while (input->block_len < PEEK_MIN && result != INPUT_END) {
        len = INPUT_BLOCK - input->block_len;
        result = read_bytes(input, input->block + input->block_len, &len, err);
        if (result == INPUT_FAILED) {
            return false;
        }
        if (result == INPUT_DATA) {
            input->block_len += len;
        }
    }
    return true;
}

static bool begin(Input *input, Err *err)
{
    if (!open_file(input, err) || !read_first(input, err)) {
        return false;
    }
    if (unpack_is_packed(input->block, input->block_len) &&
        !begin_packed(input, err)) {
        return false;
    }
    input->peeked = input->block_len > 0;
    return true;
}

Input *input_new(const char *path, bool follow, Err *err)
{
    Input *input = calloc(1, sizeof(*input));

    if (!input) {
        die_no_memory();
    }
    input->path = path;
    input->follow = follow;
    input->fd = -1;
    if (!begin(input, err)) {
        input_free(input);
        return NULL;
    }
    return input;
}

void input_free(Input *input)
{
    if (!input) {
        return;
    }
    unpack_free(input->unpack);
    if (input->fd > STDIN_FILENO) {
        close(input->fd);
    }
    free(input);
}

const char *input_peek(const Input *input, size_t *len)
{
    *len = input->block_len;
    return input->block;
}

InputResult input_read(Input *input, const char **data, size_t *len,
                       Err *err)
{
    *data = input->block;
    if (input->peeked) {
        input->peeked = false;
        *len = input->block_len;
        return INPUT_DATA;
    }
    if (stop_asked) {
        return INPUT_END;
    }
    return input->unpack ? read_packed(input, len, err)
                         : read_plain(input, len, err);
}
