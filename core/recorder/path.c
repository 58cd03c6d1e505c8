/*
 * recorder/path: see path.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* renameat2() */
#endif

#include "recorder/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

const char *path_type(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "a regular file";
    case S_IFDIR:
        return "a directory";
    case S_IFLNK:
        return "a symbolic link";
    case S_IFBLK:
        return "a block device";
    case S_IFCHR:
        return "a character device";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    default:
        return "no file";
    }
}

int path_find(const char *what, const char *path, struct stat *st, Err *err)
{
    if (lstat(path, st) == 0) {
        return 1;
    }
    if (errno == ENOENT) {
        return 0;
    }
    err_set(err, ERR_IO, "%s '%s': %s", what, path, strerror(errno));
    return -1;
}

int path_open(const char *what, const char *path, int flags,
              const struct stat *st, Err *err)
{
    struct stat opened;
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) {
        err_set(err, ERR_IO, "%s '%s' cannot be opened: %s", what, path,
                strerror(errno));
        return -1;
    }
    if (fstat(fd, &opened) || !path_is_same(&opened, st)) {
        err_set(err, ERR_IO, "%s '%s' is being replaced by somebody else",
                what, path);
        close(fd);
        return -1;
    }
    return fd;
}

int path_create(const char *what, const char *path, int flags, Err *err)
{
    int fd = open(path, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  0600);

    if (fd < 0) {
        err_set(err, ERR_IO, "%s '%s' cannot be created: %s", what, path,
                strerror(errno));
    }
    return fd;
}

bool path_lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool path_is_locked(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        flock(fd, LOCK_UN);
        return false;
    }
    return errno == EWOULDBLOCK;
}

bool path_rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return false;
    }
    /* A file system that cannot: a second name, then without the first. */
    return link(from, to) == 0 && unlink(from) == 0;
}

bool path_exchange(const char *one, const char *other)
{
    if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0) {
        return true;
    }
    if (errno == ENOSYS) {
        errno = EINVAL;
    }
    return false;
}
