/*
 * record-ticks: see record-ticks.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/ticks.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)CPU_TICKS == (int)TRACE_N_TICKS &&
               (int)CPU_TICK_IDLE == (int)TRACE_TICK_IDLE,
               "in the same order");

void record_ticks_begin(RecordTicks *ticks, Qmp *qmp, pid_t pid,
                        uint64_t every_ns)
{
    *ticks = (RecordTicks) { .qmp = qmp, .pid = pid, .every_ns = every_ns };
}

void record_ticks_end(RecordTicks *ticks)
{
    cpu_times_release(&ticks->times);
    ticks->qmp = NULL;
}

bool record_qemu_is_stopped(pid_t pid)
{
    char path[64];
    char text[512] = "";
    const char *end;
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%" PRIdMAX "/stat", (intmax_t)pid);
    file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file) {
        return false;
    }
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    /* Its name stands in parentheses and may have any in it. */
    end = strrchr(text, ')');
    return end && (!strncmp(end, ") T", 3) || !strncmp(end, ") t", 3));
}

static bool write_interval(const RecordTicks *ticks, TraceWriter *writer,
                           Err *err)
{
    const CpuTimes *times = &ticks->times;
    uint64_t to_ns = qmp_uint(times->last, "monotonic-ns", 0);
    size_t i;

    for (i = 0; i < times->n_vcpus && i < TRACE_MAX_VCPUS; i++) {
        const CpuTime *time = cpu_times_of(times, i);
        TraceTicks out = {
            .vcpu = (uint32_t)i,
            .from_ns = to_ns - times->length_ns,
            .to_ns = to_ns,
            .tick_ns = qmp_uint(times->last, "tick-ns", 0),
        };

        if (!time || to_ns < times->length_ns) {
            continue;
        }
        memcpy(out.ticks, time->ticks, sizeof(out.ticks));
        out.interrupts = time->interrupts;
        out.dpcs = time->dpcs;
        if (!trace_writer_ticks(writer, &out, err)) {
            return false;
        }
    }
    return true;
}

bool record_ticks_look(RecordTicks *ticks, uint64_t now_ns, bool last,
                       TraceWriter *writer, Err *err)
{
    Err ignored;

    if (!ticks->qmp || (now_ns < ticks->next_ns && !last) ||
        record_qemu_is_stopped(ticks->pid)) {
        return true;
    }
    ticks->next_ns = now_ns + ticks->every_ns;
    if (!cpu_times_look(&ticks->times, ticks->qmp, &ignored) ||
        ticks->times.unknown) {
        ticks->qmp = NULL;
        return true;
    }
    return !ticks->times.length_ns || write_interval(ticks, writer, err);
}
