/*
 * vmscope: where a ring lies
 *
 * Anonymous memory, or a file mapped by whoever wants to read it.  What is
 * in it is for those who asked for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "evring/file.h"
#include "common.h"

/* Does a ring file of ours stand at @fd?  An empty file will do as well. */
static bool is_ring_file(int fd)
{
    char magic[sizeof(EVRING_MAGIC)];
    ssize_t got = pread(fd, magic, sizeof(magic), 0);

    return got == 0 || (got == sizeof(magic) &&
                        !memcmp(magic, EVRING_MAGIC, sizeof(magic)));
}

/*
 * Somebody may still read the old ring, or want to: it keeps its bytes and
 * gets another name.  Anything else is not ours to overwrite.
 */
static bool move_old_file(const char *path, Error **errp)
{
    g_autofree char *old = g_strconcat(path, ".old", NULL);
    bool ours;
    int fd;

    if (strstart(path, "/dev/fdset/", NULL)) {
        return true;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return true;
    }
    ours = is_ring_file(fd);
    close(fd);
    if (!ours) {
        error_setg(errp, "ring-file '%s' exists and is not a ring file; "
                   "remove it or choose another name", path);
        return false;
    }
    if (rename(path, old)) {
        error_setg_errno(errp, errno, "ring-file '%s' exists and cannot be "
                         "renamed to '%s'", path, old);
        return false;
    }
    return true;
}

/* All blocks at once: a full disk later would kill QEMU with SIGBUS. */
static bool size_file(int fd, const char *path, size_t size, Error **errp)
{
    int err;

    if (ftruncate(fd, 0) || ftruncate(fd, size)) {
        error_setg_errno(errp, errno, "ring-file '%s' cannot be made %zu "
                         "bytes long", path, size);
        return false;
    }
    err = posix_fallocate(fd, 0, size);
    if (err) {
        error_setg_errno(errp, err, "ring-file '%s' needs %zu bytes", path,
                         size);
        return false;
    }
    return true;
}

static void *map_file(const char *path, size_t size, Error **errp)
{
    void *mem = NULL;
    int fd;

    if (!move_old_file(path, errp)) {
        return NULL;
    }
    fd = qemu_create(path, O_RDWR, 0600, errp);
    if (fd < 0) {
        return NULL;
    }
    if (size_file(fd, path, size, errp)) {
        mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mem == MAP_FAILED) {
            error_setg_errno(errp, errno, "ring-file '%s' cannot be mapped",
                             path);
            mem = NULL;
        }
    }
    qemu_close(fd);
    if (!mem) {
        unlink(path);
    }
    return mem;
}

void *vmscope_memory_new(const char *ring_file, size_t size, Error **errp)
{
    void *mem;

    if (ring_file) {
        return map_file(ring_file, size, errp);
    }
    mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED) {
        error_setg_errno(errp, errno, "no memory for a ring of %zu bytes",
                         size);
        return NULL;
    }
    return mem;
}

void vmscope_memory_free(void *mem, size_t size)
{
    if (mem) {
        munmap(mem, size);
    }
}

void vmscope_memory_populate(void *mem, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    size_t step = 2 * MiB;
    size_t at;

    for (at = 0; at < size; at += step) {
        if (madvise((char *)mem + at, MIN(step, size - at),
                    MADV_POPULATE_WRITE)) {
            break;
        }
    }
#endif
}
