/*
 * record-host: see record-host.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/host.h"

void record_host_begin(RecordHost *host, Qmp *qmp)
{
    host->times = host_times_new(qmp);
}

void record_host_end(RecordHost *host)
{
    host_times_free(host->times);
    host->times = NULL;
}

static bool write_held(TraceHost *held, TraceWriter *writer, Err *err)
{
    bool good = !held->to_ns || trace_writer_host(writer, held, err);

    held->to_ns = 0;
    return good;
}

/* It waited less than a hundredth of it. */
static bool is_quiet(const TraceHost *span)
{
    return span->wait_ns < (span->to_ns - span->from_ns) / 100;
}

static bool take(TraceHost *held, const TraceHost *span, TraceWriter *writer,
                 Err *err)
{
    if (held->to_ns && is_quiet(held) && is_quiet(span)) {
        held->to_ns = span->to_ns;
        held->run_ns += span->run_ns;
        held->wait_ns += span->wait_ns;
        return true;
    }
    if (!write_held(held, writer, err)) {
        return false;
    }
    *held = *span;
    return true;
}

bool record_host_look(RecordHost *host, TraceWriter *writer, Err *err)
{
    TraceHost span;
    unsigned i;

    for (i = 0; host->times && i < HOST_TIMES_VCPUS; i++) {
        if (host_times_read(host->times, i, &span) &&
            !take(&host->held[i], &span, writer, err)) {
            return false;
        }
    }
    return true;
}

bool record_host_flush(RecordHost *host, TraceWriter *writer, Err *err)
{
    unsigned i;

    for (i = 0; i < HOST_TIMES_VCPUS; i++) {
        if (!write_held(&host->held[i], writer, err)) {
            return false;
        }
    }
    return true;
}
