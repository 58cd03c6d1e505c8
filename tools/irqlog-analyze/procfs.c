/*
 * procfs: see procfs.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "procfs.h"

#include "common/translate.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether a line of /proc/PID/maps is of a file's code; cuts its end off. */
static bool parse_map(char *text, ProcMap *map)
{
    char access[5] = "";
    int path = 0;

    text[strcspn(text, "\n")] = '\0';
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n",
               &map->start, &map->end, access, &map->offset, &path) < 4) {
        return false;
    }
    map->path = text + path;
    return path && *map->path == '/' && access[2] == 'x';
}

static void walk_maps(FILE *file, const char *program, ProcMapFn *fn,
                      void *opaque)
{
    char *text = NULL;
    size_t room = 0;
    ProcMap map;

    while (getline(&text, &room, file) > 0) {
        if (parse_map(text, &map)) {
            map.program = !strcmp(map.path, program);
            fn(opaque, &map);
        }
    }
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
                errno == ENOENT ? _("it is not running") : strerror(errno));
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

bool procfs_is_called(uint32_t pid, uint32_t own)
{
    static const char key[] = "NSpid:";
    char name[64];
    char *text = NULL;
    char *word;
    char *save;
    size_t room = 0;
    FILE *file;
    bool found = pid == own;

    snprintf(name, sizeof(name), "/proc/%" PRIu32 "/status", pid);
    file = found ? NULL : fopen(name, "re");
    while (file && !found && getline(&text, &room, file) > 0) {
        if (strncmp(text, key, sizeof(key) - 1)) {
            continue;
        }
        for (word = strtok_r(text + sizeof(key) - 1, " \t\n", &save); word;
             word = strtok_r(NULL, " \t\n", &save)) {
            found = found || strtoul(word, NULL, 10) == own;
        }
    }
    if (file) {
        fclose(file);
    }
    free(text);
    return found;
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
