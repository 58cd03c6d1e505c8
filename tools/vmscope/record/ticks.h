/*
 * record-ticks: where vCPUs' time went by Windows' own counters, in a
 * recording.
 *
 * The counters are QEMU's to read, so it is asked now and then.  That is done
 * out of band where it can be; a QEMU that is stopped is not asked at all.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_TICKS_H
#define VMSCOPE_RECORD_TICKS_H

#include "shared/cpu-times.h"
#include "tracefile/write.h"

typedef struct RecordTicks {
    Qmp *qmp;                   /* NULL: nobody can be asked */
    pid_t pid;                  /* of QEMU; 0: not known */
    uint64_t every_ns;
    uint64_t next_ns;           /* when to ask again */
    CpuTimes times;
} RecordTicks;

/*
 * Whether QEMU is stopped, by a signal or a debugger: an answer would take
 * until it goes on.  @pid 0 is not known, and not stopped.
 */
bool record_qemu_is_stopped(pid_t pid);

/**
 * record_ticks_begin - begin to ask
 * @pid: of QEMU, 0 when not known
 * @every_ns: how often
 */
void record_ticks_begin(RecordTicks *ticks, Qmp *qmp, pid_t pid,
                        uint64_t every_ns);
void record_ticks_end(RecordTicks *ticks);

/**
 * record_ticks_look - ask, when it is due, and write what was answered
 * @last: it is due
 *
 * Returns: false with a sentence when writing has failed
 */
bool record_ticks_look(RecordTicks *ticks, uint64_t now_ns, bool last,
                       TraceWriter *writer, Err *err);

#endif
