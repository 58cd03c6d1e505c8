/*
 * file-kind: what a file that was refused is, and what reads it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_FILE_KIND_H
#define VMSCOPE_FILE_KIND_H

#include "base/err.h"

#include <stdbool.h>

/**
 * file_kind_hint - add to a sentence what kind of file it is
 * @path: which was refused
 * @err: says why; only a file that is not what was expected gets a hint
 *
 * Returns: whether the kind is known; else nothing was added
 */
bool file_kind_hint(const char *path, Err *err);

#endif
