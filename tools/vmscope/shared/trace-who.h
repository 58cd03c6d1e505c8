/*
 * trace-who: the threads and processes of a recording.
 *
 * A guest uses the addresses of its objects, and its ids, again and again:
 * who somebody is, is address and ids together.  Index 0 stands for nobody
 * known, and for those for whom there is no more room.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACE_WHO_H
#define VMSCOPE_TRACE_WHO_H

#include "common/map.h"
#include "schedlog/store.h"
#include "shared/names.h"
#include "tracefile/format.h"

enum {
    TRACE_WHO_MAX = 1 << 20,
    TRACE_WHO_PATHS = 1 << 16,  /* processes whose path is kept */
};

typedef struct TraceProcess {
    uint64_t process;           /* address; 0: not known */
    uint32_t pid;
    bool has_pid;
    char image[SCHEDLOG_IMAGE_SIZE];    /* the guest's bytes */
    char name[NAMES_ROOM];              /* what they mean, see names.h */
    char *path;                         /* of the image; NULL: not known */
    bool ran;                           /* a thread of it was seen */
} TraceProcess;

/* What trace_process_label() gives is shorter. */
enum { TRACE_LABEL_ROOM = NAMES_ROOM };

typedef struct TraceThread {
    uint64_t thread;            /* address */
    uint32_t process;           /* index */
    uint32_t pid, tid;
    bool has_ids;
    bool idle;
    bool idle_unknown;          /* it may be: nobody knew yet */
    uint16_t vcpu;              /* where it was seen first */
    char name[SCHEDLOG_NAME_SIZE];
} TraceThread;

/* Is its time no work that was done, as far as is known? */
static inline bool trace_thread_may_be_idle(const TraceThread *thread)
{
    return thread->idle || thread->idle_unknown;
}

typedef struct TraceWho {
    TraceThread *threads;
    size_t n_threads;           /* index 0 counts */
    size_t threads_room;
    TraceProcess *processes;
    size_t n_processes;
    size_t processes_room;
    Map by_thread;
    Map by_address;             /* the last thread there */
    Map by_process;
    size_t n_paths;
    uint64_t refused;           /* lookups for which there was no room */
} TraceWho;

void trace_who_init(TraceWho *who);
void trace_who_free(TraceWho *who);

/**
 * trace_who_thread - the thread that a switch led to
 *
 * Learns names that it did not know.  Ends the program without memory.
 *
 * Returns: its index
 */
uint32_t trace_who_thread(TraceWho *who, const SchedlogEvent *event);

/* Where a process' image lies; it may not have run, and may never. */
void trace_who_path(TraceWho *who, const TracePath *path);

/* "chrome.exe", whole where its path is known, or what else tells a process; in @buf or static. */
const char *trace_process_label(const TraceProcess *process, char *buf,
                                size_t size);

#endif
