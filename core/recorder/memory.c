/*
 * recorder/memory: see memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* mkostemp(), MADV_POPULATE_WRITE */
#endif

#include "recorder/memory.h"

#include "recorder/file.h"
#include "recorder/guard.h"
#include "recorder/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    /* Whoever maps or unmaps meanwhile, as malloc() may, waits for a step. */
    POPULATE_STEP = 256 * 1024,
    FULL_BYTES = 16 * 1024 * 1024,      /* a file system with less is full */
};

struct RingMemory {
    void *mem;
    size_t size;
    char *what;
    char *path;                 /* NULL: anonymous */
    char *beside;               /* its name until it is published, or NULL */
    int fd;                     /* holds the lock; -1: none */
    void (*close)(int fd);
    struct stat st;
    int guard;                  /* -1: none */
    RingMemory *next;           /* of all files of this process */
};

static RingMemory *files;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;

static void memory_list_add(RingMemory *memory)
{
    pthread_mutex_lock(&files_lock);
    memory->next = files;
    files = memory;
    pthread_mutex_unlock(&files_lock);
}

static void memory_list_remove(const RingMemory *memory)
{
    RingMemory **at;

    pthread_mutex_lock(&files_lock);
    for (at = &files; *at; at = &(*at)->next) {
        if (*at == memory) {
            *at = memory->next;
            break;
        }
    }
    pthread_mutex_unlock(&files_lock);
}

static bool memory_is_mapped_here(const struct stat *st)
{
    const RingMemory *memory;
    bool found = false;

    pthread_mutex_lock(&files_lock);
    for (memory = files; memory && !found; memory = memory->next) {
        found = path_is_same(&memory->st, st);
    }
    pthread_mutex_unlock(&files_lock);
    return found;
}

/* Returns: freed by the caller; NULL without memory */
static char *with_suffix(const char *text, const char *suffix)
{
    size_t len = strlen(text) + strlen(suffix) + 1;
    char *copy = malloc(len);

    if (copy) {
        snprintf(copy, len, "%s%s", text, suffix);
    }
    return copy;
}

static bool no_memory(Err *err)
{
    err_set(err, ERR_NOMEM, "no memory left");
    return false;
}

static bool memory_fail(const RingMemory *memory, const char *why, int error,
                        Err *err)
{
    err_set(err, ERR_IO, "%s '%s' %s: %s", memory->what, memory->path, why,
            strerror(error));
    return false;
}

/* --- what is there already */

typedef enum Standing {
    STANDING_NO_RING,
    STANDING_EMPTY,
    STANDING_OLD,               /* a ring that nobody writes to any more */
    STANDING_LIVE,
} Standing;

/* @pid: receives who writes or wrote it. */
static Standing memory_standing(int fd, uint32_t *pid)
{
    EvringHeader header;
    ssize_t got = pread(fd, &header, sizeof(header), 0);

    if (got == 0) {
        return STANDING_EMPTY;
    }
    if (got < (ssize_t)offsetof(EvringHeader, end_stamp) ||
        memcmp(header.magic, EVRING_MAGIC, sizeof(header.magic))) {
        return STANDING_NO_RING;
    }
    *pid = header.pid;
    if (header.state != EVRING_STOPPED && path_is_locked(fd)) {
        return STANDING_LIVE;
    }
    return STANDING_OLD;
}

/* Only an old ring is ours to rename, or to replace. */
static bool check_standing(const char *what, const char *path, int fd,
                           Err *err)
{
    uint32_t pid = 0;

    switch (memory_standing(fd, &pid)) {
    case STANDING_NO_RING:
    case STANDING_EMPTY:
        err_set(err, ERR_USAGE, "%s '%s' exists and is not a ring file%s; "
                "remove it or choose another name", what, path,
                memory_standing(fd, &pid) == STANDING_EMPTY ? " but empty" :
                                                              "");
        return false;
    case STANDING_LIVE:
        err_set(err, ERR_USAGE, "%s '%s' is being written by a trace of "
                "process %" PRIu32 "%s; choose another name", what, path, pid,
                pid == (uint32_t)getpid() ? ", this one" : "");
        return false;
    case STANDING_OLD:
        break;
    }
    return true;
}

