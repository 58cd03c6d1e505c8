/*
 * ring-dir: a private directory for QEMU's ring files.
 *
 * It is locked while its recording lives, so that the next one can tell what
 * a recording that was killed has left behind, and remove it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RING_DIR_H
#define VMSCOPE_RING_DIR_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct RingDir {
    char path[4096];        /* "": there is none */
    int fd;                 /* holds the lock */
} RingDir;

/**
 * ring_dir_make - make the directory
 * @where: in which one; NULL: the first that has room of /dev/shm,
 *         $XDG_RUNTIME_DIR, $TMPDIR and /tmp; a ring on a disk would make
 *         QEMU wait for the disk
 * @qemu: QEMU's process, who must be able to write there; 0: not known
 *
 * Removes what recordings that died have left in these places, unless a QEMU
 * that lives still writes there.
 */
bool ring_dir_make(RingDir *dir, const char *where, pid_t qemu, Err *err);

/* The same where rings lie in memory, or not at all. */
bool ring_dir_make_in_memory(RingDir *dir, pid_t qemu);

/* Remove it and the ring files in it. */
void ring_dir_remove(RingDir *dir);

#endif
