/*
 * attach/monitor: see monitor.h.
 *
 * Source: qemu/qemu: qapi/machine.json, qapi/misc.json, qapi/run-state.json,
 * hmp-commands-info.hx.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/monitor.h"

#include "source/attach/registers.h"

#include "common/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text that a line of the human monitor gives; freed with free(). */
static char *ask(Qmp *qmp, const char *line, Err *err)
{
    json_t *answer = qmp_command_apart(qmp, "human-monitor-command",
                                 json_pack("{s:s}", "command-line", line),
                                 err);
    char *text;

    if (!answer) {
        return NULL;
    }
    text = strdup(json_is_string(answer) ? json_string_value(answer) : "");
    json_decref(answer);
    if (!text) {
        die_no_memory();
    }
    return text;
}

/* One question a block is enough: ranges of it lie side by side. */
static uint64_t hva_of_block(const AttachLayout *layout, unsigned index)
{
    const AttachRange *range = &layout->ranges[index];
    unsigned i;

    for (i = 0; i < index; i++) {
        const AttachRange *other = &layout->ranges[i];

        if (other->hva && range->block[0] &&
            !strcmp(other->block, range->block) &&
            (other->offset + other->size <= range->offset ||
             range->offset + range->size <= other->offset)) {
            return other->hva - other->offset + range->offset;
        }
    }
    return 0;
}

static bool ask_hva(Qmp *qmp, AttachRange *range, Err *err)
{
    char line[64];
    char *text;

    snprintf(line, sizeof(line), "gpa2hva 0x%" PRIx64, range->gpa);
    text = ask(qmp, line, err);
    range->hva = text ? attach_layout_parse_gpa2hva(text) : 0;
    free(text);
    return text != NULL;
}

/* Those of which QEMU knows no address are no RAM to us. */
static void drop_unknown(AttachLayout *layout)
{
    unsigned n = 0;
    unsigned i;

    layout->bytes = 0;
    for (i = 0; i < layout->n; i++) {
        if (layout->ranges[i].hva) {
            layout->bytes += layout->ranges[i].size;
            layout->ranges[n++] = layout->ranges[i];
        }
    }
    layout->n = n;
}

bool attach_monitor_layout(Qmp *qmp, AttachLayout *layout, Err *err)
{
    char *text = ask(qmp, "info mtree -f", err);
    unsigned missing;
    unsigned i;

    if (!text || !attach_layout_parse_mtree(layout, text, err)) {
        free(text);
        return false;
    }
    free(text);
    text = ask(qmp, "info ramblock", err);
    if (!text) {
        return false;
    }
    missing = attach_layout_parse_ramblock(layout, text);
    free(text);
    for (i = 0; missing && i < layout->n; i++) {
        AttachRange *range = &layout->ranges[i];

        if (!range->hva) {
            range->hva = hva_of_block(layout, i);
        }
        if (!range->hva && !ask_hva(qmp, range, err)) {
            return false;
        }
    }
    drop_unknown(layout);
    if (!layout->n) {
        err_set(err, ERR_FORMAT, "the monitor gives no address of any guest "
                "RAM (\"gpa2hva 0\")");
    }
    return layout->n != 0;
}

bool attach_monitor_registers(Qmp *qmp, WinosRegs *regs, unsigned max,
                              unsigned *n, Err *err)
{
    char *text = ask(qmp, "info registers -a", err);

    *n = text ? attach_registers_parse(text, regs, max) : 0;
    if (text && !*n) {
        err_set(err, ERR_FORMAT, "the monitor gives no registers (\"info "
                "registers -a\"): is this an x86_64 machine?");
    }
    free(text);
    return *n != 0;
}

bool attach_monitor_vcpus(Qmp *qmp, AttachThread *threads, unsigned max,
                          Err *err)
{
    json_t *answer = qmp_command_apart(qmp, "query-cpus-fast", NULL, err);
    size_t i;

    memset(threads, 0, max * sizeof(*threads));
    for (i = 0; i < json_array_size(answer); i++) {
        const json_t *one = json_array_get(answer, i);
        uint64_t vcpu = qmp_uint(one, "cpu-index", UINT64_MAX);

        if (vcpu < max) {
            threads[vcpu].tid = (pid_t)qmp_uint(one, "thread-id", 0);
        }
    }
    json_decref(answer);
    return answer != NULL;
}

bool attach_monitor_running(Qmp *qmp, bool *running, Err *err)
{
    json_t *answer = qmp_command_apart(qmp, "query-status", NULL, err);

    *running = qmp_bool(answer, "running", true);
    json_decref(answer);
    return answer != NULL;
}

bool attach_monitor_check(Qmp *qmp, Err *err)
{
    json_t *answer = qmp_command_apart(qmp, "qom-get",
                                 json_pack("{s:s, s:s}", "path", "/machine",
                                           "property",
                                           "confidential-guest-support"),
                                 err);
    bool encrypted = json_is_string(answer) && *json_string_value(answer);

    json_decref(answer);
    if (encrypted) {
        err_set(err, ERR_USAGE, "this guest's memory is encrypted "
                "(confidential-guest-support), so nothing can be seen of it "
                "from outside");
        return false;
    }
    return answer || qmp_alive(qmp);
}
