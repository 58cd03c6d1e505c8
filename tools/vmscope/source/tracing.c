/*
 * tracing: see tracing.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/tracing.h"

#include "common/message.h"
#include "common/translate.h"

#include <string.h>

typedef struct KindNames {
    const char *what;
    const char *set;
    const char *status;
} KindNames;

static const KindNames names[] = {
    [TRACING_SCHED] = { N_("the Windows scheduler trace"),
                        "windows-sched-trace-set",
                        "query-windows-sched-trace-status" },
    [TRACING_IRQ] = { N_("the IRQ log"), "irq-log-set",
                      "query-irq-log-status" },
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

    qmp_set(arguments, "enable", json_boolean(enable));
    return arguments;
}

bool tracing_turn_on(Tracing *tracing, Qmp *qmp, TracingKind kind,
                     json_t *options, Err *err)
{
    /* Cut short, the command may have been carried out all the same. */
    *tracing = (Tracing) { qmp, kind, true };
    if (!qmp_run(qmp, names[kind].set, with_enable(options, true), err)) {
        tracing->turned_on = qmp_failure(qmp) == QMP_STOPPED;
        return false;
    }
    return true;
}

static void tell_turned_on(const Tracing *tracing)
{
    if (tracing->kind == TRACING_SCHED && qmp_is_attached(tracing->qmp)) {
        message("QEMU process %d is looked at from outside",
                (int)qmp_pid(tracing->qmp));
    } else {
        message("%s was off: turned on, and off again at the end",
                _(names[tracing->kind].what));
    }
}

bool tracing_begin(Tracing *tracing, Qmp *qmp, TracingKind kind,
                   bool may_enable, json_t *options, Err *err)
{
    json_t *status = tracing_status(qmp, kind, err);
    bool on = status && tracing_is_on(status, kind);

    *tracing = (Tracing) { qmp, kind, false };
    if (status && !on && may_enable) {
        on = tracing_turn_on(tracing, qmp, kind, options, err);
        options = NULL;
        if (on) {
            tell_turned_on(tracing);
        }
    } else if (status && !on) {
        err_set(err, ERR_USAGE, "%s: %s is off: turn it on with %s, or leave "
                "out --no-enable", qmp_place(qmp), _(names[kind].what),
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
        message("%s is still on: %s", _(kind->what), err.text);
    }
}
