/*
 * winos/processes: the guest's processes, and the full paths of their images.
 *
 * EPROCESS.ImageFileName is 15 bytes of no known code page.  The path is the
 * only name in Unicode: SeAuditProcessCreationInfo, one pointer to a
 * UNICODE_STRING with its text behind it.  No source that is asked names its
 * place, so it is looked for: at the distances from ImageFileName that are
 * published, then around it, until the last part of what is there agrees with
 * the names of several processes.
 *
 * All of it is the guest's and may be anything; each call is bounded.
 *
 * Sources: docs/guest-facts/modules.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_PROCESSES_H
#define VMSCOPE_WINOS_PROCESSES_H

#include "winos/modules.h"

enum {
    WINOS_MAX_PROCESSES = 4096,
    WINOS_PROCESS_IMAGE = 16,       /* 15 bytes, a NUL */
    WINOS_PROCESS_PATH = 1024,      /* UTF-8, with a NUL */
};

typedef struct WinosProcess {
    uint64_t address;               /* of the EPROCESS */
    uint64_t pid, parent;           /* has_parent: 0 is a parent, too */
    bool has_parent;
    char image[WINOS_PROCESS_IMAGE];/* bytes; "" when not readable */
    char path[WINOS_PROCESS_PATH];  /* as Windows has it; "": none, not known */
} WinosProcess;

/**
 * winos_path_place - where a process has the pointer to its path
 * @processes, @n: addresses of some, the more the better
 *
 * Returns: an offset in EPROCESS, or WINOS_NO_OFFSET
 */
int32_t winos_path_place(const WinosResult *result, const uint64_t *processes,
                         unsigned n);

/**
 * winos_process_path - the path of a process' image
 * @at: from winos_path_place()
 * @path: receives UTF-8 and a NUL; "" for System and others that have none
 * @size: room; what has none is cut off at its end
 *
 * Returns: whether there is one
 */
bool winos_process_path(const WinosResult *result, int32_t at,
                        uint64_t process, char *path, size_t size);

/**
 * winos_processes_read - read the list of processes, with their paths
 * @processes: receives up to @max, in the list's order
 * @max: at most WINOS_MAX_PROCESSES are taken
 * @n: receives how many
 *
 * Context: a helper thread; some ten reads a process, allocates nothing.
 * The guest runs on meanwhile: one that is just made or ended may be missed.
 *
 * Returns: how the list ended; WINOS_LIST_NONE also where the places of ids
 * or links are not known
 */
WinosListEnd winos_processes_read(const WinosResult *result,
                                  WinosProcess *processes, unsigned max,
                                  unsigned *n);

#endif
