/*
 * record-trace: a trace of QEMU's, turned on for a recording.
 *
 * A trace that is on belongs to somebody else, and turning it on anew would
 * throw away what its ring holds; so it is left alone unless told otherwise,
 * and then it is put back as it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_TRACE_H
#define VMSCOPE_RECORD_TRACE_H

#include "source/tracing.h"

typedef struct RecordTrace {
    Qmp *qmp;
    TracingKind kind;
    bool on;            /* by us, or it may be */
    json_t *before;     /* what turns it on as it was; NULL: it was off */
} RecordTrace;

/**
 * record_trace_begin - turn a trace on, with a ring of its own
 * @trace: filled in; ended with record_trace_restore(), also after a failure
 * @options: members for the command that turns it on, besides "enable"; this
 *           takes over the reference
 * @force: restart it if it is on
 */
bool record_trace_begin(RecordTrace *trace, Qmp *qmp, TracingKind kind,
                        json_t *options, bool force, Err *err);

/**
 * record_trace_stop - turn it off; its ring is complete then
 *
 * Works after SIGINT.  Says so when it cannot be done and QEMU is alive.
 */
void record_trace_stop(RecordTrace *trace);

/* Stop it, and if it was on before, turn it on as it was. */
void record_trace_restore(RecordTrace *trace);

/* "the IRQ log" */
const char *record_trace_name(TracingKind kind);

#endif
