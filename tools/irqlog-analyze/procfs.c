/*
 * procfs: see procfs.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "procfs.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line of /proc/PID/maps. */
typedef struct MapsLine {
    uint64_t start;
    uint64_t end;
    uint64_t offset;
    char *path;
} MapsLine;

static bool parse_line(char *text, MapsLine *line)
{
    int path = 0;

    text[strcspn(text, "\n")] = '\0';
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n",
               &line->start, &line->end, &line->offset, &path) < 3) {
        return false;
    }
    line->path = text + path;
    return path && *line->path == '/';
}

static void finish_map(const ProcMap *map, const char *program, ProcMapFn *fn,
                       void *opaque)
{
    ProcMap copy = *map;

    if (map->path && *map->path) {
        copy.program = !strcmp(map->path, program);
        fn(opaque, &copy);
    }
}

static void walk_maps(FILE *file, const char *program, ProcMapFn *fn,
                      void *opaque)
{
    char path[PATH_MAX + 64] = "";
    ProcMap map = { .path = path };
    char *text = NULL;
    size_t room = 0;
    MapsLine line;

    while (getline(&text, &room, file) > 0) {
        if (!parse_line(text, &line)) {
            continue;
        }
        if (!strcmp(line.path, path) && line.offset) {
            map.end = line.end;
            continue;
        }
        finish_map(&map, program, fn, opaque);
        snprintf(path, sizeof(path), "%s", line.offset ? "" : line.path);
        map.start = line.start;
        map.end = line.end;
    }
    finish_map(&map, program, fn, opaque);
    free(text);
}

static bool read_program(uint32_t pid, char *program, size_t size, Err *err)
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%" PRIu32 "/exe", pid);
    n = readlink(link, program, size - 1);
    if (n < 0) {
        err_set(err, ERR_IO, "process %" PRIu32 ": %s", pid,
                errno == ENOENT ? "it is not running" : strerror(errno));
        return false;
    }
    program[n] = '\0';
    return true;
}

bool procfs_maps(uint32_t pid, ProcMapFn *fn, void *opaque, Err *err)
{
    char program[PATH_MAX];
    char name[64];
    FILE *file;

    if (!read_program(pid, program, sizeof(program), err)) {
        return false;
    }
    snprintf(name, sizeof(name), "/proc/%" PRIu32 "/maps", pid);
    file = fopen(name, "re");
    if (!file) {
        err_set(err, ERR_IO, "%s: %s", name, strerror(errno));
        return false;
    }
    walk_maps(file, program, fn, opaque);
    fclose(file);
    return true;
}

bool procfs_thread_name(uint32_t pid, uint32_t tid, char *name, size_t size)
{
    char path[64];
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/comm",
             pid, tid);
    file = fopen(path, "re");
    if (!file) {
        return false;
    }
    n = fread(name, 1, size - 1, file);
    fclose(file);
    if (n && name[n - 1] == '\n') {
        n--;
    }
    name[n] = '\0';
    return true;
}
