/*
 * stats: see stats.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "stats.h"

#include "common/translate.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

/* Of lines, callers and threads each; and pairs of the first two. */
enum { ENTRIES_MAX = 65536, PAIRS_MAX = 1 << 19 };

void stats_init(Stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->epoch = 1;
}

static void release_line(LineStats *line)
{
    free(line->path);
    free(line->requester);
    free(line->handler);
    free(line->driven_by);
    free(line->owner);
    free(line->device);
}

void stats_release(Stats *stats)
{
    size_t i;

    for (i = 0; i < stats->n_lines; i++) {
        release_line(&stats->lines[i]);
    }
    for (i = 0; i < stats->n_callers; i++) {
        free(stats->callers[i].name);
        free(stats->callers[i].place);
    }
    for (i = 0; i < stats->n_threads; i++) {
        free(stats->threads[i].label);
    }
    free(stats->lines);
    free(stats->callers);
    free(stats->threads);
    free(stats->pairs);
    map_clear(&stats->line_index);
    map_clear(&stats->caller_index);
    map_clear(&stats->pair_index);
}

/* The course of one thing. */

static void close_window(Flow *flow)
{
    if (flow->in_window > flow->peak) {
        flow->peak = flow->in_window;
    }
    if (flow->in_window < STATS_STORM_EVENTS) {
        flow->storm_windows = 0;
        return;
    }
    flow->storms += !flow->storm_windows;
    flow->storm_windows++;
    if (flow->storm_windows > flow->storm_longest) {
        flow->storm_longest = flow->storm_windows;
    }
}

static void count_window(Flow *flow, uint64_t time_ns)
{
    uint64_t window = time_ns / STATS_WINDOW_NS;

    if (window != flow->window) {
        close_window(flow);
        if (window != flow->window + 1) {
            flow->storm_windows = 0;
        }
        flow->window = window;
        flow->in_window = 0;
    }
    flow->in_window++;
}

/* Threads stamp their events each for itself: time may step back a little. */
static void count_event(Flow *flow, uint64_t time_ns, uint64_t epoch,
                        bool same)
{
    if (flow->epoch != epoch) {
        flow->epoch = epoch;
        flow->last_ns = time_ns;
    }
    if (time_ns > flow->last_ns) {
        if (time_ns - flow->last_ns > flow->gap_ns) {
            flow->gap_ns = time_ns - flow->last_ns;
            flow->gap_at_ns = flow->last_ns;
        }
        flow->last_ns = time_ns;
    }
    count_window(flow, flow->last_ns);
    flow->events++;
    flow->same += same;
}

static void count_high(Flow *flow, uint64_t ns)
{
    uint64_t limit = 1000;
    unsigned bucket = 0;

    while (bucket < STATS_BUCKETS - 1 && ns >= limit) {
        limit *= 10;
        bucket++;
    }
    flow->high[bucket]++;
    flow->high_count++;
    flow->high_total_ns += ns;
    if (ns > flow->high_max_ns) {
        flow->high_max_ns = ns;
    }
}

/* Entries. */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* QOM paths tell lines apart, addresses those without one. */
static uint64_t line_identity(const IrqlogEvent *event)
{
    return strcmp(event->path, IRQLOG_ANONYMOUS) ? 0 : event->irq;
}

static bool is_line(const LineStats *line, const IrqlogEvent *event,
                    uint64_t irq)
{
    return line->n == event->n && line->kind == event->kind &&
           line->irq == irq && !strcmp(line->path, event->path) &&
           same_text(line->requester, event->requester);
}

static int64_t too_many(const char *what)
{
    warn(WARN_FULL, "there are more than %d different %s: the further ones "
         "are in the totals only", ENTRIES_MAX, _(what));
    return -1;
}

static int64_t add_line(Stats *stats, const IrqlogEvent *event, uint64_t irq,
                        uint64_t key)
{
    LineStats *line;

    if (stats->n_lines == ENTRIES_MAX) {
        return too_many(N_("lines"));
    }
    stats->lines = grow(stats->lines, stats->n_lines, &stats->lines_room,
                        sizeof(*stats->lines));
    line = &stats->lines[stats->n_lines++];
    line->path = keep(event->path);
    line->requester = event->requester ? keep(event->requester) : NULL;
    line->n = event->n;
    line->kind = event->kind;
    line->irq = irq;
    map_put(&stats->line_index, key, (uint32_t)stats->n_lines);
    return (int64_t)stats->n_lines - 1;
}

int64_t stats_line(Stats *stats, const IrqlogEvent *event, bool *made)
{
    uint64_t irq = line_identity(event);
    uint64_t key = hash_text(event->path) ^ irq ^
                   (uint64_t)(uint32_t)event->n << 3 ^ event->kind;
    uint32_t index;

    if (event->requester) {
        key ^= hash_text(event->requester) >> 1;
    }
    *made = false;
    while ((index = map_get(&stats->line_index, key))) {
        if (is_line(&stats->lines[index - 1], event, irq)) {
            return index - 1;
        }
        key = key * 0x2545f4914f6cdd1d + 1;
    }
    *made = true;
    return add_line(stats, event, irq, key);
}

