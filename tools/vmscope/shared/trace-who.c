/*
 * trace-who: see trace-who.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/trace-who.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Different ones under one key, at most: a guest could make many. */
enum { SAME_KEY_MAX = 64 };

void trace_who_init(TraceWho *who)
{
    memset(who, 0, sizeof(*who));
    who->threads = grow(NULL, 0, &who->threads_room,
                        sizeof(*who->threads));
    who->processes = grow(NULL, 0, &who->processes_room,
                          sizeof(*who->processes));
    who->n_threads = 1;
    who->n_processes = 1;
}

void trace_who_free(TraceWho *who)
{
    size_t i;

    for (i = 0; i < who->n_processes; i++) {
        free(who->processes[i].path);
    }
    free(who->threads);
    free(who->processes);
    map_clear(&who->by_thread);
    map_clear(&who->by_address);
    map_clear(&who->by_process);
}

/* Keys are numbers that differ where it matters; equality is checked. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b * 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
    return a ^ a >> 31;
}

/* Processes. */

static bool same_process(const TraceProcess *process,
                         const SchedlogEvent *event)
{
    bool has_pid = event->has & SCHEDLOG_HAS_IDS;

    return process->process == event->process &&
           process->has_pid == has_pid && process->pid == event->pid &&
           (!(event->has & SCHEDLOG_HAS_IMAGE) || !process->image[0] ||
            !strcmp(process->image, event->image));
}

static uint32_t add_process(TraceWho *who, const SchedlogEvent *event,
                            uint64_t key)
{
    TraceProcess *process;

    if (who->n_processes == TRACE_WHO_MAX) {
        who->refused++;
        return 0;
    }
    who->processes = grow(who->processes, who->n_processes,
                          &who->processes_room, sizeof(*process));
    process = &who->processes[who->n_processes];
    process->process = event->process;
    process->has_pid = event->has & SCHEDLOG_HAS_IDS;
    process->pid = event->pid;
    map_put(&who->by_process, key, (uint32_t)who->n_processes);
    return (uint32_t)who->n_processes++;
}

static void learn_image(TraceProcess *process, const SchedlogEvent *event)
{
    if (memcmp(process->image, event->image, sizeof(process->image))) {
        memcpy(process->image, event->image, sizeof(process->image));
        names_image(process->image, process->name);
    }
}

static uint32_t find_process(TraceWho *who, const SchedlogEvent *event)
{
    uint64_t key = mix(event->process, event->pid);
    unsigned tries = 0;
    uint32_t found;

    if (!(event->has & (SCHEDLOG_HAS_PROCESS | SCHEDLOG_HAS_IDS))) {
        return 0;
    }
    while ((found = map_get(&who->by_process, key)) &&
           !same_process(&who->processes[found], event) &&
           ++tries < SAME_KEY_MAX) {
        key++;
    }
    if (!found) {
        found = add_process(who, event, key);
    }
    if (found && event->has & SCHEDLOG_HAS_IMAGE) {
        learn_image(&who->processes[found], event);
    }
    return found;
}

void trace_who_path(TraceWho *who, const TracePath *path)
{
    SchedlogEvent event = {
        .has = SCHEDLOG_HAS_PROCESS | SCHEDLOG_HAS_IDS,
        .process = path->process,
        .pid = path->pid,
    };
    TraceProcess *process;
    uint32_t found;

    if (!path->path[0]) {
        return;
    }
    if (path->image[0]) {
        event.has |= SCHEDLOG_HAS_IMAGE;
        memcpy(event.image, path->image, sizeof(event.image));
    }
    found = find_process(who, &event);
    process = &who->processes[found];
    if (!found || (!process->path && who->n_paths == TRACE_WHO_PATHS)) {
        return;
    }
    who->n_paths += !process->path;
    free(process->path);
    process->path = keep(path->path);
}

/* Threads. */

static bool same_thread(const TraceThread *thread, const SchedlogEvent *event)
{
    return thread->thread == event->thread && thread->has_ids &&
           thread->pid == event->pid && thread->tid == event->tid;
}

static uint32_t add_thread(TraceWho *who, const SchedlogEvent *event)
{
    TraceThread *thread;

    if (who->n_threads == TRACE_WHO_MAX) {
        who->refused++;
        return 0;
    }
    who->threads = grow(who->threads, who->n_threads, &who->threads_room,
                        sizeof(*thread));
    thread = &who->threads[who->n_threads];
    thread->thread = event->thread;
    thread->vcpu = event->vcpu;
    thread->has_ids = event->has & SCHEDLOG_HAS_IDS;
    thread->pid = event->pid;
    thread->tid = event->tid;
    return (uint32_t)who->n_threads++;
}

/* By address and ids; one that had no ids yet may get them now. */
static uint32_t find_with_ids(TraceWho *who, const SchedlogEvent *event,
                              uint32_t last)
{
    uint64_t key = mix(event->thread,
                       (uint64_t)event->pid << 32 | event->tid);
    unsigned tries = 0;
    uint32_t found;

    while ((found = map_get(&who->by_thread, key)) &&
           !same_thread(&who->threads[found], event) &&
           ++tries < SAME_KEY_MAX) {
        key++;
    }
    if (found) {
        return found;
    }
    if (last && !who->threads[last].has_ids) {
        found = last;
        who->threads[found].has_ids = true;
        who->threads[found].pid = event->pid;
        who->threads[found].tid = event->tid;
    } else {
        found = add_thread(who, event);
    }
    if (found) {
        map_put(&who->by_thread, key, found);
    }
    return found;
}

static void learn(TraceWho *who, uint32_t index, const SchedlogEvent *event)
{
    TraceThread *thread = &who->threads[index];
    uint32_t process = find_process(who, event);

    thread->idle |= (event->has & SCHEDLOG_IDLE) != 0;
    thread->idle_unknown = !thread->idle &&
                           event->has & SCHEDLOG_IDLE_UNKNOWN;
    if (process) {
        thread->process = process;
        who->processes[process].ran = true;
    }
    if (event->has & SCHEDLOG_HAS_NAME && event->name[0]) {
        memcpy(thread->name, event->name, sizeof(event->name));
    }
}

uint32_t trace_who_thread(TraceWho *who, const SchedlogEvent *event)
{
    uint32_t last;
    uint32_t found;

    if (!event->thread) {
        return 0;
    }
    last = map_get(&who->by_address, event->thread);
    if (event->has & SCHEDLOG_HAS_IDS) {
        found = find_with_ids(who, event, last);
    } else {
        found = last ? last : add_thread(who, event);
    }
    if (found) {
        if (found != last) {
            map_set(&who->by_address, event->thread, found);
        }
        learn(who, found, event);
    }
    return found;
}

const char *trace_process_label(const TraceProcess *process, char *buf,
                                size_t size)
{
    const char *leaf = process->path ? names_leaf(process->path) : "";

    /* Names cannot have a backslash in them; a guest's may. */
    if (*leaf && strlen(leaf) < size &&
        strlen(leaf) >= strlen(process->image)) {
        snprintf(buf, size, "%s", leaf);
        return buf;
    }
    if (process->name[0]) {
        return process->name;
    }
    if (process->has_pid) {
        snprintf(buf, size, "process %" PRIu32, process->pid);
    } else if (process->process) {
        snprintf(buf, size, "process at %#" PRIx64, process->process);
    } else {
        return "(unknown)";
    }
    return buf;
}
