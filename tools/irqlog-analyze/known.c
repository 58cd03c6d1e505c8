/*
 * known: see known.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "known.h"

#include "message.h"
#include "procfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of each; a log of nonsense may tell any number. */
enum { KNOWN_MAX = 65536 };

static void release_thread(KnownThread *thread)
{
    free(thread->name);
    free(thread->role);
    free(thread->host);
    free(thread->label);
    memset(thread, 0, sizeof(*thread));
}

static void release_line(KnownLine *line)
{
    free(line->driven_by);
    free(line->owner);
    free(line->device);
    memset(line, 0, sizeof(*line));
}

void known_clear(Known *known)
{
    while (known->n_threads) {
        release_thread(&known->threads[--known->n_threads]);
    }
    while (known->n_lines) {
        release_line(&known->lines[--known->n_lines]);
    }
    free(known->threads);
    free(known->lines);
    known->threads = NULL;
    known->lines = NULL;
    known->threads_room = 0;
    known->lines_room = 0;
    map_clear(&known->thread_index);
    map_clear(&known->line_index);
}

/* Its place, made when there is none; NULL when there are too many. */
static KnownThread *place_thread(Known *known, uint32_t tid)
{
    uint32_t index = map_get(&known->thread_index, tid);

    if (!index) {
        if (known->n_threads == KNOWN_MAX) {
            return NULL;
        }
        known->threads = grow(known->threads, known->n_threads,
                              &known->threads_room, sizeof(*known->threads));
        known->n_threads++;
        index = (uint32_t)known->n_threads;
        map_put(&known->thread_index, tid, index);
    }
    return &known->threads[index - 1];
}

void known_add_thread(Known *known, const IrqlogThreadInfo *info)
{
    KnownThread *thread = place_thread(known, info->tid);

    if (thread) {
        free(thread->name);
        free(thread->role);
        free(thread->label);
        thread->label = NULL;
        thread->name = *info->name ? keep(info->name) : NULL;
        thread->role = info->role && *info->role ? keep(info->role) : NULL;
    }
}

/* What tells lines apart; of messages the device is enough. */
static uint64_t line_key(uint64_t irq, const char *path)
{
    return irq ? irq : hash_text(path) | 1ull << 63;
}

void known_add_line(Known *known, const IrqlogLineInfo *info)
{
    uint64_t key = line_key(info->irq, info->path);
    uint32_t index = map_get(&known->line_index, key);
    KnownLine *line;

    if (!index) {
        if (known->n_lines == KNOWN_MAX) {
            return;
        }
        known->lines = grow(known->lines, known->n_lines, &known->lines_room,
                            sizeof(*known->lines));
        known->n_lines++;
        index = (uint32_t)known->n_lines;
        map_put(&known->line_index, key, index);
    }
    known->told++;
    line = &known->lines[index - 1];
    release_line(line);
    line->driven_by = info->driven_by ? keep(info->driven_by) : NULL;
    line->owner = info->owner ? keep(info->owner) : NULL;
    line->device = info->device ? keep(info->device) : NULL;
}

KnownThread *known_thread(Known *known, uint32_t tid)
{
    static KnownThread stranger;
    KnownThread *thread = place_thread(known, tid);
    char name[64];

    if (!thread) {
        return &stranger;
    }
    if (known->pid && !thread->asked) {
        thread->asked = true;
        if (procfs_thread_name(known->pid, tid, name, sizeof(name)) && *name) {
            thread->host = keep(name);
        }
    }
    return thread;
}

const KnownLine *known_line(const Known *known, const IrqlogEvent *event)
{
    uint32_t index = map_get(&known->line_index,
                             line_key(event->irq, event->path));

    return index ? &known->lines[index - 1] : NULL;
}

const char *known_thread_label(KnownThread *thread)
{
    const char *name = thread->host ? thread->host : thread->name;

    if (!thread->role || !thread->host) {
        return thread->role ? thread->role : name;
    }
    if (!thread->label &&
        asprintf(&thread->label, "%s, %s", thread->role, name) < 0) {
        die_no_memory();
    }
    return thread->label;
}
