/*
 * tracefile/path: see path.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/path.h"

#include <string.h>

void trace_path_pack(Packer *to, const TracePath *path)
{
    pack_fixed64(to, path->process);
    pack_number(to, path->pid);
    pack_bytes(to, path->image, strnlen(path->image, sizeof(path->image) - 1));
    pack_bytes(to, path->path, strnlen(path->path, TRACE_PATH_MAX));
}

void trace_path_unpack(Unpacker *from, TracePath *path)
{
    memset(path, 0, sizeof(*path));
    path->process = unpack_fixed64(from);
    path->pid = (uint32_t)unpack_number(from);
    unpack_string(from, path->image, sizeof(path->image));
    unpack_string(from, path->path, sizeof(path->path));
}