/* Returns: 1 when an old ring is there, 0 when nothing is; -1 with an error. */
static int check_name(const char *what, const char *path, struct stat *st,
                      Err *err)
{
    int there = path_find(what, path, st, err);
    bool good;
    int fd;

    if (there != 1) {
        return there;
    }
    if (!S_ISREG(st->st_mode)) {
        err_set(err, ERR_USAGE, "%s '%s' is %s, and only a regular file can "
                "be one; choose another name", what, path,
                path_type(st->st_mode));
        return -1;
    }
    fd = path_open(what, path, O_RDONLY, st, err);
    if (fd < 0) {
        return -1;
    }
    good = check_standing(what, path, fd, err);
    close(fd);
    return good ? 1 : -1;
}

/*
 * The older ring of an old ring is replaced, and nothing else.
 * @st: receives what stands under the name
 *
 * Returns: as check_name()
 */
static int check_names(const char *what, const char *path, struct stat *st,
                       Err *err)
{
    int there = check_name(what, path, st, err);
    struct stat older;
    char *old;

    if (there == 1) {
        old = with_suffix(path, ".old");
        if (!old) {
            no_memory(err);
            return -1;
        }
        if (check_name(what, old, &older, err) < 0) {
            err_prefix(err, "%s '%s' exists and would be renamed: ", what,
                       path);
            there = -1;
        }
        free(old);
    }
    return there;
}

/* --- the name of a new one */

/*
 * The new ring and the old one change places, so that there is always one
 * under the name; then the old one, if it is the one that was looked at, gets
 * its new name.
 *
 * Returns: false with errno
 */
static bool replace_old(const RingMemory *memory, const struct stat *st,
                        const char *old)
{
    struct stat found;
    int error;

    if (!path_exchange(memory->beside, memory->path)) {
        /* A file system that cannot: for a moment there is none. */
        return errno == EINVAL && rename(memory->path, old) == 0 &&
               path_rename_new(memory->beside, memory->path);
    }
    if (lstat(memory->beside, &found) || !path_is_same(&found, st)) {
        errno = EBUSY;
    } else if (rename(memory->beside, old) == 0) {
        return true;
    }
    error = errno;
    path_exchange(memory->beside, memory->path);
    errno = error;
    return false;
}

/* Others may want the same name at the same time. */
static bool take_name(const RingMemory *memory, Err *err)
{
    struct stat st;
    char *old;
    bool good;

    if (path_rename_new(memory->beside, memory->path)) {
        return true;
    }
    if (errno != EEXIST) {
        return memory_fail(memory, "cannot be created", errno, err);
    }
    switch (check_names(memory->what, memory->path, &st, err)) {
    case -1:
        return false;
    case 0:
        return memory_fail(memory, "cannot be created", EBUSY, err);
    default:
        break;
    }
    old = with_suffix(memory->path, ".old");
    if (!old) {
        return no_memory(err);
    }
    good = replace_old(memory, &st, old);
    if (!good) {
        err_set(err, ERR_IO, "%s '%s' exists and cannot be renamed to '%s': "
                "%s", memory->what, memory->path, old, strerror(errno));
    }
    free(old);
    return good;
}

bool ring_memory_publish(RingMemory *memory, Err *err)
{
    if (memory->beside) {
        if (!take_name(memory, err)) {
            return false;
        }
        free(memory->beside);
        memory->beside = NULL;
    }
    return true;
}

/* --- making one */

