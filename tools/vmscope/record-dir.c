/*
 * record-dir: see record-dir.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Room that ring files should have, or another place is taken. */
static const unsigned long long room_wanted = 256 << 20;

static bool has_room(const char *path)
{
    struct statvfs st;

    return path && *path && !statvfs(path, &st) &&
           (unsigned long long)st.f_bavail * st.f_frsize >= room_wanted;
}

static const char *choose_place(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *tmp = getenv("TMPDIR");

    if (has_room(runtime)) {
        return runtime;
    }
    return tmp && *tmp ? tmp : "/tmp";
}

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

bool record_dir_make(RecordDir *dir, const char *where, pid_t qemu, Err *err)
{
    char *full;

    if (!where) {
        where = choose_place();
    }
    /* QEMU's working directory is another. */
    full = realpath(where, NULL);
    if (!full || snprintf(dir->path, sizeof(dir->path), "%s/vmscope-XXXXXX",
                          full) >= (int)sizeof(dir->path) ||
        !mkdtemp(dir->path)) {
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

void record_dir_remove(RecordDir *dir)
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
    dir->path[0] = '\0';
}
