/*
 * trace-output: see trace-output.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/trace-output.h"

#include "common/message.h"
#include "common/translate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

/* How it is written, and with which rights if it is made. */
static int choose_part(TraceOutput *to, const char *path, mode_t *mode)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    struct stat st;

    *mode = 0600;       /* it has the guest's names, as the recording has */
    if (!stat(path, &st)) {
        if (!S_ISREG(st.st_mode) || !realpath(path, to->target)) {
            return flags;
        }
        *mode = st.st_mode & 0777;
    } else if ((size_t)snprintf(to->target, sizeof(to->target), "%s", path) >=
               sizeof(to->target)) {
        return flags;
    }
    snprintf(to->part, sizeof(to->part), "%s.part", to->target);
    return flags;
}

bool trace_output_open(TraceOutput *to, const char *path,
                       const char *recording)
{
    int fd = STDOUT_FILENO;
    mode_t mode;
    int flags;

    to->path = path;
    to->part[0] = '\0';
    if (path && is_same_file(path, recording)) {
        message("%s is the recording itself: give -o another name", path);
        return false;
    }
    if (path) {
        flags = choose_part(to, path, &mode);
        fd = open(*to->part ? to->part : path, flags, mode);
    }
    if (fd < 0) {
        message("cannot create %s: %m", *to->part ? to->part : path);
        return false;
    }
    if (*to->part && fchmod(fd, mode)) {
        message("cannot set the rights of %s: %m", to->part);
    }
    out_init(&to->out, fd);
    return true;
}

bool trace_output_close(TraceOutput *to, bool keep)
{
    Out *out = &to->out;

    out_flush(out);
    if (to->path && close(out->fd) && !out->error) {
        out->error = errno;
    }
    if (*to->part && keep && !out->error && rename(to->part, to->target)) {
        out->error = errno;
    }
    if (*to->part && (!keep || out->error)) {
        unlink(to->part);
    }
    if (out->error) {
        message("cannot write to %s: %s",
                to->path ? to->path : _("standard output"),
                strerror(out->error));
        return false;
    }
    return true;
}

void trace_output_tell_length(const char *recording, uint64_t begin_ns,
                              uint64_t end_ns)
{
    uint64_t ns = end_ns > begin_ns ? end_ns - begin_ns : 0;

    message("%s is %.3f s long: --since leaves nothing of it", recording,
            (double)ns / 1e9);
}
