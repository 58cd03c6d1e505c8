/*
 * IRQ log: the commands of the human monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "hmp.h"

static bool irq_hmp_is_on(void)
{
    g_autoptr(IrqLogStatus) status = qmp_query_irq_log_status(&error_abort);

    return status->enabled;
}

static void coroutine_fn irq_hmp_set(Monitor *mon, const QDict *qdict)
{
    IrqLogOptions opts = {};
    Error *err = NULL;

    if (!vmscope_hmp_option(mon, qdict, "irq_log", &opts.enable)) {
        return;
    }
    QAPI_SET_PTR(&opts, log_file,
                 (char *)qdict_get_try_str(qdict, "filename"));
    /* Nobody asked for text, unless a file is named or the log is on. */
    opts.has_text = opts.enable && !opts.log_file && !irq_hmp_is_on();
    qmp_irq_log_set(&opts, &err);
    hmp_handle_error(mon, err);
}

static void irq_hmp_status(Monitor *mon)
{
    IrqLogStatus *status = qmp_query_irq_log_status(&error_abort);

    monitor_printf(mon, "IRQ log %s, %" PRIu64 " recorded, %" PRIu64
                   " overwritten, %" PRIu64 " lost in text, %" PRIu32
                   " entries\n",
                   status->enabled ? "on" : "off", status->recorded,
                   status->overwritten, status->text_lost, status->entries);
    if (status->text_error) {
        monitor_printf(mon, "text cannot be written: %s\n",
                       status->text_error);
    }
    qapi_free_IrqLogStatus(status);
}

static void irq_hmp_entry(Monitor *mon, const IrqLogEntry *entry)
{
    monitor_printf(mon, "%" PRIu64 ".%09" PRIu64 " %*slevel=%d n=%d %s ",
                   entry->timestamp_ns / 1000000000,
                   entry->timestamp_ns % 1000000000, 2 * entry->depth, "",
                   entry->level, entry->irq_line,
                   IrqLogKind_str(entry->kind));
    vmscope_hmp_text(mon, entry->path);
    monitor_printf(mon, " tid=%" PRIu32 " (", entry->host_tid);
    vmscope_hmp_text(mon, entry->thread_role ? entry->thread_role :
                                               entry->thread_name);
    if (entry->caller_symbol) {
        monitor_printf(mon, ") %s\n", entry->caller_symbol);
    } else {
        monitor_printf(mon, ") 0x%" PRIx64 "\n", entry->caller_addr);
    }
}

static uint64_t irq_hmp_page(Monitor *mon, bool has_after, uint64_t after,
                             uint32_t max)
{
    IrqLogQuery query = {
        .has_max_entries = true,
        .max_entries = max,
        .has_after = has_after,
        .after = after,
    };
    Error *err = NULL;
    IrqLogEntryList *list = qmp_query_irq_log(&query, &err);
    IrqLogEntryList *at;
    uint64_t last = 0;

    for (at = list; at; at = at->next) {
        if (mon) {
            irq_hmp_entry(mon, at->value);
        }
        last = MAX(last, at->value->seq);
    }
    qapi_free_IrqLogEntryList(list);
    hmp_handle_error(mon, err);
    return last;
}

static void irq_hmp_info(Monitor *mon, const QDict *qdict)
{
    static const VmscopeHmpTrace trace = {
        .name = "irq-log",
        .status = irq_hmp_status,
        .page = irq_hmp_page,
    };

    vmscope_hmp_info(mon, qdict, &trace);
}

static void irq_hmp_register(void)
{
    monitor_register_hmp("irq_log", false, irq_hmp_set);
    monitor_register_hmp("irq-log", true, irq_hmp_info);
}

type_init(irq_hmp_register)
