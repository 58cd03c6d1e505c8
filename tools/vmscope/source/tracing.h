/*
 * tracing: QEMU's traces turned on for a while, and left as they were found.
 *
 * A trace that is on already is used as it is and stays on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACING_H
#define VMSCOPE_TRACING_H

#include "source/qmp.h"

typedef enum TracingKind {
    TRACING_SCHED,      /* windows-sched-trace-set */
    TRACING_IRQ,        /* irq-log-set */
} TracingKind;

typedef struct Tracing {
    Qmp *qmp;
    TracingKind kind;
    bool turned_on;     /* by us */
} Tracing;

/**
 * tracing_status - ask for a trace's status
 *
 * Returns: the answer, to be released with json_decref(), or NULL with a
 * sentence
 */
json_t *tracing_status(Qmp *qmp, TracingKind kind, Err *err);

/* Whether a status says that the trace is on. */
bool tracing_is_on(const json_t *status, TracingKind kind);

/**
 * tracing_begin - see to it that a trace is on
 * @tracing: filled in; ended with tracing_end(), also after a failure
 * @may_enable: turn it on if it is off, and say so
 * @options: members for the command that turns it on, besides "enable";
 *           NULL for none; this takes over the reference
 *
 * Returns: false with a sentence when it is off and stays off
 */
bool tracing_begin(Tracing *tracing, Qmp *qmp, TracingKind kind,
                   bool may_enable, json_t *options, Err *err);

/**
 * tracing_turn_on - the same for a trace that is known to be off
 *
 * Says nothing: for whoever has asked the user before.
 */
bool tracing_turn_on(Tracing *tracing, Qmp *qmp, TracingKind kind,
                     json_t *options, Err *err);

/**
 * tracing_end - turn off what tracing_begin() turned on
 *
 * Works after SIGINT too; says so when it cannot be done.  A second call does
 * nothing.
 */
void tracing_end(Tracing *tracing);

#endif
