/*
 * recorder/path: files that users name.
 *
 * What is found under a name may be anybody's: nothing is followed, opened,
 * renamed or written to that is not known to be ours.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_PATH_H
#define VMSCOPE_RECORDER_PATH_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/stat.h>

/**
 * path_type - what kind of file this is, with its article
 * @mode: st_mode
 */
const char *path_type(mode_t mode);

static inline bool path_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/**
 * path_find - what is there under this name?
 * @what: what it is named for, at the beginning of a sentence
 * @path: the name; a symbolic link is not followed
 * @st: filled in when something is there
 *
 * Returns: 1 when something is there, 0 when nothing is; -1 with an error
 */
int path_find(const char *what, const char *path, struct stat *st, Err *err);

/**
 * path_open - open what path_find() found
 * @flags: of open()
 * @st: as it was found; the file must still be that one
 *
 * Returns: a descriptor; -1 with an error
 */
int path_open(const char *what, const char *path, int flags,
              const struct stat *st, Err *err);

/**
 * path_create - open a file that is not there yet
 * @flags: of open()
 *
 * Returns: a descriptor of a file with mode 0600; -1 with an error
 */
int path_create(const char *what, const char *path, int flags, Err *err);

/**
 * path_lock - keep others from using a file
 *
 * Lasts until the descriptor and its copies are closed.  File systems without
 * locks have none.
 *
 * Returns: false when somebody else has it
 */
bool path_lock(int fd);

/* Has somebody else locked it? */
bool path_is_locked(int fd);

/**
 * path_rename_new - rename to a name that is not taken
 *
 * Returns: false with errno, EEXIST when it is taken
 */
bool path_rename_new(const char *from, const char *to);

/**
 * path_exchange - two files change names
 *
 * Returns: false with errno; EINVAL when the file system cannot
 */
bool path_exchange(const char *one, const char *other);

#endif
