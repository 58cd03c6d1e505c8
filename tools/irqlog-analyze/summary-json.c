/*
 * summary-json: the summary as one JSON object.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/jsonout.h"
#include "summary.h"

static void write_high(JsonOut *json, const Flow *flow)
{
    uint64_t below = 1000;
    unsigned i;

    jsonout_begin(json, "raise-to-lower", '{');
    jsonout_uint(json, "count", flow->high_count);
    jsonout_uint(json, "total-ns", flow->high_total_ns);
    jsonout_uint(json, "max-ns", flow->high_max_ns);
    jsonout_begin(json, "histogram", '[');
    for (i = 0; i < STATS_BUCKETS; i++) {
        jsonout_begin(json, NULL, '{');
        if (i < STATS_BUCKETS - 1) {
            jsonout_uint(json, "below-ns", below);
        }
        jsonout_uint(json, "count", flow->high[i]);
        jsonout_end(json, '}');
        below *= 10;
    }
    jsonout_end(json, ']');
    jsonout_end(json, '}');
}

static void write_flow(const Summary *summary, JsonOut *json, const Flow *flow)
{
    jsonout_uint(json, "events", flow->events);
    jsonout_real(json, "per-second", summary_rate(summary, flow->events));
    jsonout_uint(json, "unchanged", flow->same);
    jsonout_begin(json, "longest-gap", '{');
    jsonout_uint(json, "ns", flow->gap_ns);
    jsonout_uint(json, "timestamp-ns", flow->gap_at_ns);
    jsonout_end(json, '}');
    jsonout_begin(json, "storms", '{');
    jsonout_uint(json, "count", flow->storms);
    jsonout_uint(json, "longest-ns", flow->storm_longest * STATS_WINDOW_NS);
    jsonout_uint(json, "peak-per-10ms", flow->peak);
    jsonout_end(json, '}');
    write_high(json, flow);
}

static void write_callers_of(const Summary *summary, JsonOut *json,
                             uint32_t index)
{
    size_t n;
    const PairStats *pair = summary_callers_of(summary, index, &n);

    jsonout_begin(json, "callers", '[');
    for (; n; n--, pair++) {
        jsonout_begin(json, NULL, '{');
        jsonout_text(json, "function",
                     summary->stats->callers[pair->caller].name);
        jsonout_uint(json, "events", pair->events);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void write_optional(JsonOut *json, const char *key, const char *text)
{
    if (text) {
        jsonout_text(json, key, text);
    }
}

static void write_course(const Summary *summary, JsonOut *json,
                         const LineStats *line)
{
    const Course *course = &line->course;

    jsonout_uint(json, "last-ns", course->last_ns);
    if (line->kind == IRQLOG_MSI) {
        return;
    }
    jsonout_uint(json, "raises", course->raises);
    jsonout_uint(json, "lowers", course->lowers);
    jsonout_uint(json, "raised-again", course->raised_again);
    jsonout_uint(json, "lowered-again", course->lowered_again);
    if (stats_is_raised(summary->stats, line)) {
        jsonout_uint(json, "raised-since-ns", course->since_ns);
    }
}

static void write_line(const Summary *summary, JsonOut *json, uint32_t index)
{
    const LineStats *line = &summary->stats->lines[index];
    char label[DEVICE_LABEL_MAX];

    jsonout_begin(json, NULL, '{');
    jsonout_text(json, "label", summary_label(line, label));
    jsonout_text(json, "path", line->path);
    jsonout_int(json, "irq-line", line->n);
    jsonout_text(json, "kind", irqlog_kind_name(line->kind));
    if (line->irq) {
        jsonout_uint(json, "irq-addr", line->irq);
    }
    write_optional(json, "requester", line->requester);
    write_optional(json, "handler-symbol", line->handler);
    write_optional(json, "driven-by", line->driven_by);
    write_optional(json, "owner", line->owner);
    write_optional(json, "device", line->device);
    write_flow(summary, json, &line->flow);
    write_course(summary, json, line);
    write_callers_of(summary, json, index);
    jsonout_end(json, '}');
}

static void write_caller(const Summary *summary, JsonOut *json, uint32_t index)
{
    const CallerStats *caller = &summary->stats->callers[index];

    jsonout_begin(json, NULL, '{');
    jsonout_text(json, "function", caller->name);
    write_optional(json, "place", caller->place);
    write_flow(summary, json, &caller->flow);
    jsonout_end(json, '}');
}

static void write_thread(const Summary *summary, JsonOut *json, uint32_t index)
{
    const ThreadStats *thread = &summary->stats->threads[index];

    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "host-tid", thread->tid);
    write_optional(json, "thread-name", thread->label);
    jsonout_uint(json, "events", thread->events);
    jsonout_end(json, '}');
}

static void write_list(const Summary *summary, JsonOut *json, const char *key,
                       const uint32_t *list, size_t n,
                       void (*write)(const Summary *, JsonOut *, uint32_t))
{
    size_t i;

    jsonout_begin(json, key, '[');
    for (i = 0; i < n; i++) {
        write(summary, json, list[i]);
    }
    jsonout_end(json, ']');
}

static void write_totals(const Summary *summary, JsonOut *json)
{
    const Stats *stats = summary->stats;

    jsonout_uint(json, "events", stats->events);
    jsonout_uint(json, "wired", stats->events - stats->messages);
    jsonout_uint(json, "messages", stats->messages);
    jsonout_uint(json, "unchanged", stats->same);
    jsonout_uint(json, "nested", stats->nested);
    jsonout_uint(json, "lost", stats->lost);
    jsonout_uint(json, "runs", stats->runs);
    jsonout_uint(json, "uncounted", stats->uncounted);
    jsonout_uint(json, "first-ns", stats->first_ns);
    jsonout_uint(json, "last-ns", stats->last_ns);
    jsonout_uint(json, "duration-ns", summary->duration_ns);
    jsonout_real(json, "per-second", summary_rate(summary, stats->events));
    jsonout_uint(json, "line-count", stats->n_lines);
    jsonout_uint(json, "caller-count", stats->n_callers);
    jsonout_uint(json, "thread-count", stats->n_threads);
}

void summary_write_json(const Summary *summary, Out *out)
{
    JsonOut json = { .out = out };

    jsonout_begin(&json, NULL, '{');
    write_totals(summary, &json);
    write_list(summary, &json, "lines", summary->lines, summary->n_lines,
               write_line);
    write_list(summary, &json, "callers", summary->callers,
               summary->n_callers, write_caller);
    write_list(summary, &json, "threads", summary->threads,
               summary->n_threads, write_thread);
    jsonout_end(&json, '}');
    jsonout_line(&json);
}
