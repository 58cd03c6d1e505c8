/*
 * tracefile/path: the path of a process' image, as a recording tells it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_PATH_H
#define VMSCOPE_TRACEFILE_PATH_H

#include "tracefile/format.h"
#include "tracefile/pack.h"

void trace_path_pack(Packer *to, const TracePath *path);

/* Whatever the bytes are, image and path end in a NUL. */
void trace_path_unpack(Unpacker *from, TracePath *path);

#endif
