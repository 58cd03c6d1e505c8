/*
 * ring-file: see ring-file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/ring-file.h"

#include "shared/file-kind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool open_file(RingFile *file, const char *path, Err *err)
{
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0) {
        err_set(err, ERR_IO, "cannot open ring file %s: %s", path,
                strerror(errno));
        return false;
    }
    if (!recorder_reader_open(&file->reader, file->fd, err)) {
        file_kind_hint(path, err);
        err_prefix(err, "%s: ", path);
        return false;
    }
    return true;
}

static bool attach(RingFile *file, EvringContent content, Err *err)
{
    void *image = file->reader.image;

    if (content == EVRING_CONTENT_SCHED
        ? !schedlog_store_attach(&file->sched, image, file->reader.size, err)
        : !irqlog_store_attach(&file->irq, image, file->reader.size, err)) {
        return false;
    }
    file->header = file->reader.image;
    file->ring = file->reader.ring;
    return true;
}

bool ring_file_open(RingFile *file, EvringContent content, const char *path,
                    Err *err)
{
    memset(file, 0, sizeof(*file));
    snprintf(file->path, sizeof(file->path), "%s", path);
    if (!open_file(file, path, err)) {
        ring_file_close(file);
        return false;
    }
    if (!attach(file, content, err)) {
        file_kind_hint(path, err);
        err_prefix(err, "%s: ", path);
        ring_file_close(file);
        return false;
    }
    return true;
}

void ring_file_close(RingFile *file)
{
    recorder_reader_close(&file->reader);
    if (file->fd >= 0 && file->path[0]) {
        close(file->fd);
    }
    file->path[0] = '\0';
}

static bool note(RingFile *file, bool good, Err *err)
{
    if (!good) {
        err_prefix(err, "%s: ", file->path);
        file->lost = true;
        file->why = *err;
    }
    return good;
}

bool ring_file_look(RingFile *file, Err *err)
{
    if (file->lost) {
        *err = file->why;
        return false;
    }
    return note(file, recorder_reader_look(&file->reader, err), err);
}

bool ring_file_fetch(RingFile *file, uint64_t seq, Err *err)
{
    if (file->lost) {
        *err = file->why;
        return false;
    }
    return note(file, recorder_reader_fetch(&file->reader, seq, err), err);
}

bool ring_file_stopped(const RingFile *file)
{
    /* Pairs with the release of the writer's stop: the time first. */
    return atomic_load_explicit(&file->header->state, memory_order_acquire) ==
           EVRING_STOPPED;
}

uint64_t ring_file_end_ns(const RingFile *file)
{
    if (!ring_file_stopped(file)) {
        return 0;
    }
    return clock_map_ns(&file->header->clock,
                        atomic_load_explicit(&file->header->end_stamp,
                                             memory_order_relaxed));
}

bool ring_file_same_process(const RingFile *a, const RingFile *b)
{
    const EvringHeader *x = a->header;
    const EvringHeader *y = b->header;

    /* Where it lies in memory differs each time that a program starts. */
    return x->pid == y->pid && x->load_base == y->load_base &&
           !strncmp(x->build_id, y->build_id, sizeof(x->build_id));
}

/* It may be dead and not yet buried, or its number be another's by now. */
static bool is_other_program(const EvringHeader *header)
{
    char link[64];
    char exe[sizeof(header->exe)];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/%u/exe", header->pid);
    len = readlink(link, exe, sizeof(exe) - 1);
    if (len < 0) {
        return errno == ENOENT;     /* else it cannot be told */
    }
    if (!header->exe[0]) {
        return false;
    }
    exe[len] = '\0';
    return strncmp(exe, header->exe,
                   strnlen(header->exe, sizeof(exe) - 1)) != 0;
}

bool ring_file_writer_is_dead(const EvringHeader *header)
{
    pid_t pid = (pid_t)header->pid;

    return pid > 0 && ((kill(pid, 0) && errno == ESRCH) ||
                       is_other_program(header));
}

bool ring_file_orphaned(const RingFile *file)
{
    return ring_file_writer_is_dead(file->header);
}
