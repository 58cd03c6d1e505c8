/*
 * procfs: what the host's /proc says of a running process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_PROCFS_H
#define IRQLOG_ANALYZE_PROCFS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file's code, mapped by a process. */
typedef struct ProcMap {
    const char *path;
    uint64_t start;
    uint64_t end;
    uint64_t offset;        /* in the file, of the byte at @start */
    bool program;           /* the file is the process's main program */
} ProcMap;

typedef void ProcMapFn(void *opaque, const ProcMap *map);

/**
 * procfs_maps - go through the code that a process has mapped from files
 * @fn: called for each mapping that may be executed; a program that reads its
 * own file, as QEMU does for names, has it mapped elsewhere too, but not so
 *
 * Returns: false with a sentence when the process is not there or not ours
 */
bool procfs_maps(uint32_t pid, ProcMapFn *fn, void *opaque, Err *err);

/**
 * procfs_is_called - whether a process calls itself by a number
 * @pid: as we know it
 * @own: as it knows itself, perhaps in a container
 */
bool procfs_is_called(uint32_t pid, uint32_t own);

/**
 * procfs_thread_name - the name a thread has
 * @name: receives it, NUL-terminated
 *
 * Returns: false when the process has no such thread
 */
bool procfs_thread_name(uint32_t pid, uint32_t tid, char *name, size_t size);

#endif
