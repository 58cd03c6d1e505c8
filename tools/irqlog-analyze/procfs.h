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

/* A file mapped by a process. */
typedef struct ProcMap {
    const char *path;
    uint64_t start;         /* where its first byte is mapped */
    uint64_t end;           /* behind the last mapping of it */
    bool program;           /* the process's main program */
} ProcMap;

typedef void ProcMapFn(void *opaque, const ProcMap *map);

/**
 * procfs_maps - go through the files a process has mapped
 * @fn: called for each that is mapped from its first byte on
 *
 * Returns: false with a sentence when the process is not there or not ours
 */
bool procfs_maps(uint32_t pid, ProcMapFn *fn, void *opaque, Err *err);

/**
 * procfs_thread_name - the name a thread has
 * @name: receives it, NUL-terminated
 *
 * Returns: false when the process has no such thread
 */
bool procfs_thread_name(uint32_t pid, uint32_t tid, char *name, size_t size);

#endif
