/*
 * trace-output: see trace-output.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "trace-output.h"

#include "common/message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;

    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

bool trace_output_open(Out *out, const char *path, const char *recording)
{
    int fd = STDOUT_FILENO;

    if (path && is_same_file(path, recording)) {
        message("%s is the recording itself: give -o another name", path);
        return false;
    }
    if (path) {
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (fd < 0) {
        message("cannot create %s: %m", path);
        return false;
    }
    out_init(out, fd);
    return true;
}

bool trace_output_close(Out *out, const char *path)
{
    out_flush(out);
    if (path && close(out->fd) && !out->error) {
        out->error = errno;
    }
    if (out->error) {
        message("cannot write to %s: %s", path ? path : "standard output",
                strerror(out->error));
        return false;
    }
    return true;
}
