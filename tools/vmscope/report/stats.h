/*
 * report-stats: what a recording amounts to.
 *
 * Goes through the events once.  Memory grows with the number of different
 * threads and lines, not with the length of the recording.  How figures are
 * shown is for the views, report-text.c, report-json.c and html.c.
 *
 * What is not known is kept apart: time before the first switch of a vCPU,
 * and while events were lost, is nobody's; a run during which the guest
 * counted switches that were not seen is of uncertain length, and is in no
 * histogram.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_REPORT_STATS_H
#define VMSCOPE_REPORT_STATS_H

#include "common/course.h"
#include "report/routes.h"
#include "source/trace-input.h"
#include "shared/trace-who.h"

enum {
    REPORT_BUCKETS = 40,        /* 2^39 ns are nine minutes */
    REPORT_REASONS = 256,
    REPORT_MATRIX_VCPUS = 64,   /* vCPUs whose moves are told apart */
    REPORT_MAX_PAIRS = 65536,
    REPORT_PENDING = 1024,
};

/* Bucket k counts from 2^k ns on; bucket 0 from 0. */
typedef struct Histogram {
    uint64_t count[REPORT_BUCKETS];
    uint64_t n;
    uint64_t sum_ns;
    uint64_t max_ns;
} Histogram;

typedef struct ReportThread {
    uint64_t time_ns;
    uint64_t uncertain_ns;      /* of it, with switches missed in between */
    uint64_t switches;          /* to it */
    uint64_t moves;             /* to another vCPU */
    uint64_t longest_ns;        /* run, of those that are certain */
    uint64_t runs;              /* certain ones */
    uint64_t runs_ns;
    uint64_t waits;             /* from ready to running */
    uint64_t waits_ns;
    uint64_t longest_wait_ns;
    uint32_t last_vcpu;         /* + 1; 0: none yet */
    uint32_t epoch;             /* what follows is of; see ReportStats */
    uint64_t off_ns;            /* since when it does not run; 0: not known */
    uint32_t count;             /* KTHREAD.ContextSwitches, when it came */
    bool has_count;
    bool off_ready;             /* though it could */
    bool off_waits;             /* for what off_reason says */
    uint8_t off_reason;
    uint32_t off_pair;          /* index of who preempted it; 0: nobody */
} ReportThread;

typedef struct ReportVcpu {
    bool seen;
    uint32_t thread;            /* index of who runs; 0: not known */
    bool begun;                 /* the switch to it was seen */
    uint64_t since_ns;
    uint64_t busy_ns;
    uint64_t idle_ns;
    uint64_t unknown_ns;
    uint64_t uncertain_ns;
    uint64_t switches;
    uint64_t missed;
    /* Of its thread on the host, as far as that was recorded. */
    uint64_t host_ns;           /* all; 0: nothing is known */
    uint64_t host_run_ns;
    uint64_t host_wait_ns;      /* could run, but had no CPU */
    uint64_t host_longest_ns;   /* wait that was told of at once */
    /* By Windows' own counters, as far as they were recorded. */
    uint64_t ticks[TRACE_N_TICKS];
    uint64_t tick_interrupts;
    uint64_t tick_dpcs;
    uint64_t ticks_ns;          /* time that is of; 0: nothing is known */
    uint64_t tick_ns;           /* how long one is; 0: not known */
} ReportVcpu;

typedef struct ReportLine {
    bool seen;
    char *path;
    char *driven_by;            /* NULL: not known */
    char *device;               /* type and id; NULL: not known */
    char *label;                /* for people: "HPET · pin 0" */
    IrqlogKind kind;
    int32_t n;
    uint64_t events;
    uint64_t raised;            /* to a level other than 0; messages */
    uint64_t outermost;
    uint64_t inner;             /* calls of others inside of these */
    uint64_t last_ns;
    uint64_t longest_gap_ns;
    Course course;
    /* Storms: 10 ms with 100 events or more; following ones are one. */
    uint64_t storms;
    uint64_t storm_events;
    uint64_t storm_ns;          /* all together */
    uint64_t storm_first_ns;    /* when the first one began */
    uint64_t window_ns;
    uint64_t window_events;
    bool in_storm;
    Histogram after;            /* from a device's call to a thread's switch */
    uint64_t passed;            /* raised by a device, and nobody ran in time */
} ReportLine;

/* A line, and a thread that ran next. */
typedef struct ReportPair {
    uint32_t line;
    uint32_t thread;
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
} ReportPair;

/* A thread that could have gone on, and who ran instead. */
typedef struct ReportPreemption {
    uint32_t thread;
    uint32_t by;
    uint64_t count;
    uint64_t waits;             /* of which it is known how long */
    uint64_t waited_ns;         /* until it ran again */
    uint64_t max_ns;
} ReportPreemption;

typedef struct ReportWait {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
} ReportWait;

typedef struct ReportPending {
    uint32_t line;
    uint64_t time_ns;
} ReportPending;