static bool create_beside(RingMemory *memory, Err *err)
{
    struct stat st;
    int error;

    if (check_names(memory->what, memory->path, &st, err) < 0) {
        return false;
    }
    memory->beside = with_suffix(memory->path, ".new-XXXXXX");
    if (!memory->beside) {
        return no_memory(err);
    }
    memory->fd = mkostemp(memory->beside, O_CLOEXEC);
    if (memory->fd < 0) {
        error = errno;
        free(memory->beside);
        memory->beside = NULL;
        return memory_fail(memory, "cannot be created", error, err);
    }
    path_lock(memory->fd);
    return true;
}

/* An open file: it is used as it is. */
static bool check_given(RingMemory *memory, Err *err)
{
    struct stat st;
    uint32_t pid;

    if (fstat(memory->fd, &st) || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_USAGE, "%s '%s' is %s, and only a regular file can "
                "be one", memory->what, memory->path, path_type(st.st_mode));
        return false;
    }
    if (memory_is_mapped_here(&st)) {
        err_set(err, ERR_USAGE, "%s '%s' is the ring of the trace now on, or "
                "of the last one, which can still be asked for; add another "
                "file to the set", memory->what, memory->path);
        return false;
    }
    if (memory_standing(memory->fd, &pid) != STANDING_EMPTY &&
        !check_standing(memory->what, memory->path, memory->fd, err)) {
        return false;
    }
    if (!path_lock(memory->fd)) {
        err_set(err, ERR_USAGE, "%s '%s' is in use by another process",
                memory->what, memory->path);
        return false;
    }
    return true;
}

/* All blocks at once: a full disk later would cost the ring. */
static bool resize(const RingMemory *memory, Err *err)
{
    int error;

    if (ftruncate(memory->fd, 0) ||
        ftruncate(memory->fd, (off_t)memory->size)) {
        err_set(err, ERR_IO, "%s '%s' cannot be made %zu bytes long: %s",
                memory->what, memory->path, memory->size, strerror(errno));
        return false;
    }
    error = posix_fallocate(memory->fd, 0, (off_t)memory->size);
    if (error) {
        err_set(err, ERR_IO, "%s '%s' needs %zu bytes: %s", memory->what,
                memory->path, memory->size, strerror(error));
        return false;
    }
    return true;
}

static bool map_file(RingMemory *memory, Err *err)
{
    if (!resize(memory, err)) {
        return false;
    }
    memory->mem = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                       memory->fd, 0);
    if (memory->mem == MAP_FAILED || fstat(memory->fd, &memory->st)) {
        return memory_fail(memory, "cannot be mapped", errno, err);
    }
    memory->guard = guard_add(memory->mem, memory->size);
    if (memory->guard < 0) {
        err_set(err, ERR_NOMEM, "%s '%s' cannot be used: too many are",
                memory->what, memory->path);
        return false;
    }
    memory_list_add(memory);
    return true;
}

static bool map_anonymous(RingMemory *memory, Err *err)
{
    memory->mem = mmap(NULL, memory->size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory->mem == MAP_FAILED) {
        err_set(err, ERR_NOMEM, "no memory for a ring of %zu bytes: %s",
                memory->size, strerror(errno));
        return false;
    }
    return true;
}

static bool memory_make(RingMemory *memory, const RingPlace *place, Err *err)
{
    memory->what = with_suffix(place->what, "");
    if (!memory->what) {
        return no_memory(err);
    }
    if (!place->path) {
        return map_anonymous(memory, err);
    }
    memory->path = with_suffix(place->path, "");
    if (!memory->path) {
        return no_memory(err);
    }
    return (place->close ? check_given(memory, err) :
                           create_beside(memory, err)) &&
           map_file(memory, err);
}

RingMemory *ring_memory_new(const RingPlace *place, size_t size, Err *err)
{
    RingMemory *memory = calloc(1, sizeof(*memory));

    if (!memory) {
        no_memory(err);
        if (place->path && place->close) {
            place->close(place->fd);
        }
        return NULL;
    }
    memory->mem = MAP_FAILED;
    memory->size = size;
    memory->fd = place->path && place->close ? place->fd : -1;
    memory->close = place->close;
    memory->guard = -1;
    if (!memory_make(memory, place, err)) {
        ring_memory_free(memory);
        return NULL;
    }
    return memory;
}

