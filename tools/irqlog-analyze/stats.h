/*
 * stats: what a summary counts.
 *
 * Counting alone: names come in ready, and how counts look is for
 * summary-text.c and summary-json.c.  Memory grows with the number of lines,
 * callers and threads, up to a limit, and not with that of events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_STATS_H
#define IRQLOG_ANALYZE_STATS_H

#include "common/course.h"
#include "common/map.h"
#include "irqlog/event.h"

#include <stddef.h>

enum {
    STATS_BUCKETS = 8,          /* below 1 us, 10 us, ... 1 s, and above */
    STATS_WINDOW_NS = 10000000,
    STATS_STORM_EVENTS = 100,   /* in a window: 10,000 a second */
};

/* The course of a line, or of a caller, in time. */
typedef struct Flow {
    uint64_t events;
    uint64_t same;              /* that changed no level */
    uint64_t epoch;             /* the next two are of it */
    uint64_t last_ns;
    uint64_t window;            /* number of the window counted now */
    uint64_t in_window;
    uint64_t storm_windows;     /* of the storm that goes on, so far */
    uint64_t gap_ns;            /* longest silence between two events */
    uint64_t gap_at_ns;         /* when it began */
    uint64_t storms;
    uint64_t storm_longest;     /* in windows */
    uint64_t peak;              /* most events in a window */
    uint64_t high[STATS_BUCKETS];   /* times from raise to lower */
    uint64_t high_count;
    uint64_t high_total_ns;
    uint64_t high_max_ns;
} Flow;

typedef struct LineStats {
    Flow flow;
    char *path;
    char *requester;            /* NULL: not a message, or not told */
    char *handler;              /* function; NULL: not known */
    char *driven_by;            /* NULL: not told */
    char *owner;                /* NULL: not told */
    char *device;               /* NULL: not told */
    uint64_t told;              /* what was told of lines when last asked */
    uint64_t irq;               /* of a line without a path, else 0 */
    int32_t n;
    IrqlogKind kind;
    Course course;
    uint64_t course_epoch;      /* of which @course is; 0: none */
    uint32_t raised_by;         /* caller's index */
} LineStats;

typedef struct CallerStats {
    Flow flow;
    char *name;
    char *place;                /* of the first call seen; NULL: not known */
} CallerStats;

typedef struct ThreadStats {
    uint64_t events;
    uint32_t tid;
    char *label;                /* NULL: not known */
} ThreadStats;

/* How often a caller raised or lowered a line. */
typedef struct PairStats {
    uint32_t line;
    uint32_t caller;
    uint64_t events;
} PairStats;

typedef struct Stats {
    uint64_t events;
    uint64_t messages;
    uint64_t same;
    uint64_t nested;            /* raised inside another call */
    uint64_t lost;
    uint64_t runs;
    uint64_t uncounted;         /* events of which only the above is known */
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t begin_ns;          /* of this epoch */
    uint64_t earlier_ns;        /* length of the epochs before */
    uint64_t epoch;             /* from 1; changes where events are missing */
    uint64_t begin_epoch;       /* of which @begin_ns and @last_ns are */
    LineStats *lines;
    size_t n_lines;
    size_t lines_room;
    Map line_index;
    CallerStats *callers;
    size_t n_callers;
    size_t callers_room;
    Map caller_index;           /* by name */
    ThreadStats *threads;
    size_t n_threads;
    size_t threads_room;
    PairStats *pairs;
    size_t n_pairs;
    size_t pairs_room;
    Map pair_index;
} Stats;

void stats_init(Stats *stats);
void stats_release(Stats *stats);

/**
 * stats_line - the entry of an event's line
 * @made: receives whether it is new, and its names are to be filled in
 *
 * Returns: index, or -1 when there are too many
 */
int64_t stats_line(Stats *stats, const IrqlogEvent *event, bool *made);

/* The entry of a caller of that name; -1 when there are too many. */
int64_t stats_caller(Stats *stats, const char *name, const char *place);

/* A new entry for a thread; -1 when there are too many. */
int64_t stats_thread(Stats *stats, uint32_t tid, const char *label);

/* Count an event; indices as returned by the above. */
void stats_add(Stats *stats, const IrqlogEvent *event, int64_t line,
               int64_t caller, int64_t thread);

/* Events are missing here: what spans this place is not counted as time. */
void stats_break(Stats *stats);

/* Is it raised where the input ends, and known since when? */
bool stats_is_raised(const Stats *stats, const LineStats *line);

/* The end of input: finish what goes on. */
void stats_finish(Stats *stats);

/* Time in which events could be seen. */
uint64_t stats_duration_ns(const Stats *stats);

#endif
