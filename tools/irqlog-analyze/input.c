/*
 * input: see input.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input.h"

#include "common/stop.h"
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
    return strcmp(input->path, "-") ? input->path : "standard input";
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

/* Taking gzip apart. */

static InputResult unzip_failed(Input *input, const char *what, Err *err)
{
    err_set(err, ERR_FORMAT, "%s: compressed data %s", input_name(input),
            what);
    return INPUT_FAILED;
}

static InputResult refill(Input *input, Err *err)
{
    size_t len = INPUT_BLOCK;
    InputResult result = read_bytes(input, input->packed, &len, err);

    if (result == INPUT_DATA) {
        input->zip.next_in = (Bytef *)input->packed;
        input->zip.avail_in = (uInt)len;
    } else if (result == INPUT_END && !input->zip_ended && !stop_asked) {
        return unzip_failed(input, "ends early", err);
    }
    return result;
}

/* Behind one member there may be another. */
static bool next_member(Input *input)
{
    if (input->zip_ended) {
        if (*input->zip.next_in != 0x1f || inflateReset(&input->zip) != Z_OK) {
            return false;
        }
        input->zip_ended = false;
    }
    return true;
}

static InputResult read_zipped(Input *input, size_t *len, Err *err)
{
    InputResult result;
    int status;

    input->zip.next_out = (Bytef *)input->block;
    input->zip.avail_out = INPUT_BLOCK;
    do {
        if (!input->zip.avail_in) {
            result = refill(input, err);
            if (result != INPUT_DATA) {
                return result;
            }
        }
        if (!next_member(input)) {
            return INPUT_END;
        }
        status = inflate(&input->zip, Z_NO_FLUSH);
        input->zip_ended = status == Z_STREAM_END;
        *len = INPUT_BLOCK - input->zip.avail_out;
        if (status != Z_OK && status != Z_STREAM_END && !*len) {
            return unzip_failed(input, "is damaged", err);
        }
    } while (!*len);
    return INPUT_DATA;
}

static bool begin_zipped(Input *input, Err *err)
{
    memcpy(input->packed, input->block, input->block_len);
    input->zip.next_in = (Bytef *)input->packed;
    input->zip.avail_in = (uInt)input->block_len;
    if (inflateInit2(&input->zip, 15 + 16) != Z_OK) {
        unzip_failed(input, "cannot be read: out of memory", err);
        return false;
    }
    input->zipped = true;
    return true;
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
    InputResult result;

    if (!open_file(input, err) || !read_first(input, err)) {
        return false;
    }
    if (input->block_len >= 2 && !memcmp(input->block, "\x1f\x8b", 2)) {
        if (input->follow) {
            err_set(err, ERR_USAGE, "%s: a compressed log cannot be followed",
                    input_name(input));
            return false;
        }
        if (!begin_zipped(input, err)) {
            return false;
        }
        do {
            result = read_zipped(input, &input->block_len, err);
        } while (result == INPUT_IDLE);
        if (result != INPUT_DATA) {
            input->block_len = 0;
            return result != INPUT_FAILED;
        }
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
    if (input->zipped) {
        inflateEnd(&input->zip);
    }
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
    return input->zipped ? read_zipped(input, len, err)
                         : read_plain(input, len, err);
}
