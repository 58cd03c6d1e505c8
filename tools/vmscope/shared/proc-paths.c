/*
 * proc-paths: see proc-paths.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/proc-paths.h"

#include "base/now.h"

#include <string.h>

#define AGAIN_NS UINT64_C(5000000000)

void proc_paths_release(ProcPaths *paths)
{
    json_decref(paths->answer);
    map_clear(&paths->by_pid);
    *paths = (ProcPaths) { .unknown = paths->unknown };
}

static void note_pids(ProcPaths *paths)
{
    json_t *process;
    size_t i;

    json_array_foreach(json_object_get(paths->answer, "processes"), i,
                       process) {
        map_set(&paths->by_pid, qmp_uint(process, "unique-process-id", 0),
                (uint32_t)i + 1);
    }
}

bool proc_paths_look(ProcPaths *paths, Qmp *qmp, Err *err)
{
    uint64_t now = now_monotonic_ns();

    if (paths->unknown ||
        (paths->asked_ns && now - paths->asked_ns < AGAIN_NS)) {
        return true;
    }
    proc_paths_release(paths);
    paths->asked_ns = now;
    paths->answer = qmp_command(qmp, "query-windows-processes", NULL, err);
    if (paths->answer) {
        note_pids(paths);
        return true;
    }
    paths->unknown = qmp_failure(qmp) == QMP_UNKNOWN;
    return paths->unknown || qmp_failure(qmp) == QMP_REFUSED;
}

const char *proc_paths_of(const ProcPaths *paths, uint64_t pid,
                          const char *image)
{
    uint32_t at = map_get(&paths->by_pid, pid);
    const json_t *process;
    const char *path;

    if (!at) {
        return NULL;
    }
    process = json_array_get(json_object_get(paths->answer, "processes"),
                             at - 1);
    path = qmp_text(process, "process-path", NULL);
    return path && !strcmp(qmp_text(process, "process-image", ""), image)
           ? path : NULL;
}
