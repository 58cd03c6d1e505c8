/*
 * IRQ log: the file that text goes to
 *
 * Text is appended to what is a log already, or to a new file; to a FIFO or a
 * terminal; or to QEMU's own log.  A file of ours that reached its limit gets
 * ".old" added to its name.  What is written, and when, is irq-log-text.c's
 * business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/sysmacros.h>
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "recorder/file.h"
#include "../../file.h"
#include "../../irq-log.h"

#define WHAT "log-file"

/* How much of a file is looked at to see whether it is a log. */
#define LOOK_SIZE (64 * KiB)

#define LINE_BEGIN "irq-log: "

/* Does a line of ours stand in the first bytes, and nothing but text? */
static bool irq_file_is_log(const char *bytes, size_t size)
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
        at = memchr(at, '\n', end - at);
        at = at ? at + 1 : NULL;
    }
    return false;
}

/* @empty_too: a file without anything in it is as good. */
static bool irq_file_check_content(const char *path, int fd, bool empty_too,
                                   Error **errp)
{
    g_autofree char *bytes = g_malloc(LOOK_SIZE);
    ssize_t size = pread(fd, bytes, LOOK_SIZE, 0);

    if (size < 0) {
        error_setg_errno(errp, errno, WHAT " '%s' cannot be read", path);
        return false;
    }
    if ((size == 0 && empty_too) || irq_file_is_log(bytes, size)) {
        return true;
    }
    error_setg(errp, WHAT " '%s' exists and is %s; choose another name", path,
               size == 0 ? "an empty file of somebody's" :
               size >= 8 && !memcmp(bytes, EVRING_MAGIC, 8) ?
               "a ring file, not a text log" :
               "neither empty nor an IRQ log");
    return false;
}

static bool irq_file_take_lock(IrqLogFile *file, const char *path, Error **errp)
{
    if (file->regular && !path_lock(file->fd)) {
        error_setg(errp, WHAT " '%s' is being written by another QEMU; choose "
                   "another name", path);
        return false;
    }
    return true;
}

static bool irq_file_is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static bool irq_file_open_existing(IrqLogFile *file, const char *path,
                                   const struct stat *st, Error **errp)
{
    Err err;

    if (!S_ISREG(st->st_mode) && !S_ISFIFO(st->st_mode) &&
        !S_ISCHR(st->st_mode)) {
        error_setg(errp, WHAT " '%s' is %s; choose another name", path,
                   path_type(st->st_mode));
        return false;
    }
    file->regular = S_ISREG(st->st_mode);
    file->fd = path_open(WHAT, path,
                         O_APPEND | (file->regular ? O_RDWR : O_WRONLY), st,
                         &err);
    if (file->fd < 0) {
        return vmscope_error(&err, errp);
    }
    if (S_ISCHR(st->st_mode) && !isatty(file->fd) &&
        !irq_file_is_null_device(st)) {
        error_setg(errp, WHAT " '%s' is a device; choose another name", path);
        return false;
    }
    return (!file->regular ||
            irq_file_check_content(path, file->fd, true, errp)) &&
           irq_file_take_lock(file, path, errp);
}

static bool irq_file_open_new(IrqLogFile *file, const char *path, Error **errp)
{
    Err err;

    file->fd = path_create(WHAT, path, O_RDWR | O_APPEND | O_NONBLOCK, &err);
    if (file->fd < 0) {
        return vmscope_error(&err, errp);
    }
    file->regular = true;
    file->created = true;
    return irq_file_take_lock(file, path, errp);
}

/* What can be read of it is looked at; whoever passed it may not read. */
static bool irq_file_open_fdset(IrqLogFile *file, const char *path,
                                Error **errp)
{
    struct stat st;

    file->fd = qemu_open(path, O_WRONLY | O_APPEND | O_NONBLOCK, NULL);
    if (file->fd < 0) {
        file->fd = qemu_open(path, O_RDWR | O_APPEND | O_NONBLOCK, errp);
        error_prepend(errp, WHAT ": ");
    }
    if (file->fd < 0) {
        return false;
    }
    file->regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
    if (file->regular &&
        (fcntl(file->fd, F_GETFL) & O_ACCMODE) == O_RDWR &&
        !irq_file_check_content(path, file->fd, true, errp)) {
        return false;
    }
    return irq_file_take_lock(file, path, errp);
}

/* Is this still what stands under the name? */
static bool irq_file_has_name(const IrqLogFile *file, const char *path)
{
    struct stat named;
    struct stat opened;

    return lstat(path, &named) == 0 && fstat(file->fd, &opened) == 0 &&
           path_is_same(&named, &opened);
}

/*
 * ".old" is replaced when it is a log, and nothing else is.
 * @mine: what is being written, or NULL; somebody may have renamed it so
 */
static bool irq_file_check_old_name(const char *path, const char *old,
                                    const IrqLogFile *mine, Error **errp)
{
    Error *err = NULL;
    Err why;
    struct stat st;
    int there = path_find(WHAT, old, &st, &why);
    bool ok = there == 0;
    int fd = -1;

    if (there < 0) {
        vmscope_error(&why, &err);
    } else if (there == 1 && !S_ISREG(st.st_mode)) {
        error_setg(&err, "'%s' is %s", old, path_type(st.st_mode));
    } else if (there == 1) {
        fd = path_open(WHAT, old, O_RDONLY, &st, &why);
        ok = fd >= 0 ? irq_file_check_content(old, fd, false, &err) :
                       vmscope_error(&why, &err);
    }
    if (ok && fd >= 0 && !(mine && irq_file_has_name(mine, old)) &&
        path_is_locked(fd)) {
        error_setg(&err, "'%s' is being written by another QEMU", old);
        ok = false;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!ok) {
        error_propagate_prepend(errp, err, WHAT " '%s' would be renamed to "
                                "'%s' at its limit: ", path, old);
    }
    return ok;
}

