/*
 * report-text-course: which lines are raised where a recording ends, and
 * which messages were not heard of for long.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/view.h"

#include "common/message.h"
#include "common/translate.h"
#include "report/format.h"

#include <inttypes.h>
#include <stdlib.h>

static int by_time(uint64_t a, uint64_t b, const ReportLine *x,
                   const ReportLine *y)
{
    if (a != b) {
        return a < b ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

static int by_since(const void *a, const void *b)
{
    const ReportLine *x = *(const ReportLine *const *)a;
    const ReportLine *y = *(const ReportLine *const *)b;

    return by_time(x->course.since_ns, y->course.since_ns, x, y);
}

static int by_last(const void *a, const void *b)
{
    const ReportLine *x = *(const ReportLine *const *)a;
    const ReportLine *y = *(const ReportLine *const *)b;

    return by_time(x->course.last_ns, y->course.last_ns, x, y);
}

static bool is_message(const ReportStats *stats, const ReportLine *line)
{
    (void)stats;
    return line->seen && line->kind == IRQLOG_MSI;
}

/* A line that only others raise is raised as long as they are. */
static bool is_raised(const ReportStats *stats, const ReportLine *line)
{
    return line->seen && (stats->all_depths || line->outermost) &&
           course_is_raised(&line->course);
}

/* Owned by the caller, freed with free(). */
static const ReportLine **choose(const ReportStats *stats, size_t *n,
                                 bool (*is)(const ReportStats *,
                                            const ReportLine *),
                                 int (*compare)(const void *, const void *))
{
    const ReportLine **list = calloc(IRQLOG_MAX_LINES + 1, sizeof(*list));
    uint32_t id;

    if (!list) {
        die_no_memory();
    }
    *n = 0;
    for (id = 0; id <= IRQLOG_MAX_LINES; id++) {
        if (is(stats, &stats->lines[id])) {
            list[(*n)++] = &stats->lines[id];
        }
    }
    qsort(list, *n, sizeof(*list), compare);
    return list;
}

static void put_times(Out *out, const ReportStats *stats, uint64_t count,
                      uint64_t ns)
{
    char age[FORMAT_ROOM];
    char at[FORMAT_ROOM];

    out_printf(out, "%9" PRIu64 " %9s %12s  ", count,
               format_ns(age, stats->end_ns > ns ? stats->end_ns - ns : 0),
               format_offset(at, stats, ns));
}

static void put_rest(Out *out, size_t shown, size_t n)
{
    if (shown < n) {
        out_printf(out, _("  and %zu more\n"), n - shown);
    }
}

static void put_raised(Out *out, const ReportStats *stats, size_t top)
{
    size_t n, i;
    const ReportLine **list = choose(stats, &n, is_raised, by_since);
    size_t shown = top && n > top ? top : n;

    if (n) {
        out_text(out, _("\nStill raised at the end\n    again       "
                        "for        since  device\n"));
    }
    for (i = 0; i < shown; i++) {
        put_times(out, stats, list[i]->course.raised_again,
                  list[i]->course.since_ns);
        out_safe(out, list[i]->label);
        out_text(out, list[i]->course.lowers ? "\n" : _(", never lowered\n"));
    }
    put_rest(out, shown, n);
    free(list);
}

static void put_silent(Out *out, const ReportStats *stats, size_t top)
{
    size_t n, i;
    const ReportLine **list = choose(stats, &n, is_message, by_last);
    size_t shown = top && n > top ? top : n;

    if (n) {
        out_text(out, _("\nMessages, the longest silent first\n   events    "
                        "silent         last  device\n"));
    }
    for (i = 0; i < shown; i++) {
        put_times(out, stats, list[i]->events, list[i]->course.last_ns);
        out_safe(out, list[i]->label);
        out_char(out, '\n');
    }
    put_rest(out, shown, n);
    free(list);
}

void report_text_courses(Out *out, const ReportStats *stats, size_t top)
{
    put_raised(out, stats, top);
    put_silent(out, stats, top);
}