static int64_t add_caller(Stats *stats, const char *name, const char *place,
                          uint64_t key)
{
    CallerStats *caller;

    if (stats->n_callers == ENTRIES_MAX) {
        return too_many(N_("callers"));
    }
    stats->callers = grow(stats->callers, stats->n_callers,
                          &stats->callers_room, sizeof(*stats->callers));
    caller = &stats->callers[stats->n_callers++];
    caller->name = keep(name);
    caller->place = place ? keep(place) : NULL;
    map_put(&stats->caller_index, key, (uint32_t)stats->n_callers);
    return (int64_t)stats->n_callers - 1;
}

int64_t stats_caller(Stats *stats, const char *name, const char *place)
{
    uint64_t key = hash_text(name);
    uint32_t index;

    while ((index = map_get(&stats->caller_index, key))) {
        if (!strcmp(stats->callers[index - 1].name, name)) {
            return index - 1;
        }
        key = key * 0x2545f4914f6cdd1d + 1;
    }
    return add_caller(stats, name, place, key);
}

int64_t stats_thread(Stats *stats, uint32_t tid, const char *label)
{
    ThreadStats *thread;

    if (stats->n_threads == ENTRIES_MAX) {
        return too_many(N_("threads"));
    }
    stats->threads = grow(stats->threads, stats->n_threads,
                          &stats->threads_room, sizeof(*stats->threads));
    thread = &stats->threads[stats->n_threads++];
    thread->tid = tid;
    thread->label = label ? keep(label) : NULL;
    return (int64_t)stats->n_threads - 1;
}

static void count_pair(Stats *stats, uint32_t line, uint32_t caller)
{
    uint64_t key = (uint64_t)line << 32 | caller;
    uint32_t index = map_get(&stats->pair_index, key);
    PairStats *pair;

    if (!index) {
        if (stats->n_pairs == PAIRS_MAX) {
            return;
        }
        stats->pairs = grow(stats->pairs, stats->n_pairs, &stats->pairs_room,
                            sizeof(*stats->pairs));
        pair = &stats->pairs[stats->n_pairs++];
        pair->line = line;
        pair->caller = caller;
        index = (uint32_t)stats->n_pairs;
        map_put(&stats->pair_index, key, index);
    }
    stats->pairs[index - 1].events++;
}

/* Counting. */

static void count_time(Stats *stats, uint64_t time_ns)
{
    if (!stats->events) {
        stats->first_ns = time_ns;
    }
    if (stats->begin_epoch != stats->epoch) {
        stats->earlier_ns += stats->last_ns - stats->begin_ns;
        stats->begin_epoch = stats->epoch;
        stats->begin_ns = time_ns;
        stats->last_ns = time_ns;
    }
    if (time_ns > stats->last_ns) {
        stats->last_ns = time_ns;
    }
}

/* Follow a line's level; whether the event left it as it was. */
static bool count_level(Stats *stats, LineStats *line,
                        const IrqlogEvent *event, uint32_t caller)
{
    bool was_raised;
    bool same;
    int64_t ns;

    if (line->course_epoch != stats->epoch) {
        course_forget(&line->course);
        line->course_epoch = stats->epoch;
    }
    was_raised = course_is_raised(&line->course);
    same = course_take(&line->course, event, &ns);
    if (!was_raised && course_is_raised(&line->course)) {
        line->raised_by = caller;
    }
    if (ns != COURSE_NO_TIME) {
        count_high(&line->flow, (uint64_t)ns);
        count_high(&stats->callers[line->raised_by].flow, (uint64_t)ns);
    }
    return same;
}

bool stats_is_raised(const Stats *stats, const LineStats *line)
{
    return line->course_epoch == stats->epoch &&
           course_is_raised(&line->course);
}

void stats_add(Stats *stats, const IrqlogEvent *event, int64_t line,
               int64_t caller, int64_t thread)
{
    bool message = event->kind == IRQLOG_MSI;
    bool same = false;

    count_time(stats, event->time_ns);
    stats->events++;
    stats->messages += message;
    stats->nested += event->depth > 0;
    if (thread >= 0) {
        stats->threads[thread].events++;
    }
    if (line < 0 || caller < 0) {
        stats->uncounted++;
        return;
    }
    same = count_level(stats, &stats->lines[line], event, (uint32_t)caller);
    stats->same += same;
    count_event(&stats->lines[line].flow, event->time_ns, stats->epoch, same);
    count_event(&stats->callers[caller].flow, event->time_ns, stats->epoch,
                same);
    count_pair(stats, (uint32_t)line, (uint32_t)caller);
}

void stats_break(Stats *stats)
{
    stats->epoch++;
}

void stats_finish(Stats *stats)
{
    size_t i;

    for (i = 0; i < stats->n_lines; i++) {
        close_window(&stats->lines[i].flow);
    }
    for (i = 0; i < stats->n_callers; i++) {
        close_window(&stats->callers[i].flow);
    }
}

uint64_t stats_duration_ns(const Stats *stats)
{
    return stats->earlier_ns + (stats->last_ns - stats->begin_ns);
}