static bool irq_file_open_named(IrqLogFile *file, const char *path,
                                const IrqLogFile *mine, Error **errp)
{
    g_autofree char *old = g_strconcat(path, ".old", NULL);
    struct stat st;
    Err err;
    int there;

    if (vmscope_file_is_fdset(path)) {
        return irq_file_open_fdset(file, path, errp);
    }
    there = path_find(WHAT, path, &st, &err);
    if (there < 0) {
        return vmscope_error(&err, errp);
    }
    if (!(there ? irq_file_open_existing(file, path, &st, errp) :
                  irq_file_open_new(file, path, errp))) {
        return false;
    }
    file->rotates = file->regular;
    return !file->rotates || irq_file_check_old_name(path, old, mine, errp);
}

/* Also of a QEMU that runs in the background: -D then is its stderr. */
static bool irq_file_is_file(FILE *log)
{
    struct stat st;

    return (log != stderr || is_daemonized()) &&
           fstat(fileno(log), &st) == 0 && S_ISREG(st.st_mode);
}

bool irq_log_qemu_log_is_file(void)
{
    FILE *log = qemu_log_trylock();
    bool probed = false;
    bool file;

#ifndef CONFIG_TRACE_LOG
    if (!log && !qemu_loglevel) {
        /* -D may name a file that is opened when there is something to log. */
        probed = qemu_set_log(LOG_TRACE, NULL);
        log = qemu_log_trylock();
    }
#endif
    file = log && irq_file_is_file(log);
    qemu_log_unlock(log);
    if (probed && !file) {
        qemu_set_log(0, NULL);
    }
    return file;
}

static bool irq_file_open_qemu_log(IrqLogFile *file, Error **errp)
{
    FILE *log = qemu_log_trylock();
    struct stat st;

    if (!log) {
        /* -D names a file, but nothing was logged so far. */
        if (!qemu_set_log(LOG_TRACE, errp)) {
            return false;
        }
        log = qemu_log_trylock();
    }
    file->fd = fcntl(fileno(log ? log : stderr), F_DUPFD_CLOEXEC, 3);
    qemu_log_unlock(log);
    if (file->fd < 0) {
        error_setg_errno(errp, errno, "QEMU's log cannot be written to");
        return false;
    }
    file->regular = fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
    return true;
}

void irq_log_file_close(IrqLogFile *file)
{
    if (file->fd >= 0) {
        qemu_close(file->fd);
    }
    file->fd = -1;
}

/* @mine: what has been written to so far, or NULL. */
static bool irq_file_open_any(IrqLogFile *file, const char *path,
                              const IrqLogFile *mine, Error **errp)
{
    struct stat st;

    *file = (IrqLogFile){ .fd = -1 };
    if (!(path ? irq_file_open_named(file, path, mine, errp) :
                 irq_file_open_qemu_log(file, errp))) {
        irq_log_file_abandon(file, path);
        return false;
    }
    if (path && file->regular && fstat(file->fd, &st) == 0) {
        file->size = st.st_size;
    }
    return true;
}

bool irq_log_file_open(IrqLogFile *file, const char *path, Error **errp)
{
    return irq_file_open_any(file, path, NULL, errp);
}

void irq_log_file_abandon(IrqLogFile *file, const char *path)
{
    struct stat st;

    if (file->created && irq_file_has_name(file, path) &&
        fstat(file->fd, &st) == 0 && st.st_size == 0) {
        unlink(path);
    }
    irq_log_file_close(file);
}

static bool irq_file_move_away(const char *path, Error **errp)
{
    g_autofree char *old = g_strconcat(path, ".old", NULL);

    if (path_rename_new(path, old)) {
        return true;
    }
    if (errno == EEXIST) {
        if (!irq_file_check_old_name(path, old, NULL, errp)) {
            return false;
        }
        if (rename(path, old) == 0) {
            return true;
        }
    }
    error_setg_errno(errp, errno, WHAT " '%s' cannot be renamed to '%s' at "
                     "its limit", path, old);
    return false;
}

bool irq_log_file_rotate(IrqLogFile *file, const char *path, Error **errp)
{
    IrqLogFile next = { .fd = -1 };

    if (!irq_file_has_name(file, path)) {
        /* Somebody else renamed it. */
        if (!irq_file_open_any(&next, path, file, errp)) {
            return false;
        }
    } else if (!irq_file_move_away(path, errp) ||
               !irq_file_open_new(&next, path, errp)) {
        irq_log_file_close(&next);
        return false;
    }
    next.rotates = next.regular;
    irq_log_file_close(file);
    *file = next;
    return true;
}

int irq_log_file_reopen(const IrqLogFile *file, IrqLogFile *next,
                        const char *path, Error **errp)
{
    struct stat opened;
    struct stat found;

    if (path &&
        (vmscope_file_is_fdset(path) || irq_file_has_name(file, path))) {
        return 0;
    }
    if (!irq_file_open_any(next, path, file, errp)) {
        return -1;
    }
    if (fstat(file->fd, &opened) == 0 && fstat(next->fd, &found) == 0 &&
        path_is_same(&opened, &found)) {
        irq_log_file_close(next);
        return 0;
    }
    return 1;
}
