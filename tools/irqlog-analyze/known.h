/*
 * known: what has been told of threads and lines, besides the events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_KNOWN_H
#define IRQLOG_ANALYZE_KNOWN_H

#include "common/map.h"
#include "irqlog/event.h"

/* Strings are owned by Known; NULL: not told. */
typedef struct KnownThread {
    char *name;             /* as the log says */
    char *role;
    char *host;             /* as the host says, of --pid */
    char *label;            /* role and name; NULL: not made up yet */
    bool asked;             /* the host, already */
} KnownThread;

typedef struct KnownLine {
    char *driven_by;
    char *owner;
    char *device;
} KnownLine;

typedef struct Known {
    uint32_t pid;           /* of --pid; 0: the host is not asked */
    Map thread_index;       /* tid to index plus 1 */
    KnownThread *threads;
    size_t n_threads;
    size_t threads_room;
    Map line_index;         /* hash of the address, and for a message of its
                               path, to index plus 1 */
    KnownLine *lines;
    uint64_t told;          /* lines told of so far */
    size_t n_lines;
    size_t lines_room;
} Known;

void known_clear(Known *known);
void known_add_thread(Known *known, const IrqlogThreadInfo *info);
void known_add_line(Known *known, const IrqlogLineInfo *info);

/* Borrowed until the next call; never NULL. */
KnownThread *known_thread(Known *known, uint32_t tid);

/* Borrowed until the next call; NULL when nothing was told. */
const KnownLine *known_line(const Known *known, const IrqlogEvent *event);

/*
 * What a thread is called: its role and, with --pid, the host's name behind
 * it; without a role that name, else the log's.  NULL when it has none;
 * borrowed as the thread is.
 */
const char *known_thread_label(KnownThread *thread);

#endif
