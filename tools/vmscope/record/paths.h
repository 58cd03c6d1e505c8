/*
 * record-paths: where the images of processes lie, in a recording.
 *
 * No ring holds paths: QEMU reads them when it is asked for the list of
 * processes.  That is done when a process has run that was not seen before,
 * and now and then: one that ends before has none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_PATHS_H
#define VMSCOPE_RECORD_PATHS_H

#include "common/map.h"
#include "source/qmp.h"
#include "tracefile/write.h"

typedef struct RecordPaths {
    Qmp *qmp;                   /* NULL: nobody can be asked */
    pid_t pid;                  /* of QEMU; 0: not known */
    uint64_t every_ns;          /* how often at most */
    uint64_t next_ns;           /* when to ask again, if there is a reason */
    uint64_t late_ns;           /* and when, though there is none */
    bool wanted;                /* a process has run that was not seen before */
    json_t *answer;             /* the newest, or NULL */
    Map seen;                   /* id of the process at an address, + 1 */
    Map told;                   /* in this file: hashes of entries */
} RecordPaths;

/**
 * record_paths_begin - begin to ask
 * @pid: of QEMU, 0 when not known
 * @every_ns: how often at most
 */
void record_paths_begin(RecordPaths *paths, Qmp *qmp, pid_t pid,
                        uint64_t every_ns);
void record_paths_end(RecordPaths *paths);

/* A switch that is being recorded. */
void record_paths_see(RecordPaths *paths, const SchedlogEvent *event);

/**
 * record_paths_again - a new file has begun: tell of all again
 *
 * Returns: false with a sentence when writing has failed
 */
bool record_paths_again(RecordPaths *paths, TraceWriter *writer, Err *err);

/**
 * record_paths_look - ask, when there is a reason, and write what is new
 * @last: there is one
 *
 * Returns: false with a sentence when writing has failed
 */
bool record_paths_look(RecordPaths *paths, uint64_t now_ns, bool last,
                       TraceWriter *writer, Err *err);

#endif
