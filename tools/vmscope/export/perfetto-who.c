/*
 * perfetto-who: processes and threads, as Perfetto's importer takes them.
 *
 * A switch names a thread by its id alone, which stands for the last thread
 * that a descriptor gave this id to.  A descriptor with a new uuid makes a
 * new thread or process; one with a known uuid can change its name, not its
 * ids.  A new process comes with a main thread, whose tid is the pid.  So:
 *
 * - a descriptor comes a nanosecond before the first switch to the thread, as
 *   of two things at one instant either may be taken first;
 * - it comes again, with a new uuid, when ids were learned since, or when the
 *   id has become somebody else's meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/perfetto.h"

#include <stdlib.h>

/*
 * Ids for those who have none of their own; those of Windows are smaller.
 * Perfetto has them as int32.  Those of threads and of processes differ, as
 * each process has a thread of its id there.
 */
enum {
    MADE_UP_TID = 0x40000000,
    MADE_UP_PID = 0x50000000,
    NOBODY_TID = 0x7ffffffe,    /* of vCPU 0; other vCPUs' are below */
    NOBODY_PID = 0x7fffffff,
    MAIN_THREAD = UINT32_MAX,   /* owner of a tid: a process's own */
};

_Static_assert(MADE_UP_TID + TRACE_WHO_MAX <= MADE_UP_PID &&
               MADE_UP_PID + TRACE_WHO_MAX <= NOBODY_TID - TRACE_MAX_VCPUS,
               "ids that are made up do not meet");

static PerfettoTold *told_at(PerfettoTold **told, size_t *n, size_t *room,
                             uint32_t index)
{
    while (*n <= index) {
        *told = grow(*told, *n, room, sizeof(**told));
        (*n)++;
    }
    return &(*told)[index];
}

static uint32_t pid_of(const Export *export, uint32_t index)
{
    const TraceProcess *process = &export->who.processes[index];

    return process->has_pid && process->pid < MADE_UP_TID
        ? process->pid : MADE_UP_PID + index;
}

static uint32_t tid_of(const Export *export, uint32_t index)
{
    const TraceThread *thread = &export->who.threads[index];

    return thread->has_ids && thread->tid && thread->tid < MADE_UP_TID
        ? thread->tid : MADE_UP_TID + index;
}

static void begin_descriptor(Perfetto *p, uint64_t uuid, uint64_t ns)
{
    perfetto_begin_packet(p, ns ? ns - 1 : 0);
    proto_begin(&p->body);
    proto_uint(&p->body, 1, uuid);                  /* TrackDescriptor */
    proto_begin(&p->inner);
}

static void end_descriptor(Export *export, unsigned field)
{
    Perfetto *p = export->own;

    proto_message(&p->body, field, &p->inner);
    proto_message(&p->packet, PACKET_TRACK_DESCRIPTOR, &p->body);
    perfetto_end_packet(export);
}

/* The path becomes an argument of the process, "chrome.process_label". */
static void put_process(Export *export, uint64_t uuid, uint32_t pid,
                        const char *name, const char *path, uint64_t ns)
{
    Perfetto *p = export->own;

    begin_descriptor(p, uuid, ns);
    proto_uint(&p->inner, 1, pid);                  /* ProcessDescriptor */
    proto_text(&p->inner, 6, name);
    if (path) {
        proto_text(&p->inner, 8, path);
    }
    end_descriptor(export, 3);
}

static void put_thread(Export *export, uint64_t uuid, uint32_t pid,
                       uint32_t tid, const char *name, uint64_t ns)
{
    Perfetto *p = export->own;

    begin_descriptor(p, uuid, ns);
    proto_uint(&p->inner, 1, pid);                  /* ThreadDescriptor */
    proto_uint(&p->inner, 2, tid);
    if (name[0]) {
        proto_text(&p->inner, 5, name);
    }
    end_descriptor(export, 4);
}

static uint64_t new_uuid(PerfettoWho *who)
{
    return PERFETTO_TRACK_WHO + ++who->n_uuids;
}

/* Returns: the uuid that stands for it from now on. */
static uint64_t tell_process(Export *export, uint32_t index, uint64_t ns)
{
    PerfettoWho *who = &((Perfetto *)export->own)->who;
    PerfettoTold *told = told_at(&who->processes, &who->n_processes,
                                 &who->processes_room, index);
    uint32_t pid = pid_of(export, index);
    char label[TRACE_LABEL_ROOM];
    const TraceProcess *process = &export->who.processes[index];
    const char *name = trace_process_label(process, label, sizeof(label));
    uint64_t names = hash_text(name) ^
                     (process->path ? hash_text(process->path) * 31 : 0);
    bool known = told->uuid && told->pid == pid &&
                 map_get(&who->pid_owner, pid) == index + 1;

    if (known && told->names == names) {
        return told->uuid;
    }
    if (!known) {
        told->uuid = new_uuid(who);
        told->pid = pid;
        map_set(&who->pid_owner, pid, index + 1);
        map_set(&who->tid_owner, pid, MAIN_THREAD);
    }
    told->names = names;
    put_process(export, told->uuid, pid, name, process->path, ns);
    return told->uuid;
}

static uint32_t tell_nobody(Export *export, unsigned vcpu, uint64_t ns)
{
    PerfettoWho *who = &((Perfetto *)export->own)->who;
    uint32_t tid = NOBODY_TID - vcpu;

    if (!who->told_nobody[vcpu]) {
        who->told_nobody[vcpu] = true;
        put_thread(export, new_uuid(who), NOBODY_PID, tid, "(not known)", ns);
    }
    return tid;
}

uint32_t perfetto_tell_thread(Export *export, unsigned vcpu, uint32_t index,
                              uint64_t ns)
{
    PerfettoWho *who = &((Perfetto *)export->own)->who;
    const TraceThread *thread = &export->who.threads[index];
    const char *name = thread->idle_unknown ? "unknown, may be idle"
                                            : thread->name;
    PerfettoTold *told;
    uint64_t process_uuid;
    uint64_t names;
    uint32_t tid;
    bool known;

    if (!index) {
        return tell_nobody(export, vcpu, ns);
    }
    if (thread->idle) {
        return 0;
    }
    tid = tid_of(export, index);
    process_uuid = tell_process(export, thread->process, ns);
    told = told_at(&who->threads, &who->n_threads, &who->threads_room, index);
    names = hash_text(name);
    known = told->uuid && told->tid == tid &&
            told->process_uuid == process_uuid &&
            map_get(&who->tid_owner, tid) == index + 1;
    if (known && told->names == names) {
        return tid;
    }
    if (!known) {
        told->uuid = new_uuid(who);
        told->process_uuid = process_uuid;
        told->pid = pid_of(export, thread->process);
        told->tid = tid;
        map_set(&who->tid_owner, tid, index + 1);
    }
    told->names = names;
    put_thread(export, told->uuid, told->pid, tid, name, ns);
    return tid;
}

void perfetto_who_free(PerfettoWho *who)
{
    free(who->threads);
    free(who->processes);
    map_clear(&who->tid_owner);
    map_clear(&who->pid_owner);
}
