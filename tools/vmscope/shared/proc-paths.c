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
    *paths = (ProcPaths) { .unknown = paths->unknown };
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
        return true;
    }
    paths->unknown = qmp_failure(qmp) == QMP_UNKNOWN;
    return paths->unknown || qmp_failure(qmp) == QMP_REFUSED;
}

const char *proc_paths_of(const ProcPaths *paths, uint64_t pid,
                          const char *image)
{
    const json_t *all = json_object_get(paths->answer, "processes");
    size_t n = json_array_size(all);
    size_t i;

    for (i = 0; i < n; i++) {
        const json_t *process = json_array_get(all, i);
        const char *path = qmp_text(process, "process-path", NULL);

        if (qmp_uint(process, "unique-process-id", 0) == pid) {
            return path && !strcmp(qmp_text(process, "process-image", ""),
                                   image) ? path : NULL;
        }
    }
    return NULL;
}

const char *proc_paths_leaf(const char *path)
{
    const char *slash = strrchr(path, '\\');

    return slash ? slash + 1 : path;
}
