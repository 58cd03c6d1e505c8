/*
 * IRQ log: where text goes, as QEMU's user names it
 *
 * A file of its own is core/irqlog/file.h's business; QEMU's own log and a
 * descriptor that QEMU was given are opened here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "file.h"
#include "irq-log.h"

static bool irq_file_open_fdset(IrqlogFile *file, const char *path,
                                Error **errp)
{
    Err err;

    *file = (IrqlogFile){ .close = qemu_close };
    file->fd = qemu_open(path, O_WRONLY | O_APPEND | O_NONBLOCK, NULL);
    if (file->fd < 0) {
        file->fd = qemu_open(path, O_RDWR | O_APPEND | O_NONBLOCK, errp);
        error_prepend(errp, IRQLOG_FILE ": ");
    }
    if (file->fd < 0) {
        return false;
    }
    if (!irqlog_file_take(file, path, &err)) {
        irqlog_file_close(file);
        return vmscope_error(&err, errp);
    }
    return true;
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

/* Only what is ours counts to its size. */
static bool irq_file_open_qemu_log(IrqlogFile *file, Error **errp)
{
    FILE *log = qemu_log_trylock();
    struct stat st;

    *file = (IrqlogFile){ .fd = -1 };
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

/* @mine: what has been written to so far, or NULL. */
static bool irq_file_open(IrqlogFile *file, const char *path,
                          const IrqlogFile *mine, Error **errp)
{
    Err err;

    if (!path) {
        return irq_file_open_qemu_log(file, errp);
    }
    if (vmscope_file_is_fdset(path)) {
        return irq_file_open_fdset(file, path, errp);
    }
    return irqlog_file_open(file, path, mine, &err) ||
           vmscope_error(&err, errp);
}

bool irq_log_file_open(IrqlogFile *file, const char *path, Error **errp)
{
    return irq_file_open(file, path, NULL, errp);
}

int irq_log_file_reopen(const IrqlogFile *file, IrqlogFile *next,
                        const char *path, Error **errp)
{
    if (path &&
        (vmscope_file_is_fdset(path) || irqlog_file_has_name(file, path))) {
        return 0;
    }
    if (!irq_file_open(next, path, file, errp)) {
        return -1;
    }
    if (irqlog_file_is_same(file, next)) {
        irqlog_file_close(next);
        return 0;
    }
    return 1;
}
