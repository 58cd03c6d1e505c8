/*
 * export: formats that a recording can be turned into.
 *
 * A format is a table of functions, each in a file of its own name; export.c
 * reads the recording and calls them.  Memory grows with the number of
 * different threads, not with the length of the recording.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_EXPORT_H
#define VMSCOPE_EXPORT_H

#include "common/out.h"
#include "source/trace-input.h"
#include "shared/trace-who.h"

/* Who is seen to run on a vCPU. */
typedef struct ExportVcpu {
    uint32_t thread;            /* index; 0: not known */
    uint64_t since_ns;
} ExportVcpu;

typedef struct Export {
    Out *out;
    const TraceInfo *info;
    uint64_t begin_ns;          /* what is exported, as CLOCK_MONOTONIC */
    uint64_t end_ns;
    uint64_t newest_ns;         /* of the recording, whatever is asked for */
    uint64_t mark_ns;           /* of the last mark */
    uint64_t last_ns;           /* for end(): when the recording ended */
    TraceWho who;
    ExportVcpu vcpus[TRACE_MAX_VCPUS];
    void *own;                  /* the format's */
} Export;

typedef struct Exporter {
    const char *name;           /* as in --format */
    void (*begin)(Export *export);
    /*
     * A vCPU switches to a thread, 0 when nobody is known from here on.
     * vcpus[] still has who ran before; @event is NULL when it was not a
     * switch that told of it.
     */
    void (*run)(Export *export, unsigned vcpu, uint32_t thread, uint64_t ns,
                const SchedlogEvent *event);
    void (*irq)(Export *export, const TraceItem *item);
    void (*lost)(Export *export, const TraceLost *lost);
    /* How the host let a vCPU run, clipped to what is exported. */
    void (*host)(Export *export, const TraceHost *host);
    /* Windows' ticks in a span that is exported whole; may be NULL. */
    void (*ticks)(Export *export, const TraceTicks *ticks);
    void (*end)(Export *export);
} Exporter;

/* A part of a span's ticks: 0 to 100. */
unsigned export_ticks_percent(const TraceTicks *ticks, TraceTick part);

/* How much of a span its vCPU waited for a CPU of the host: 0 to 100. */
unsigned export_wait_percent(const TraceHost *host);

extern const Exporter export_perfetto;
extern const Exporter export_json;
extern const Exporter export_csv;

#endif
