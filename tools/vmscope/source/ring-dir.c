/*
 * ring-dir: see ring-dir.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/ring-dir.h"

#include "source/ring-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PREFIX "vmscope-rings-"
#define TEMPLATE PREFIX "XXXXXX"

enum { MAKE_TRIES = 10 };

/* Room that ring files should have, or another place is taken. */
static const unsigned long long room_wanted = 256 << 20;

static bool has_room(const char *path)
{
    struct statvfs st;

    return path && *path && !access(path, W_OK | X_OK) &&
           !statvfs(path, &st) &&
           (unsigned long long)st.f_bavail * st.f_frsize >= room_wanted;
}

/* Where rings may be, the best first: in memory, then on a disk. */
enum { N_PLACES = 4 };

static void list_places(const char *places[N_PLACES])
{
    places[0] = "/dev/shm";
    places[1] = getenv("XDG_RUNTIME_DIR");
    places[2] = getenv("TMPDIR");
    places[3] = "/tmp";
}

static const char *choose_place(const char *const places[N_PLACES])
{
    unsigned i;

    for (i = 0; i < N_PLACES; i++) {
        if (has_room(places[i])) {
            return places[i];
        }
    }
    return places[N_PLACES - 1];
}

/* What the dead have left. */

/* A ring whose QEMU lives and has not stopped it. */
static bool is_written(int dir, const char *name)
{
    EvringHeader header;
    struct stat st;
    bool written = false;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
                    O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
        pread(fd, &header, sizeof(header), 0) == sizeof(header)) {
        written = header.state == EVRING_RECORDING &&
                  !ring_file_writer_is_dead(&header);
    }
    close(fd);
    return written;
}

/* Only what a recording makes: a directory with anything else stays. */
static void empty(int dir)
{
    static const char *const names[] = { "sched.ring", "irq.ring" };
    unsigned i;

    for (i = 0; i < 2; i++) {
        if (is_written(dir, names[i])) {
            return;
        }
    }
    for (i = 0; i < 2; i++) {
        unlinkat(dir, names[i], 0);
    }
}

static bool may_remove(const struct stat *st)
{
    return S_ISDIR(st->st_mode) &&
           (st->st_uid == geteuid() || geteuid() == 0);
}

/* One of another recording's, which holds a lock as long as it lives. */
static void sweep_one(int place, const char *name)
{
    struct stat st;
    int dir = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                     O_CLOEXEC);

    if (dir < 0) {
        return;
    }
    if (!fstat(dir, &st) && may_remove(&st) && !flock(dir, LOCK_EX | LOCK_NB)) {
        empty(dir);
        unlinkat(place, name, AT_REMOVEDIR);
    }
    close(dir);
}

static void sweep(const char *where)
{
    DIR *list = where && *where ? opendir(where) : NULL;
    struct dirent *entry;

    while (list && (entry = readdir(list))) {
        if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)) &&
            strlen(entry->d_name) == strlen(TEMPLATE)) {
            sweep_one(dirfd(list), entry->d_name);
        }
    }
    if (list) {
        closedir(list);
    }
}

/* Making. */

/* A QEMU of another user must be able to make files there. */
static void hand_over(const char *path, pid_t qemu)
{
    char proc[64];
    struct stat st;

    snprintf(proc, sizeof(proc), "/proc/%d", (int)qemu);
    if (qemu > 0 && !stat(proc, &st) && st.st_uid != geteuid() &&
        chown(path, st.st_uid, (gid_t)-1)) {
        return;     /* QEMU will say that it cannot write there */
    }
}

/* Whether it is ours: swept away before it was locked, it must be made anew. */
static bool lock(RingDir *dir)
{
    struct stat here;
    struct stat there;

    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
                   O_CLOEXEC);
    if (dir->fd < 0) {
        return false;
    }
    if (!flock(dir->fd, LOCK_EX | LOCK_NB) && !fstat(dir->fd, &here) &&
        !lstat(dir->path, &there) && here.st_dev == there.st_dev &&
        here.st_ino == there.st_ino) {
        return true;
    }
    close(dir->fd);
    return false;
}

/* In @full, which names no other directory than @where. */
static bool make_in(RingDir *dir, const char *full)
{
    unsigned tries;

    for (tries = 0; tries < MAKE_TRIES; tries++) {
        if (snprintf(dir->path, sizeof(dir->path), "%s/" TEMPLATE, full) >=
            (int)sizeof(dir->path)) {
            errno = ENAMETOOLONG;
            return false;
        }
        if (!mkdtemp(dir->path)) {
            return false;
        }
        if (lock(dir)) {
            return true;
        }
    }
    errno = EBUSY;
    return false;
}

bool ring_dir_make(RingDir *dir, const char *where, pid_t qemu, Err *err)
{
    const char *places[N_PLACES];
    char *full;
    unsigned i;

    list_places(places);
    if (where) {
        sweep(where);
    } else {
        for (i = 0; i < N_PLACES; i++) {
            sweep(places[i]);
        }
        where = choose_place(places);
    }
    /* QEMU's working directory is another. */
    full = realpath(where, NULL);
    if (!full || !make_in(dir, full)) {
        err_set(err, ERR_IO, "cannot make a directory for ring files in %s: "
                "%s", where, strerror(errno));
        free(full);
        dir->path[0] = '\0';
        return false;
    }
    free(full);
    hand_over(dir->path, qemu);
    return true;
}

bool ring_dir_make_in_memory(RingDir *dir, pid_t qemu)
{
    const char *places[N_PLACES];
    Err ignored;

    list_places(places);
    return has_room(places[0]) &&
           ring_dir_make(dir, places[0], qemu, &ignored);
}

void ring_dir_remove(RingDir *dir)
{
    DIR *list = *dir->path ? opendir(dir->path) : NULL;
    struct dirent *entry;

    if (!list) {
        return;
    }
    while ((entry = readdir(list))) {
        unlinkat(dirfd(list), entry->d_name, 0);
    }
    closedir(list);
    rmdir(dir->path);
    close(dir->fd);
    dir->path[0] = '\0';
}
