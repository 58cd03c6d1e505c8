/*
 * record-drivers: which drivers serve which interrupt vectors, in a recording.
 *
 * The table is the guest's; QEMU reads it when it is asked, which is done now
 * and then as in record-ticks, because drivers come and go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_DRIVERS_H
#define VMSCOPE_RECORD_DRIVERS_H

#include "common/map.h"
#include "source/qmp.h"
#include "tracefile/write.h"

typedef struct RecordDrivers {
    Qmp *qmp;                   /* NULL: nobody can be asked */
    pid_t pid;                  /* of QEMU; 0: not known */
    uint64_t every_ns;
    uint64_t next_ns;           /* when to ask again */
    TraceVector *told;          /* what this file says already */
    size_t n_told;
    size_t room;
    Map by_vector;              /* index plus 1 */
} RecordDrivers;

/**
 * record_drivers_begin - begin to ask
 * @pid: of QEMU, 0 when not known
 * @every_ns: how often
 */
void record_drivers_begin(RecordDrivers *drivers, Qmp *qmp, pid_t pid,
                          uint64_t every_ns);
void record_drivers_end(RecordDrivers *drivers);

/* Another file begins: it has to be told all. */
void record_drivers_again(RecordDrivers *drivers);

/**
 * record_drivers_look - ask, when it is due, and write what is new
 * @last: it is due
 *
 * Returns: false with a sentence when writing has failed
 */
bool record_drivers_look(RecordDrivers *drivers, uint64_t now_ns, bool last,
                         TraceWriter *writer, Err *err);

#endif
