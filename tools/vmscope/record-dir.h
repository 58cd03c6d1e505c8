/*
 * record-dir: a private directory for QEMU's ring files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_DIR_H
#define VMSCOPE_RECORD_DIR_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct RecordDir {
    char path[4096];        /* "": there is none */
} RecordDir;

/**
 * record_dir_make - make the directory
 * @where: in which one; NULL: $XDG_RUNTIME_DIR, or if there is little room
 *         or none, $TMPDIR or /tmp
 * @qemu: QEMU's process, who must be able to write there; 0: not known
 */
bool record_dir_make(RecordDir *dir, const char *where, pid_t qemu, Err *err);

/* Remove it and the ring files in it. */
void record_dir_remove(RecordDir *dir);

#endif
