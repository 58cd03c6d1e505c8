/*
 * proc-paths: full paths of processes' images, by process id.
 *
 * Asked for now and then: a name in Unicode that is not cut at 15 bytes, for
 * what is shown of a process.  An id that Windows has given again meanwhile
 * is told by the image's name, which has to agree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROC_PATHS_H
#define VMSCOPE_PROC_PATHS_H

#include "common/map.h"
#include "source/qmp.h"

typedef struct ProcPaths {
    bool unknown;               /* this QEMU does not tell */
    json_t *answer;             /* the newest, or NULL */
    uint64_t asked_ns;
    Map by_pid;                 /* place in the answer, from 1 */
} ProcPaths;

/**
 * proc_paths_look - ask again, if the last answer is some seconds old
 * @paths: begins as zeroes, ends with proc_paths_release()
 *
 * Returns: false with a sentence when nothing can be asked any more
 */
bool proc_paths_look(ProcPaths *paths, Qmp *qmp, Err *err);
void proc_paths_release(ProcPaths *paths);

/**
 * proc_paths_of - the path of a process' image
 * @image: ImageFileName, as entries have it
 *
 * Returns: valid until the next look; NULL when it is not known
 */
const char *proc_paths_of(const ProcPaths *paths, uint64_t pid,
                          const char *image);
#endif