typedef struct ReportStats {
    /* Set before. */
    uint64_t since_ns;          /* from the beginning; 0: all */
    uint64_t until_ns;          /* UINT64_MAX: all */
    uint64_t window_ns;         /* from interrupt to thread, at most */
    bool all_depths;            /* list calls inside of others as their own */

    TraceInfo info;
    uint64_t begin_ns;          /* what is reported of, as CLOCK_MONOTONIC */
    uint64_t end_ns;
    uint64_t last_ns;           /* when the recording ended */
    uint64_t base_ns;           /* when the recording began */
    bool has_guest;
    SchedlogGuest guest;        /* the last one */
    unsigned n_guests;
    bool has_mark;
    TraceMark mark;             /* the last one */
    bool has_end;
    TraceEnd end;

    uint64_t switches;
    uint64_t missed;
    uint64_t missed_known;      /* switches that told of missed ones */
    uint64_t missed_ns;         /* when some were told of last */
    uint64_t sched_lost;
    uint64_t interrupts;
    uint64_t irq_lost;
    uint64_t origins[3];        /* by SchedlogOrigin */

    TraceWho who;
    ReportThread *threads;      /* as who.threads */
    size_t threads_room;
    size_t n_threads;
    ReportVcpu *vcpus;
    size_t n_vcpus;             /* highest one seen + 1 */
    size_t vcpus_room;
    uint64_t moves;
    uint64_t *matrix;           /* moves, from * REPORT_MATRIX_VCPUS + to */
    uint32_t epoch;             /* begins anew when switches were lost */

    Histogram runs;             /* of threads but the idle ones */
    Histogram ready;            /* from ready to running */
    ReportWait reasons[REPORT_REASONS];

    ReportPreemption *preemptions;      /* index 0 is not used */
    size_t n_preemptions;
    size_t preemptions_room;
    Map by_preemption;

    ReportLine *lines;          /* IRQLOG_MAX_LINES + 1 */
    Map outer;                  /* host tid to its outermost line + 1 */
    /* Raised, and not yet followed by a switch; a ring. */
    ReportPending pending[REPORT_PENDING];
    unsigned first_pending;
    unsigned n_pending;
    ReportPair *pairs;          /* index 0 is not used */
    size_t n_pairs;
    size_t pairs_room;
    Map by_pair;
    uint64_t pairs_refused;
    uint64_t busy_switches;     /* to threads but the idle ones */
    ReportRoutes routes;
} ReportStats;

/**
 * report_stats_init - nothing was read yet
 * @since_ns: leave out what is before; counted from the beginning
 * @until_ns: and what is from here on
 */
void report_stats_init(ReportStats *stats, uint64_t since_ns,
                       uint64_t until_ns, uint64_t window_ns);
void report_stats_free(ReportStats *stats);

/* Whether a moment is in the part that is reported of. */
bool report_is_inside(const ReportStats *stats, uint64_t ns);

/* Switches that were recorded as they happened, in exact mode. */
uint64_t report_n_exact(const ReportStats *stats);

/* All of them, but for one a vCPU that says where it begins. */
bool report_is_exact(const ReportStats *stats);

/* Read the whole recording. */
void report_stats_read(ReportStats *stats, TraceInput *input);

void histogram_add(Histogram *histogram, uint64_t ns);

/*
 * What @share of 0 to 1 are not longer than: its bucket's end, or the longest
 */
uint64_t histogram_below(const Histogram *histogram, double share);

/**
 * report_chance - how often a thread would run that soon by chance
 *
 * Returns: 0 to 1
 */
double report_chance(const ReportStats *stats);

/* Sum over all vCPUs. */
typedef struct ReportTotals {
    uint64_t busy_ns;
    uint64_t idle_ns;
    uint64_t unknown_ns;
    uint64_t uncertain_ns;
    unsigned n_vcpus;           /* that were seen */
} ReportTotals;

/* Of the host's time, what was neither spent running nor waiting. */
uint64_t report_host_blocked(const ReportVcpu *vcpu);

/* All ticks of a vCPU, at least 1. */
uint64_t report_ticks(const ReportVcpu *vcpu);

/* Whether any vCPU's ticks were recorded. */
bool report_has_ticks(const ReportStats *stats);

/* "user", "kernel", "dpc", "interrupt", "idle". */
const char *report_tick_name(TraceTick part);

/* Whether the host's side of any vCPU was recorded. */
bool report_has_host(const ReportStats *stats);

void report_totals(const ReportStats *stats, ReportTotals *totals);

/* What a process used; an array of who.n_processes, freed with free(). */
typedef struct ReportProcess {
    uint32_t process;           /* index */
    unsigned threads;
    uint64_t time_ns;
    uint64_t switches;
    uint64_t moves;
} ReportProcess;

ReportProcess *report_processes(const ReportStats *stats);

/* Indices of threads that ran, busiest first; freed with free(). */
uint32_t *report_threads(const ReportStats *stats, size_t *n);

/* Calls that lists count: the outermost, or with all_depths all. */
uint64_t report_line_events(const ReportStats *stats, const ReportLine *line);

/**
 * report_lines - ids of lines that were raised, most events first
 * @all: also those that were only raised inside of other calls
 *
 * Returns: to be freed with free()
 */
uint32_t *report_lines(const ReportStats *stats, bool all, size_t *n);

/* Longest wait in all first, then most frequent; freed with free(). */
ReportPreemption *report_preemptions(const ReportStats *stats, size_t *n);

/* Pairs, most frequent first; freed with free(). */
ReportPair *report_pairs(const ReportStats *stats, size_t *n);

#endif
