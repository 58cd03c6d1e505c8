/*
 * record-trace: see record-trace.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/trace.h"

#include "common/message.h"
#include "common/translate.h"

#include <string.h>

typedef struct Kind {
    const char *name;
    const char *set;
    const char *const *kept;    /* members of the status to put back */
} Kind;

static const char *const sched_kept[] = { "mode", "poll-hz", "ring-file",
                                          NULL };
static const char *const irq_kept[] = { "text", "text-limit", "log-file",
                                        "ring-file", "entries", "backtrace", "msi",
                                        "changes-only", NULL };

static const Kind kinds[] = {
    [TRACING_SCHED] = { N_("the Windows scheduler trace"),
                        "windows-sched-trace-set", sched_kept },
    [TRACING_IRQ] = { N_("the IRQ log"), "irq-log-set", irq_kept },
};

const char *record_trace_name(TracingKind kind)
{
    return _(kinds[kind].name);
}

/* Offsets that the user gave when the trace was turned on. */
static json_t *overrides_of(const json_t *status)
{
    const json_t *offsets = json_object_get(status, "offsets");
    json_t *overrides = json_object();
    size_t i;

    for (i = 0; i < json_array_size(offsets); i++) {
        const json_t *offset = json_array_get(offsets, i);

        if (!strcmp(qmp_text(offset, "source", ""), "override")) {
            qmp_set(overrides, qmp_text(offset, "name", ""),
                    json_integer(qmp_int(offset, "value", 0)));
        }
    }
    return overrides;
}

/* The capacity asked for, from that of the whole ring. */
static json_t *entries_of(const json_t *status)
{
    size_t n = json_array_size(json_object_get(status, "vcpus"));

    return json_integer(qmp_int(status, "entries", 65536) /
                        (json_int_t)(n ? n : 1));
}

/* What would turn the trace on as it is now. */
static json_t *options_of(TracingKind kind, const json_t *status)
{
    const char *const *key = kinds[kind].kept;
    json_t *options = json_object();

    for (; *key; key++) {
        if (qmp_has(status, *key)) {
            qmp_set(options, *key,
                    json_incref(json_object_get(status, *key)));
        }
    }
    if (kind == TRACING_SCHED) {
        qmp_set(options, "entries", entries_of(status));
        qmp_set(options, "overrides", overrides_of(status));
    }
    return options;
}

static bool run_set(RecordTrace *trace, json_t *options, bool enable,
                    Err *err)
{
    json_t *arguments = options ? options : json_object();

    qmp_set(arguments, "enable", json_boolean(enable));
    return qmp_run(trace->qmp, kinds[trace->kind].set, arguments, err);
}

/* Make room for ours where there is one already. */
static bool take_over(RecordTrace *trace, const json_t *status, bool force,
                      Err *err)
{
    const char *name = _(kinds[trace->kind].name);

    if (!tracing_is_on(status, trace->kind)) {
        return true;
    }
    if (!force) {
        err_set(err, ERR_USAGE, "%s: %s is on already, and a recording would "
                "throw away what it has: turn it off with %s, or give "
                "--force to restart it and have it on again at the end",
                qmp_place(trace->qmp), name, kinds[trace->kind].set);
        return false;
    }
    trace->before = options_of(trace->kind, status);
    trace->on = true;
    if (!run_set(trace, NULL, false, err)) {
        return false;
    }
    message("%s was on: restarted, and on again as it was at the end", name);
    return true;
}

bool record_trace_begin(RecordTrace *trace, Qmp *qmp, TracingKind kind,
                        json_t *options, bool force, Err *err)
{
    json_t *status = tracing_status(qmp, kind, err);
    bool ready;

    *trace = (RecordTrace) { .qmp = qmp, .kind = kind };
    ready = status && take_over(trace, status, force, err);
    json_decref(status);
    if (!ready) {
        json_decref(options);
        return false;
    }
    /* Cut short, the command may have been carried out all the same. */
    trace->on = true;
    if (!run_set(trace, options, true, err)) {
        trace->on = qmp_failure(qmp) == QMP_STOPPED;
        return false;
    }
    return true;
}

void record_trace_stop(RecordTrace *trace)
{
    Err err;

    if (!trace->on) {
        return;
    }
    trace->on = false;
    if (!qmp_alive(trace->qmp)) {
        return;
    }
    qmp_finish(trace->qmp);
    if (!run_set(trace, NULL, false, &err) && qmp_alive(trace->qmp)) {
        message("%s is still on: %s", _(kinds[trace->kind].name), err.text);
    }
}

void record_trace_restore(RecordTrace *trace)
{
    json_t *before = trace->before;
    Err err;

    record_trace_stop(trace);
    trace->before = NULL;
    if (!before || !qmp_alive(trace->qmp)) {
        json_decref(before);
        return;
    }
    qmp_finish(trace->qmp);
    if (!run_set(trace, before, true, &err)) {
        message("%s was on before and could not be turned on again: %s",
                _(kinds[trace->kind].name), err.text);
    }
}
