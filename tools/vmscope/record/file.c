/*
 * record-file: see record-file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void record_file_init(RecordFile *file, const char *name, bool parted,
                      uint64_t keep)
{
    memset(file, 0, sizeof(*file));
    file->name = name;
    file->parted = parted;
    file->keep = keep;
    file->fd = -1;
}

/* Returns: false when the name is too long. */
static bool part_path(const RecordFile *file, uint32_t part, char *path,
                      size_t size)
{
    size_t len = strlen(file->name);
    size_t stem = len;
    int n;

    if (!file->parted) {
        n = snprintf(path, size, "%s", file->name);
    } else {
        if (len > 4 && !strcmp(file->name + len - 4, ".vms")) {
            stem = len - 4;
        }
        n = snprintf(path, size, "%.*s.%04u%s", (int)stem, file->name, part,
                     file->name + stem);
    }
    return n > 0 && (size_t)n < size;
}

/* What is there already and is an ordinary file is kept under another name. */
static bool move_away(const char *path, Err *err)
{
    char old[4096 + 8];
    struct stat st;

    if (lstat(path, &st)) {
        return true;        /* open() will say what is wrong */
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s is not an ordinary file", path);
        return false;
    }
    snprintf(old, sizeof(old), "%s.old", path);
    if (rename(path, old)) {
        err_set(err, ERR_IO, "cannot rename %s to %s: %s", path, old,
                strerror(errno));
        return false;
    }
    return true;
}

static void remove_oldest(const RecordFile *file)
{
    char path[sizeof(file->path)];

    if (file->keep && file->part > file->keep &&
        part_path(file, file->part - (uint32_t)file->keep, path,
                  sizeof(path))) {
        unlink(path);
    }
}

bool record_file_next(RecordFile *file, Err *err)
{
    if (!part_path(file, file->part + 1, file->path, sizeof(file->path))) {
        err_set(err, ERR_IO, "the name of the file is too long");
        return false;
    }
    if (!move_away(file->path, err)) {
        return false;
    }
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        err_set(err, ERR_IO, "cannot create %s: %s", file->path,
                strerror(errno));
        return false;
    }
    file->part++;
    file->size = 0;
    remove_oldest(file);
    return true;
}

static bool write_all(int fd, const char *bytes, size_t len, uint64_t offset)
{
    ssize_t n;

    while (len) {
        n = pwrite(fd, bytes, len, (off_t)offset);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
            offset += (uint64_t)n;
        } else if (n == 0 || errno != EINTR) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
    }
    return true;
}

static bool write_whole(void *opaque, const void *bytes, size_t len, Err *err)
{
    RecordFile *file = opaque;
    int why;

    if (write_all(file->fd, bytes, len, file->size)) {
        file->size += len;
        return true;
    }
    why = errno;
    err_set(err, ERR_IO, "cannot write to %s: %s", file->path,
            strerror(why));
    if (ftruncate(file->fd, (off_t)file->size)) {
        err_set(err, ERR_IO, "cannot write to %s: %s; and its end is not "
                "whole", file->path, strerror(why));
    }
    return false;
}

TraceSink record_file_sink(RecordFile *file)
{
    TraceSink sink = { write_whole, file };

    return sink;
}

bool record_file_close(RecordFile *file, Err *err)
{
    int fd = file->fd;

    if (fd < 0) {
        return true;
    }
    file->fd = -1;
    if (close(fd)) {
        err_set(err, ERR_IO, "cannot finish %s: %s", file->path,
                strerror(errno));
        return false;
    }
    return true;
}
