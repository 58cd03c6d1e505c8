/*
 * Windows scheduler trace: the commands of the human monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "schedlog/store.h"
#include "hmp.h"

static void coroutine_fn sched_hmp_set(Monitor *mon, const QDict *qdict)
{
    WindowsSchedTraceOptions opts = {};
    Error *err = NULL;

    if (!vmscope_hmp_option(mon, qdict, "windows_sched_trace",
                            &opts.enable)) {
        return;
    }
    qmp_windows_sched_trace_set(&opts, &err);
    hmp_handle_error(mon, err);
}

static void sched_hmp_vcpus(Monitor *mon, const WindowsSchedVcpuList *at)
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

static void sched_hmp_status(Monitor *mon)
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
    sched_hmp_vcpus(mon, status->vcpus);
    qapi_free_WindowsSchedTraceStatus(status);
}

/* From the bytes, where they were given: the text has escapes already. */
static void sched_hmp_image(Monitor *mon, const WindowsSchedEntry *entry)
{
    const char *hex = entry->process_image_bytes;
    char bytes[SCHEDLOG_IMAGE_SIZE] = "";
    size_t n;

    if (!hex) {
        vmscope_hmp_text(mon, entry->process_image);
        return;
    }
    for (n = 0; n < sizeof(bytes) - 1 && hex[2 * n]; n++) {
        bytes[n] = g_ascii_xdigit_value(hex[2 * n]) << 4 |
                   g_ascii_xdigit_value(hex[2 * n + 1]);
    }
    vmscope_hmp_text(mon, bytes);
}

static void sched_hmp_thread(Monitor *mon, const WindowsSchedEntry *entry)
{
    if (entry->has_unique_thread_id) {
        monitor_printf(mon, " %" PRIu32 ".%" PRIu32, entry->unique_process_id,
                       entry->unique_thread_id);
    }
    if (entry->process_image) {
        monitor_printf(mon, " ");
        sched_hmp_image(mon, entry);
    }
    if (entry->thread_name) {
        monitor_printf(mon, " (");
        vmscope_hmp_text(mon, entry->thread_name);
        monitor_printf(mon, "%s)", entry->has_thread_name_cut ? "..." : "");
    }
    if (entry->has_idle) {
        monitor_printf(mon, " idle");
    }
}

static void sched_hmp_entry(Monitor *mon, const WindowsSchedEntry *entry)
{
    monitor_printf(mon, "%" PRIu64 ".%09" PRIu64 " vcpu=%" PRIu32
                   " thread=0x%" PRIx64, entry->timestamp_ns / 1000000000,
                   entry->timestamp_ns % 1000000000, entry->vcpu,
                   entry->thread_pointer);
    sched_hmp_thread(mon, entry);
    if (entry->has_missed && entry->missed) {
        monitor_printf(mon, " missed=%" PRIu32, entry->missed);
    }
    monitor_printf(mon, " %s\n", WindowsSchedOrigin_str(entry->origin));
}

static uint64_t sched_hmp_page(Monitor *mon, bool has_after, uint64_t after,
                               uint32_t max)
{
    WindowsSchedTraceQuery query = {
        .has_max_entries = true,
        .max_entries = max,
        .has_after = has_after,
        .after = after,
    };
    Error *err = NULL;
    WindowsSchedEntryList *list = qmp_query_windows_sched_trace(&query, &err);
    WindowsSchedEntryList *at;
    uint64_t last = 0;

    for (at = list; at; at = at->next) {
        if (mon) {
            sched_hmp_entry(mon, at->value);
        }
        last = MAX(last, at->value->seq);
    }
    qapi_free_WindowsSchedEntryList(list);
    hmp_handle_error(mon, err);
    return last;
}

static void sched_hmp_info(Monitor *mon, const QDict *qdict)
{
    static const VmscopeHmpTrace trace = {
        .name = "windows-sched-trace",
        .status = sched_hmp_status,
        .page = sched_hmp_page,
    };

    vmscope_hmp_info(mon, qdict, &trace);
}

static void sched_hmp_register(void)
{
    monitor_register_hmp("windows_sched_trace", false, sched_hmp_set);
    monitor_register_hmp("windows-sched-trace", true, sched_hmp_info);
}

type_init(sched_hmp_register)