void *ring_memory_start(const RingMemory *memory)
{
    return memory->mem;
}

void ring_memory_free(RingMemory *memory)
{
    if (!memory) {
        return;
    }
    memory_list_remove(memory);
    if (memory->guard >= 0) {
        guard_remove(memory->guard);
    }
    if (memory->mem != MAP_FAILED) {
        munmap(memory->mem, memory->size);
    }
    if (memory->beside) {
        unlink(memory->beside);
    }
    if (memory->fd >= 0 && memory->close) {
        memory->close(memory->fd);
    } else if (memory->fd >= 0) {
        close(memory->fd);
    }
    free(memory->beside);
    free(memory->path);
    free(memory->what);
    free(memory);
}

/* Returns: false with errno; EFAULT: it cannot be there at all. */
static bool populate(char *mem, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    return madvise(mem, size, MADV_POPULATE_WRITE) == 0;
#else
    (void)mem;
    (void)size;
    errno = EINVAL;
    return false;
#endif
}

bool ring_memory_populate(RingMemory *memory, Err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    bool good = true;
    size_t at, i;

    guard_thread();
    for (at = 0; good && at < memory->size; at += POPULATE_STEP) {
        size_t rest = memory->size - at;
        size_t n = rest < POPULATE_STEP ? rest : POPULATE_STEP;

        if (populate((char *)memory->mem + at, n)) {
            continue;
        }
        good = errno != EFAULT;
        for (i = 0; good && i < n; i += page) {
            /* volatile: the page is to be touched, though it is zero. */
            *((volatile char *)memory->mem + at + i) = 0;
        }
    }
    if (good && !ring_memory_is_lost(memory)) {
        return true;
    }
    err_set(err, ERR_NOMEM, "no room for a ring of %zu bytes%s%s%s%s",
            memory->size, memory->path ? " in " : "",
            memory->path ? memory->what : "", memory->path ? " " : "",
            memory->path ? memory->path : "");
    return false;
}

/* --- when it is gone */

bool ring_memory_is_lost(const RingMemory *memory)
{
    return memory->guard >= 0 && guard_is_lost(memory->guard);
}

/* Where there is a header still; a reader stops waiting for more then. */
static void mark_stopped(const RingMemory *memory, uint64_t end_stamp)
{
    uint32_t state = EVRING_STOPPED;
    struct stat st;

    if (fstat(memory->fd, &st) == 0 &&
        st.st_size >= (off_t)sizeof(EvringHeader) &&
        pwrite(memory->fd, &end_stamp, sizeof(end_stamp),
               offsetof(EvringHeader, end_stamp)) == sizeof(end_stamp) &&
        pwrite(memory->fd, &state, sizeof(state),
               offsetof(EvringHeader, state)) != sizeof(state)) {
        /* Then it will wait. */
    }
}

void ring_memory_end_lost(RingMemory *memory, uint64_t end_stamp, Err *why)
{
    struct statvfs fs;
    struct stat st;

    mark_stopped(memory, end_stamp);
    if (fstat(memory->fd, &st) == 0 && st.st_size < (off_t)memory->size) {
        err_set(why, ERR_IO, "%s '%s' was cut short by somebody, to %" PRId64
                " of its %zu bytes", memory->what, memory->path,
                (int64_t)st.st_size, memory->size);
    } else if (fstatvfs(memory->fd, &fs) == 0 &&
               fs.f_bavail * fs.f_frsize < FULL_BYTES) {
        err_set(why, ERR_IO, "%s '%s' could not be written: its file system "
                "is full", memory->what, memory->path);
    } else {
        err_set(why, ERR_IO, "%s '%s' could not be read or written any more",
                memory->what, memory->path);
    }
}
