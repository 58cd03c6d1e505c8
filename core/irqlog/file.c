/*
 * irqlog/file: see file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/file.h"

#include "recorder/file.h"
#include "recorder/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define WHAT IRQLOG_FILE

/* How much of a file is looked at to see whether it is a log. */
#define LOOK_SIZE (64 * 1024)

#define LINE_BEGIN "irq-log: "

/* Does a line of ours stand in the first bytes, and nothing but text? */
static bool file_is_log(const char *bytes, size_t size)
{
    const char *at = bytes;
    const char *end = bytes + size;

    if (memchr(bytes, '\0', size)) {
        return false;
    }
    while (at && end - at >= (ptrdiff_t)strlen(LINE_BEGIN)) {
        if (!memcmp(at, LINE_BEGIN, strlen(LINE_BEGIN))) {
            return true;
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    return false;
}

/* @empty_too: a file without anything in it is as good. */
static bool file_judge_content(const char *path, const char *bytes,
                               size_t size, bool empty_too, Err *err)
{
    if ((size == 0 && empty_too) || file_is_log(bytes, size)) {
        return true;
    }
    err_set(err, ERR_USAGE, "%s '%s' exists and is %s; choose another name", WHAT,
            path,
            size == 0 ? "an empty file of somebody's" :
            size >= 8 && !memcmp(bytes, EVRING_MAGIC, 8) ?
            "a ring file, not a text log" :
            "neither empty nor an IRQ log");
    return false;
}

static bool file_check_content(const char *path, int fd, bool empty_too,
                               Err *err)
{
    char *bytes = malloc(LOOK_SIZE);
    ssize_t size = bytes ? pread(fd, bytes, LOOK_SIZE, 0) : -1;
    bool ok = false;

    if (size < 0) {
        err_set(err, ERR_IO, "%s '%s' cannot be read: %s", WHAT, path,
                strerror(bytes ? errno : ENOMEM));
    } else {
        ok = file_judge_content(path, bytes, (size_t)size, empty_too, err);
    }
    free(bytes);
    return ok;
}

static bool file_take_lock(IrqlogFile *file, const char *path, Err *err)
{
    if (file->regular && !path_lock(file->fd)) {
        err_set(err, ERR_USAGE, "%s '%s' is being written by another QEMU; "
                "choose another name", WHAT, path);
        return false;
    }
    return true;
}

static bool file_is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static bool file_open_existing(IrqlogFile *file, const char *path,
                               const struct stat *st, Err *err)
{
    if (!S_ISREG(st->st_mode) && !S_ISFIFO(st->st_mode) &&
        !S_ISCHR(st->st_mode)) {
        err_set(err, ERR_USAGE, "%s '%s' is %s; choose another name", WHAT, path,
                path_type(st->st_mode));
        return false;
    }
    file->regular = S_ISREG(st->st_mode);
    file->fd = path_open(WHAT, path,
                         O_APPEND | (file->regular ? O_RDWR : O_WRONLY), st,
                         err);
    if (file->fd < 0) {
        return false;
    }
    if (S_ISCHR(st->st_mode) && !isatty(file->fd) &&
        !file_is_null_device(st)) {
        err_set(err, ERR_USAGE, "%s '%s' is a device; choose another name",
                WHAT, path);
        return false;
    }
    return (!file->regular || file_check_content(path, file->fd, true, err)) &&
           file_take_lock(file, path, err);
}

static bool file_open_new(IrqlogFile *file, const char *path, Err *err)
{
    file->fd = path_create(WHAT, path, O_RDWR | O_APPEND | O_NONBLOCK, err);
    if (file->fd < 0) {
        return false;
    }
    file->regular = true;
    file->created = true;
    return file_take_lock(file, path, err);
}

bool irqlog_file_take(IrqlogFile *file, const char *path, Err *err)
{
    struct stat st;

    file->regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
    if (file->regular && (fcntl(file->fd, F_GETFL) & O_ACCMODE) == O_RDWR &&
        !file_check_content(path, file->fd, true, err)) {
        return false;
    }
    if (!file_take_lock(file, path, err)) {
        return false;
    }
    file->size = file->regular ? (uint64_t)st.st_size : 0;
    return true;
}

bool irqlog_file_has_name(const IrqlogFile *file, const char *path)
{
    struct stat named;
    struct stat opened;

    return lstat(path, &named) == 0 && fstat(file->fd, &opened) == 0 &&
           path_is_same(&named, &opened);
}

bool irqlog_file_is_same(const IrqlogFile *a, const IrqlogFile *b)
{
    struct stat x;
    struct stat y;

    return fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 &&
           path_is_same(&x, &y);
}

/* The name it has once it is full.  Returns: false when that is too long. */
static bool file_old_name(const char *path, char *old, size_t size, Err *err)
{
    if ((size_t)snprintf(old, size, "%s.old", path) < size) {
        return true;
    }
    err_set(err, ERR_USAGE, "%s '%s': %s", WHAT, path, strerror(ENAMETOOLONG));
    return false;
}

/*
 * ".old" is replaced when it is a log, and nothing else is.
 * @mine: what is being written, or NULL; somebody may have renamed it so
 */
static bool file_old_is_free(const char *old, const IrqlogFile *mine, Err *err)
{
    struct stat st;
    int there = path_find(WHAT, old, &st, err);
    bool ok;
    int fd;

    if (there <= 0) {
        return there == 0;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_USAGE, "'%s' is %s", old, path_type(st.st_mode));
        return false;
    }
    fd = path_open(WHAT, old, O_RDONLY, &st, err);
    if (fd < 0) {
        return false;
    }
    ok = file_check_content(old, fd, false, err);
    if (ok && !(mine && irqlog_file_has_name(mine, old)) &&
        path_is_locked(fd)) {
        err_set(err, ERR_USAGE, "'%s' is being written by another QEMU", old);
        ok = false;
    }
    close(fd);
    return ok;
}

static bool file_check_old_name(const char *path, const char *old,
                                const IrqlogFile *mine, Err *err)
{
    if (file_old_is_free(old, mine, err)) {
        return true;
    }
    err_prefix(err, "%s '%s' would be renamed to '%s' at its limit: ", WHAT,
               path, old);
    return false;
}

static bool file_open_named(IrqlogFile *file, const char *path,
                            const IrqlogFile *mine, Err *err)
{
    char old[PATH_MAX];
    struct stat st;
    int there;

    if (!file_old_name(path, old, sizeof(old), err)) {
        return false;
    }
    there = path_find(WHAT, path, &st, err);
    if (there < 0 ||
        !(there ? file_open_existing(file, path, &st, err) :
                  file_open_new(file, path, err))) {
        return false;
    }
    file->rotates = file->regular;
    if (file->rotates && !file_check_old_name(path, old, mine, err)) {
        return false;
    }
    file->size = file->regular && fstat(file->fd, &st) == 0 ?
                 (uint64_t)st.st_size : 0;
    return true;
}

bool irqlog_file_open(IrqlogFile *file, const char *path,
                      const IrqlogFile *mine, Err *err)
{
    *file = (IrqlogFile){ .fd = -1 };
    if (!file_open_named(file, path, mine, err)) {
        irqlog_file_abandon(file, path);
        return false;
    }
    return true;
}

void irqlog_file_close(IrqlogFile *file)
{
    if (file->fd >= 0) {
        (file->close ? file->close : close)(file->fd);
    }
    file->fd = -1;
}

void irqlog_file_abandon(IrqlogFile *file, const char *path)
{
    struct stat st;

    if (file->created && irqlog_file_has_name(file, path) &&
        fstat(file->fd, &st) == 0 && st.st_size == 0) {
        unlink(path);
    }
    irqlog_file_close(file);
}

static bool file_move_away(const char *path, Err *err)
{
    char old[PATH_MAX];

    if (!file_old_name(path, old, sizeof(old), err)) {
        return false;
    }
    if (path_rename_new(path, old)) {
        return true;
    }
    if (errno == EEXIST) {
        if (!file_check_old_name(path, old, NULL, err)) {
            return false;
        }
        if (rename(path, old) == 0) {
            return true;
        }
    }
    err_set(err, ERR_IO, "%s '%s' cannot be renamed to '%s' at its limit: "
            "%s", WHAT, path, old, strerror(errno));
    return false;
}

bool irqlog_file_rotate(IrqlogFile *file, const char *path, Err *err)
{
    IrqlogFile next = { .fd = -1 };

    if (!irqlog_file_has_name(file, path)) {
        /* Somebody else renamed it. */
        if (!irqlog_file_open(&next, path, file, err)) {
            return false;
        }
    } else if (!file_move_away(path, err) ||
               !file_open_new(&next, path, err)) {
        irqlog_file_close(&next);
        return false;
    }
    next.rotates = next.regular;
    irqlog_file_close(file);
    *file = next;
    return true;
}
