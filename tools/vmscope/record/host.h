/*
 * record-host: the host's side of each vCPU, in a recording.
 *
 * A span of each vCPU at every look; those in which it hardly waited become
 * one, up to the next mark.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_HOST_H
#define VMSCOPE_RECORD_HOST_H

#include "source/host-times.h"
#include "tracefile/write.h"

typedef struct RecordHost {
    HostTimes *times;           /* NULL: nothing is known of the host */
    TraceHost held[HOST_TIMES_VCPUS];   /* not yet written; to_ns 0: none */
} RecordHost;

void record_host_begin(RecordHost *host, Qmp *qmp);
void record_host_end(RecordHost *host);

/* Read how each vCPU was let run, and write what is complete. */
bool record_host_look(RecordHost *host, TraceWriter *writer, Err *err);

/* Write what is held back. */
bool record_host_flush(RecordHost *host, TraceWriter *writer, Err *err);

#endif
