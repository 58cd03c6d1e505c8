/*
 * vmscope: files that users name, and the errors of the core's functions that
 * work with them (recorder/path.h)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_FILE_H
#define VMSCOPE_FILE_H

#include "recorder/path.h"

/**
 * vmscope_file_name: a name that means the same from any folder
 * @path: as it was given, or NULL
 *
 * /dev/fdset/N stays as it is.  Returns: freed with g_free(); NULL for NULL
 */
char *vmscope_file_name(const char *path);

/* Is this not a file's name, but QEMU's for a descriptor it was given? */
bool vmscope_file_is_fdset(const char *path);

/**
 * vmscope_error: what the core said, as an error of QEMU's
 *
 * Returns: false
 */
bool vmscope_error(const Err *err, Error **errp);

#endif
