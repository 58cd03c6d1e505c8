/*
 * tracing: see tracing.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracing.h"

#include "common/message.h"

#include <string.h>

typedef struct KindNames {
    const char *what;
    const char *set;
    const char *status;
} KindNames;

static const KindNames names[] = {
    [TRACING_SCHED] = { "the Windows scheduler trace",
                        "windows-sched-trace-set",
                        "query-windows-sched-trace-status" },
    [TRACING_IRQ] = { "the IRQ log", "irq-log-set", "query-irq-log-status" },
};

json_t *tracing_status(Qmp *qmp, TracingKind kind, Err *err)
{
    return qmp_command(qmp, names[kind].status, NULL, err);
}

bool tracing_is_on(const json_t *status, TracingKind kind)
{
    if (kind == TRACING_IRQ) {
        return qmp_bool(status, "enabled", false);
    }
    return strcmp(qmp_text(status, "state", "disabled"), "disabled") != 0;
}

static json_t *with_enable(json_t *options, bool enable)
{
    json_t *arguments = options ? options : json_object();

    if (!arguments ||
        json_object_set_new(arguments, "enable", json_boolean(enable))) {
        die_no_memory();
    }
    return arguments;
}

static bool turn_on(Tracing *tracing, json_t *options, Err *err)
{
    const KindNames *kind = &names[tracing->kind];

    /* Cut short, the command may have been carried out all the same. */
    tracing->turned_on = true;
    if (!qmp_run(tracing->qmp, kind->set, with_enable(options, true), err)) {
        tracing->turned_on = qmp_failure(tracing->qmp) == QMP_STOPPED;
        return false;
    }
    message("%s was off: turned on, and off again at the end", kind->what);
    return true;
}

bool tracing_begin(Tracing *tracing, Qmp *qmp, TracingKind kind,
                   bool may_enable, json_t *options, Err *err)
{
    json_t *status = tracing_status(qmp, kind, err);
    bool on = status && tracing_is_on(status, kind);

    *tracing = (Tracing) { qmp, kind, false };
    if (status && !on && may_enable) {
        on = turn_on(tracing, options, err);
        options = NULL;
    } else if (status && !on) {
        err_set(err, ERR_USAGE, "%s: %s is off: turn it on with %s, or leave "
                "out --no-enable", qmp_place(qmp), names[kind].what,
                names[kind].set);
    }
    json_decref(options);
    json_decref(status);
    return on;
}

void tracing_end(Tracing *tracing)
{
    const KindNames *kind = &names[tracing->kind];
    Err err;

    if (!tracing->turned_on) {
        return;
    }
    tracing->turned_on = false;
    if (!qmp_alive(tracing->qmp)) {
        return;     /* and why has been said */
    }
    qmp_finish(tracing->qmp);
    if (!qmp_run(tracing->qmp, kind->set, with_enable(NULL, false), &err)) {
        message("%s is still on: %s", kind->what, err.text);
    }
}
