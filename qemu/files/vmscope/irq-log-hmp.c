/*
 * IRQ log: the commands of the human monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "qemu/cutils.h"
#include "vmscope/compat.h"
#if QEMU_VERSION_MAJOR < 10
#include "qapi/qmp/qdict.h"
#else
#include "qobject/qdict.h"
#endif

/* Lines that "info irq-log" shows unless told otherwise. */
#define DEFAULT_SHOWN 20

static void coroutine_fn hmp_irq_log(Monitor *mon, const QDict *qdict)
{
    const char *option = qdict_get_str(qdict, "option");
    IrqLogOptions opts = {
        .enable = !strcmp(option, "on"),
    };
    Error *err = NULL;

    if (!opts.enable && strcmp(option, "off")) {
        monitor_printf(mon, "irq_log: '%s' is neither 'on' nor 'off'\n",
                       option);
        return;
    }
    QAPI_SET_PTR(&opts, log_file,
                 (char *)qdict_get_try_str(qdict, "filename"));
    qmp_irq_log_set(&opts, &err);
    hmp_handle_error(mon, err);
}

static void show_status(Monitor *mon)
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

static void show_entry(Monitor *mon, const IrqLogEntry *entry)
{
    monitor_printf(mon, "%" PRIu64 ".%09" PRIu64 " %*slevel=%d n=%d %s %s "
                   "tid=%" PRIu32 " (%s)", entry->timestamp_ns / 1000000000,
                   entry->timestamp_ns % 1000000000, 2 * entry->depth, "",
                   entry->level, entry->irq_line,
                   IrqLogKind_str(entry->kind), entry->path, entry->host_tid,
                   entry->thread_role ? entry->thread_role :
                                        entry->thread_name);
    if (entry->caller_symbol) {
        monitor_printf(mon, " %s\n", entry->caller_symbol);
    } else {
        monitor_printf(mon, " 0x%" PRIx64 "\n", entry->caller_addr);
    }
}

static bool parse_count(const char *text, uint32_t *count)
{
    uint64_t value;

    if (qemu_strtou64(text, NULL, 0, &value) || value > UINT32_MAX) {
        return false;
    }
    *count = value;
    return true;
}

static void hmp_info_irq_log(Monitor *mon, const QDict *qdict)
{
    const char *count = qdict_get_try_str(qdict, "count");
    IrqLogQuery query = {
        .has_max_entries = true,
        .max_entries = DEFAULT_SHOWN,
    };
    IrqLogEntryList *list;
    IrqLogEntryList *at;
    Error *err = NULL;

    if (count && !parse_count(count, &query.max_entries)) {
        monitor_printf(mon, "irq-log: '%s' is no number of entries\n", count);
        return;
    }
    list = qmp_query_irq_log(&query, &err);
    if (hmp_handle_error(mon, err)) {
        return;
    }
    show_status(mon);
    for (at = list; at; at = at->next) {
        show_entry(mon, at->value);
    }
    qapi_free_IrqLogEntryList(list);
}

static void register_commands(void)
{
    monitor_register_hmp("irq_log", false, hmp_irq_log);
    monitor_register_hmp("irq-log", true, hmp_info_irq_log);
}

type_init(register_commands)
