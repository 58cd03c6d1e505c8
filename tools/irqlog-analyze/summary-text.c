/*
 * summary-text: the summary as a page for a person.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "summary.h"

#include "common/translate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Callers shown with each line. */
enum { CALLERS_OF_LINE = 3 };

/* Room for a number or a time as text. */
typedef struct Text {
    char text[48];
} Text;

/* 1234567 as 1,234,567 */
static Text with_commas(uint64_t value)
{
    char digits[24];
    Text result;
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, value);
    size_t i;
    size_t to = 0;

    for (i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) {
            result.text[to++] = ',';
        }
        result.text[to++] = digits[i];
    }
    result.text[to] = '\0';
    return result;
}

/* Three digits, as many as a person compares. */
static Text duration(uint64_t ns)
{
    static const struct {
        uint64_t ns;
        const char *unit;
    } units[] = {
        { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" }, { 1, "ns" },
    };
    double value;
    Text result;
    size_t i = 0;

    while (i < 3 && ns < units[i].ns) {
        i++;
    }
    value = (double)ns / (double)units[i].ns;
    snprintf(result.text, sizeof(result.text), "%.*f %s",
             i == 3 || value >= 100 ? 0 : value >= 10 ? 1 : 2, value,
             units[i].unit);
    return result;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static Text rate(const Summary *summary, uint64_t events)
{
    double value = summary_rate(summary, events);
    Text result;

    if (value >= 100) {
        return with_commas((uint64_t)(value + 0.5));
    }
    snprintf(result.text, sizeof(result.text), "%.3g", value);
    return result;
}

static void write_totals(const Summary *summary, Out *out)
{
    const Stats *stats = summary->stats;
    uint64_t wired = stats->events - stats->messages;

    out_printf(out, _("%s interrupts in %s, %s a second\n"),
               with_commas(stats->events).text,
               duration(summary->duration_ns).text,
               rate(summary, stats->events).text);
    out_printf(out, _("  on wires        %12s  %5.1f %%   (%.1f %% changed "
                      "nothing)\n"), with_commas(wired).text,
               percent(wired, stats->events), percent(stats->same, wired));
    out_printf(out, _("  messages (MSI)  %12s  %5.1f %%\n"),
               with_commas(stats->messages).text,
               percent(stats->messages, stats->events));
    out_printf(out, _("  inside another  %12s  %5.1f %%\n"),
               with_commas(stats->nested).text,
               percent(stats->nested, stats->events));
    out_printf(out, _("  lost            %12s\n"),
               with_commas(stats->lost).text);
    if (stats->runs > 1) {
        out_printf(out, _("  runs            %12s\n"),
                   with_commas(stats->runs).text);
    }
    if (stats->uncounted) {
        out_printf(out, _("  not listed      %12s\n"),
                   with_commas(stats->uncounted).text);
    }
}

static void write_heading(Out *out, const char *what, size_t shown, size_t all)
{
    out_printf(out, "\n%s", what);
    if (shown < all) {
        out_printf(out, _(" (%zu of %zu)"), shown, all);
    }
    out_char(out, '\n');
}

/* The times between raise and lower, a decade each. */
static void write_histogram(const Flow *flow, Out *out)
{
    static const char *const names[STATS_BUCKETS] = {
        "<1us", "<10us", "<100us", "<1ms", "<10ms", "<100ms", "<1s", ">=1s",
    };
    unsigned i;

    out_text(out, "    ");
    for (i = 0; i < STATS_BUCKETS; i++) {
        if (flow->high[i]) {
            out_printf(out, " %s: %s", names[i],
                       with_commas(flow->high[i]).text);
        }
    }
    out_char(out, '\n');
}

static void write_high(const Flow *flow, Out *out)
{
    if (!flow->high_count) {
        return;
    }
    out_printf(out, _("     raised to lowered %s x, mean %s, longest %s\n"),
               with_commas(flow->high_count).text,
               duration(flow->high_total_ns / flow->high_count).text,
               duration(flow->high_max_ns).text);
    write_histogram(flow, out);
}

static void write_gap(const Summary *summary, const Flow *flow, Out *out)
{
    uint64_t first = summary->stats->first_ns;

    if (flow->gap_ns) {
        out_printf(out, _("     longest gap %s, at +%s\n"),
                   duration(flow->gap_ns).text,
                   duration(flow->gap_at_ns > first ? flow->gap_at_ns - first
                                                    : 0).text);
    }
}

static void write_flow(const Summary *summary, const Flow *flow, Out *out)
{
    out_printf(out, _("     %s %s (%.1f %%), %s a second, %.1f %% changed "
                      "nothing\n"), with_commas(flow->events).text,
               flow->events == 1 ? _("event") : _("events"),
               percent(flow->events, summary->stats->events),
               rate(summary, flow->events).text,
               percent(flow->same, flow->events));
    write_gap(summary, flow, out);
    if (flow->storms) {
        out_printf(out, _("     storms %s x, longest %s, peak %s in 10 ms\n"),
                   with_commas(flow->storms).text,
                   duration(flow->storm_longest * STATS_WINDOW_NS).text,
                   with_commas(flow->peak).text);
    }
    write_high(flow, out);
}

static void write_title(Out *out, size_t rank, const char *title)
{
    out_printf(out, "%3zu. ", rank);
    out_safe(out, title);
    out_char(out, '\n');
}

static void write_callers_of(const Summary *summary, uint32_t index, Out *out)
{
    size_t n;
    const PairStats *pair = summary_callers_of(summary, index, &n);
    size_t i;

    for (i = 0; i < n && i < CALLERS_OF_LINE; i++) {
        out_printf(out, _("     by %s: "), with_commas(pair[i].events).text);
        out_safe(out, summary->stats->callers[pair[i].caller].name);
        out_char(out, '\n');
    }
    if (n > i) {
        out_printf(out, _("     by %zu more\n"), n - i);
    }
}

static void write_fact(Out *out, const char *what, const char *text)
{
    if (text) {
        out_printf(out, "     %s ", what);
        out_safe(out, text);
        out_char(out, '\n');
    }
}

static void write_line(const Summary *summary, size_t rank, uint32_t index,
                       Out *out)
{
    const LineStats *line = &summary->stats->lines[index];
    char label[DEVICE_LABEL_MAX];

    write_title(out, rank, summary_label(line, label));
    if (line->device) {
        write_fact(out, _("path"), line->path);
    }
    if (line->kind == IRQLOG_MSI) {
        out_printf(out, _("     msi, vector %d"), line->n);
    } else {
        out_printf(out, "     %s, n=%d", irqlog_kind_name(line->kind),
                   line->n);
    }
    if (line->irq) {
        out_printf(out, _(", irq=0x%" PRIx64), line->irq);
    }
    out_char(out, '\n');
    if (line->requester && strcmp(line->requester, line->path)) {
        write_fact(out, _("from"), line->requester);
    }
    write_fact(out, _("driven by"), line->driven_by);
    write_fact(out, _("owner"), line->owner);
    write_fact(out, _("handler"), line->handler);
    write_flow(summary, &line->flow, out);
    write_callers_of(summary, index, out);
}

static void write_caller(const Summary *summary, size_t rank, uint32_t index,
                         Out *out)
{
    const CallerStats *caller = &summary->stats->callers[index];

    write_title(out, rank, caller->name);
    if (caller->place) {
        out_text(out, "     ");
        out_safe(out, caller->place);
        out_char(out, '\n');
    }
    write_flow(summary, &caller->flow, out);
}

static void write_label(const LineStats *line, Out *out)
{
    char label[DEVICE_LABEL_MAX];

    out_safe(out, summary_label(line, label));
    if (!line->device && line->kind != IRQLOG_MSI) {
        out_printf(out, " n=%d", line->n);
    }
}

static Text offset(const Summary *summary, uint64_t ns)
{
    uint64_t first = summary->stats->first_ns;

    return duration(ns > first ? ns - first : 0);
}

/* How long before the end of the input. */
static Text age(const Summary *summary, uint64_t ns)
{
    uint64_t last = summary->stats->last_ns;

    return duration(last > ns ? last - ns : 0);
}

static void write_raised(const Summary *summary, size_t rank, uint32_t index,
                         Out *out)
{
    const LineStats *line = &summary->stats->lines[index];
    const Course *course = &line->course;

    out_printf(out, "%3zu. ", rank);
    write_label(line, out);
    out_printf(out, _("\n     for %s, since +%s"),
               age(summary, course->since_ns).text,
               offset(summary, course->since_ns).text);
    if (course->raised_again) {
        out_printf(out, _("; raised again without a lower %s x"),
                   with_commas(course->raised_again).text);
    }
    if (!course->lowers) {
        out_text(out, _("; never lowered"));
    }
    out_char(out, '\n');
}

static void write_silent(const Summary *summary, size_t rank, uint32_t index,
                         Out *out)
{
    const LineStats *line = &summary->stats->lines[index];

    out_printf(out, "%3zu. ", rank);
    write_label(line, out);
    out_printf(out, _("\n     vector %d (0x%02x): the last of %s, %s before "
                      "the end\n"), line->n, (unsigned)line->n,
               with_commas(line->flow.events).text,
               age(summary, line->course.last_ns).text);
}

static void write_thread(const Summary *summary, size_t rank, uint32_t index,
                         Out *out)
{
    const ThreadStats *thread = &summary->stats->threads[index];

    out_printf(out, _("%3zu. tid=%" PRIu32), rank, thread->tid);
    if (thread->label) {
        out_text(out, " (");
        out_safe(out, thread->label);
        out_char(out, ')');
    }
    out_printf(out, ": %s %s (%.1f %%)\n",
               with_commas(thread->events).text,
               thread->events == 1 ? _("event") : _("events"),
               percent(thread->events, summary->stats->events));
}

typedef void WriteFn(const Summary *summary, size_t rank, uint32_t index,
                     Out *out);

static void write_list(const Summary *summary, Out *out, const uint32_t *list,
                       size_t n, WriteFn *write)
{
    size_t i;

    for (i = 0; i < n; i++) {
        write(summary, i + 1, list[i], out);
    }
}

/* Lines of another order than the busiest first. */
static void write_chosen(const Summary *summary, Out *out, const char *what,
                         const uint32_t *list, size_t n, WriteFn *write)
{
    size_t shown = summary->top && n > summary->top ? summary->top : n;

    if (n) {
        write_heading(out, what, shown, n);
        write_list(summary, out, list, shown, write);
    }
}

void summary_write_text(const Summary *summary, Out *out)
{
    const Stats *stats = summary->stats;

    write_totals(summary, out);
    write_heading(out, _("Busiest lines"), summary->n_lines, stats->n_lines);
    write_list(summary, out, summary->lines, summary->n_lines, write_line);
    write_chosen(summary, out, _("Still raised where the log ends"),
                 summary->raised, summary->n_raised, write_raised);
    write_chosen(summary, out, _("Messages, the longest silent first"),
                 summary->silent, summary->n_silent, write_silent);
    write_heading(out, _("Who raised them"), summary->n_callers,
                  stats->n_callers);
    write_list(summary, out, summary->callers, summary->n_callers,
               write_caller);
    write_heading(out, _("On which threads"), summary->n_threads,
                  stats->n_threads);
    write_list(summary, out, summary->threads, summary->n_threads,
               write_thread);
}
