/*
 * report-format: see report-format.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/format.h"

#include "common/translate.h"
#include "winos/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

const char *format_ns(char *text, uint64_t ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = { { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 } };
    double value;
    size_t i;

    for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
        value = (double)ns / units[i].ns;
        if (value >= 0.9995) {
            snprintf(text, FORMAT_ROOM, value >= 99.95 ? "%.0f %s" :
                     value >= 9.995 ? "%.1f %s" : "%.2f %s", value,
                     units[i].name);
            return text;
        }
    }
    snprintf(text, FORMAT_ROOM, "%" PRIu64 " ns", ns);
    return text;
}

const char *format_moment(char *text, uint64_t realtime_ns)
{
    time_t seconds = (time_t)(realtime_ns / 1000000000);
    struct tm tm;
    size_t len;

    if (!gmtime_r(&seconds, &tm)) {
        return N_("an unknown time");
    }
    len = strftime(text, FORMAT_ROOM, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(text + len, FORMAT_ROOM - len, ".%03u UTC",
             (unsigned)(realtime_ns / 1000000 % 1000));
    return text;
}

const char *format_offset(char *text, const ReportStats *stats, uint64_t ns)
{
    ns = ns > stats->base_ns ? ns - stats->base_ns : 0;
    snprintf(text, FORMAT_ROOM, "+%" PRIu64 ".%06" PRIu64 " s",
             ns / 1000000000, ns % 1000000000 / 1000);
    return text;
}

const char *format_bucket(char *text, unsigned bucket)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };

    snprintf(text, FORMAT_ROOM, "%u %s", 1u << bucket % 10,
             units[bucket / 10]);
    return text;
}

const char *format_reason(char *text, unsigned reason)
{
    const char *name = winos_wait_reason_name(reason);

    if (name) {
        return name;
    }
    snprintf(text, FORMAT_ROOM, "reason %u", reason);
    return text;
}

const char *format_end_reason(unsigned reason)
{
    static const char *const reasons[] = {
        [TRACE_END_ASKED] = N_("when asked to"),
        [TRACE_END_DURATION] = N_("after the time it was given"),
        [TRACE_END_COMMAND] = N_("with the command"),
        [TRACE_END_ROTATED] = N_("where the next part begins"),
        [TRACE_END_QEMU_GONE] = N_("with QEMU"),
        [TRACE_END_STOPPED] = N_("when the trace was turned off"),
        [TRACE_END_WRITE] = N_("because the file could not be written"),
        [TRACE_END_RING_LOST] = N_("because the ring file was cut short"),
    };

    if (reason >= sizeof(reasons) / sizeof(*reasons) || !reasons[reason]) {
        return N_("for an unknown reason");
    }
    return reasons[reason];
}

double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

double per_second(const ReportStats *stats, uint64_t n)
{
    uint64_t ns = stats->end_ns - stats->begin_ns;

    return ns ? (double)n * 1e9 / (double)ns : 0;
}

const char *format_thread(const ReportStats *stats, uint32_t index,
                          char *text, size_t size)
{
    const TraceThread *thread = &stats->who.threads[index];
    char label[TRACE_LABEL_ROOM];
    const char *process =
        trace_process_label(&stats->who.processes[thread->process], label,
                            sizeof(label));

    if (thread->name[0] || !thread->has_ids) {
        snprintf(text, size, "%s%s%s", process, thread->name[0] ? ": " : "",
                 thread->name);
    } else {
        snprintf(text, size, "%s %" PRIu32, process, thread->tid);
    }
    return text;
}
