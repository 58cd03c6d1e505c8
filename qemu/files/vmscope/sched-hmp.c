/*
 * Windows scheduler trace: the commands of the human monitor
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

/* Switches that "info windows-sched-trace" shows unless told otherwise. */
#define DEFAULT_SHOWN 20

static void coroutine_fn hmp_sched_trace(Monitor *mon, const QDict *qdict)
{
    const char *option = qdict_get_str(qdict, "option");
    WindowsSchedTraceOptions opts = {
        .enable = !strcmp(option, "on"),
    };
    Error *err = NULL;

    if (!opts.enable && strcmp(option, "off")) {
        monitor_printf(mon, "windows_sched_trace: '%s' is neither 'on' nor "
                       "'off'\n", option);
        return;
    }
    qmp_windows_sched_trace_set(&opts, &err);
    hmp_handle_error(mon, err);
}

static void show_vcpus(Monitor *mon, const WindowsSchedVcpuList *at)
{
    for (; at; at = at->next) {
        const WindowsSchedVcpu *vcpu = at->value;

        monitor_printf(mon, "vCPU %" PRIu32 ": ", vcpu->vcpu);
        if (vcpu->known) {
            monitor_printf(mon, "KPCR 0x%" PRIx64 ", ", vcpu->kpcr);
        } else {
            monitor_printf(mon, "KPCR not known, ");
        }
        monitor_printf(mon, "%" PRIu64 " samples, %" PRIu64 " switches",
                       vcpu->samples, vcpu->switches);
        if (vcpu->has_missed) {
            monitor_printf(mon, ", %" PRIu64 " missed", vcpu->missed);
        }
        monitor_printf(mon, "\n");
    }
}

static void show_status(Monitor *mon)
{
    WindowsSchedTraceStatus *status =
        qmp_query_windows_sched_trace_status(&error_abort);

    monitor_printf(mon, "Windows scheduler trace %s, %" PRIu64 " recorded, %"
                   PRIu64 " overwritten, %" PRIu32 " entries\n",
                   WindowsSchedTraceState_str(status->state),
                   status->recorded, status->overwritten, status->entries);
    if (status->reason) {
        monitor_printf(mon, "%s\n", status->reason);
    }
    if (status->has_windows_build) {
        monitor_printf(mon, "Windows %s build %" PRIu32 ", kernel at 0x%"
                       PRIx64 "\n", status->windows_version,
                       status->windows_build, status->kernel_base);
    }
    show_vcpus(mon, status->vcpus);
    qapi_free_WindowsSchedTraceStatus(status);
}

/* The guest chose these; a control character shall not reach a terminal. */
static void show_text(Monitor *mon, const char *text)
{
    g_autofree char *safe = g_strdup(text);
    char *at;

    for (at = safe; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = '?';
        }
    }
    monitor_printf(mon, "%s", safe);
}

static void show_thread(Monitor *mon, const WindowsSchedEntry *entry)
{
    if (entry->has_unique_thread_id) {
        monitor_printf(mon, " %" PRIu32 ".%" PRIu32, entry->unique_process_id,
                       entry->unique_thread_id);
    }
    if (entry->process_image) {
        monitor_printf(mon, " ");
        show_text(mon, entry->process_image);
    }
    if (entry->thread_name) {
        monitor_printf(mon, " (");
        show_text(mon, entry->thread_name);
        monitor_printf(mon, "%s)", entry->has_thread_name_cut ? "..." : "");
    }
    if (entry->has_idle) {
        monitor_printf(mon, " idle");
    }
}

static void show_entry(Monitor *mon, const WindowsSchedEntry *entry)
{
    monitor_printf(mon, "%" PRIu64 ".%09" PRIu64 " vcpu=%" PRIu32
                   " thread=0x%" PRIx64, entry->timestamp_ns / 1000000000,
                   entry->timestamp_ns % 1000000000, entry->vcpu,
                   entry->thread_pointer);
    show_thread(mon, entry);
    if (entry->has_missed && entry->missed) {
        monitor_printf(mon, " missed=%" PRIu32, entry->missed);
    }
    monitor_printf(mon, " %s\n", WindowsSchedOrigin_str(entry->origin));
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

static void hmp_info_sched_trace(Monitor *mon, const QDict *qdict)
{
    const char *count = qdict_get_try_str(qdict, "count");
    WindowsSchedTraceQuery query = {
        .has_max_entries = true,
        .max_entries = DEFAULT_SHOWN,
    };
    WindowsSchedEntryList *list;
    WindowsSchedEntryList *at;
    Error *err = NULL;

    if (count && !parse_count(count, &query.max_entries)) {
        monitor_printf(mon, "windows-sched-trace: '%s' is no number of "
                       "entries\n", count);
        return;
    }
    list = qmp_query_windows_sched_trace(&query, &err);
    if (hmp_handle_error(mon, err)) {
        return;
    }
    show_status(mon);
    for (at = list; at; at = at->next) {
        show_entry(mon, at->value);
    }
    qapi_free_WindowsSchedEntryList(list);
}

static void register_commands(void)
{
    monitor_register_hmp("windows_sched_trace", false, hmp_sched_trace);
    monitor_register_hmp("windows-sched-trace", true, hmp_info_sched_trace);
}

type_init(register_commands)
