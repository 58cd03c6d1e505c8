/*
 * record-paths: see record-paths.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/paths.h"

#include "record/ticks.h"
#include "shared/names.h"

#include <stdio.h>
#include <string.h>

enum {
    MAP_MAX = 65536,            /* a guest could make up many */
    LATE = 10,                  /* times every_ns */
};

_Static_assert((int)NAMES_BYTES == (int)SCHEDLOG_IMAGE_SIZE,
               "both are an image's name");

void record_paths_begin(RecordPaths *paths, Qmp *qmp, pid_t pid,
                        uint64_t every_ns)
{
    *paths = (RecordPaths) { .qmp = qmp, .pid = pid, .every_ns = every_ns };
}

void record_paths_end(RecordPaths *paths)
{
    json_decref(paths->answer);
    map_clear(&paths->seen);
    map_clear(&paths->told);
    *paths = (RecordPaths) { 0 };
}

static void keep_small(Map *map)
{
    if (map->used >= MAP_MAX) {
        map_clear(map);
    }
}

void record_paths_see(RecordPaths *paths, const SchedlogEvent *event)
{
    uint32_t id = event->pid == UINT32_MAX ? 1 : event->pid + 1;

    if (!paths->qmp || !(event->has & SCHEDLOG_HAS_PROCESS) ||
        !(event->has & SCHEDLOG_HAS_IDS) ||
        map_get(&paths->seen, event->process) == id) {
        return;
    }
    keep_small(&paths->seen);
    map_set(&paths->seen, event->process, id);
    paths->wanted = true;
}

/* Returns: whether it has a path that can be told. */
static bool take_process(const json_t *process, TracePath *path)
{
    const char *image = qmp_text(process, "process-image", "");
    const char *text = qmp_text(process, "process-path", "");
    uint64_t pid = qmp_uint(process, "unique-process-id", UINT64_MAX);

    memset(path, 0, sizeof(*path));
    if (!*text || strlen(text) > TRACE_PATH_MAX || pid > UINT32_MAX) {
        return false;
    }
    path->process = qmp_uint(process, "process-pointer", 0);
    path->pid = (uint32_t)pid;
    snprintf(path->path, sizeof(path->path), "%s", text);
    /* One in which bytes were escaped is not the name: none is any. */
    if (!names_from_hex(qmp_text(process, "process-image-bytes", ""),
                        path->image) && strlen(image) < NAMES_BYTES) {
        snprintf(path->image, sizeof(path->image), "%s", image);
    }
    return true;
}

static uint64_t hash_path(const TracePath *path)
{
    return (hash_text(path->path) * 31 + hash_text(path->image)) * 31 +
           (path->process ^ (uint64_t)path->pid << 32);
}

static bool tell(RecordPaths *paths, TraceWriter *writer, Err *err)
{
    const json_t *process;
    TracePath path;
    size_t i;

    json_array_foreach(json_object_get(paths->answer, "processes"), i,
                       process) {
        if (!take_process(process, &path) ||
            map_get(&paths->told, hash_path(&path))) {
            continue;
        }
        keep_small(&paths->told);
        map_put(&paths->told, hash_path(&path), 1);
        if (!trace_writer_path(writer, &path, err)) {
            return false;
        }
    }
    return true;
}

bool record_paths_again(RecordPaths *paths, TraceWriter *writer, Err *err)
{
    map_clear(&paths->told);
    return tell(paths, writer, err);
}

/* Returns: whether there is a new answer. */
static bool ask(RecordPaths *paths)
{
    json_t *answer;
    Err ignored;

    answer = qmp_command(paths->qmp, "query-windows-processes", NULL,
                         &ignored);
    if (answer) {
        json_decref(paths->answer);
        paths->answer = answer;
        paths->wanted = false;
    } else if (qmp_failure(paths->qmp) != QMP_REFUSED &&
               qmp_failure(paths->qmp) != QMP_STOPPED) {
        paths->qmp = NULL;
    }
    return answer != NULL;
}

bool record_paths_look(RecordPaths *paths, uint64_t now_ns, bool last,
                       TraceWriter *writer, Err *err)
{
    bool due = now_ns >= (paths->wanted ? paths->next_ns : paths->late_ns);

    if (!paths->qmp || (!due && !last) ||
        record_qemu_is_stopped(paths->pid)) {
        return true;
    }
    paths->next_ns = now_ns + paths->every_ns;
    paths->late_ns = now_ns + LATE * paths->every_ns;
    return !ask(paths) || tell(paths, writer, err);
}
