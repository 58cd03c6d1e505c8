/*
 * summary-json: the summary as one JSON object.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "json.h"
#include "summary.h"

static void write_high(Json *json, const Flow *flow)
{
    uint64_t below = 1000;
    unsigned i;

    json_begin(json, "raise-to-lower", '{');
    json_uint(json, "count", flow->high_count);
    json_uint(json, "total-ns", flow->high_total_ns);
    json_uint(json, "max-ns", flow->high_max_ns);
    json_begin(json, "histogram", '[');
    for (i = 0; i < STATS_BUCKETS; i++) {
        json_begin(json, NULL, '{');
        if (i < STATS_BUCKETS - 1) {
            json_uint(json, "below-ns", below);
        }
        json_uint(json, "count", flow->high[i]);
        json_end(json, '}');
        below *= 10;
    }
    json_end(json, ']');
    json_end(json, '}');
}

static void write_flow(const Summary *summary, Json *json, const Flow *flow)
{
    json_uint(json, "events", flow->events);
    json_real(json, "per-second", summary_rate(summary, flow->events));
    json_uint(json, "unchanged", flow->same);
    json_begin(json, "longest-gap", '{');
    json_uint(json, "ns", flow->gap_ns);
    json_uint(json, "timestamp-ns", flow->gap_at_ns);
    json_end(json, '}');
    json_begin(json, "storms", '{');
    json_uint(json, "count", flow->storms);
    json_uint(json, "longest-ns", flow->storm_longest * STATS_WINDOW_NS);
    json_uint(json, "peak-per-10ms", flow->peak);
    json_end(json, '}');
    write_high(json, flow);
}

static void write_callers_of(const Summary *summary, Json *json,
                             uint32_t index)
{
    size_t n;
    const PairStats *pair = summary_callers_of(summary, index, &n);

    json_begin(json, "callers", '[');
    for (; n; n--, pair++) {
        json_begin(json, NULL, '{');
        json_text(json, "function",
                  summary->stats->callers[pair->caller].name);
        json_uint(json, "events", pair->events);
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void write_optional(Json *json, const char *key, const char *text)
{
    if (text) {
        json_text(json, key, text);
    }
}

static void write_line(const Summary *summary, Json *json, uint32_t index)
{
    const LineStats *line = &summary->stats->lines[index];

    json_begin(json, NULL, '{');
    json_text(json, "path", line->path);
    json_int(json, "irq-line", line->n);
    json_text(json, "kind", irqlog_kind_name(line->kind));
    if (line->irq) {
        json_uint(json, "irq-addr", line->irq);
    }
    write_optional(json, "requester", line->requester);
    write_optional(json, "handler-symbol", line->handler);
    write_optional(json, "driven-by", line->driven_by);
    write_optional(json, "owner", line->owner);
    write_flow(summary, json, &line->flow);
    write_callers_of(summary, json, index);
    json_end(json, '}');
}

static void write_caller(const Summary *summary, Json *json, uint32_t index)
{
    const CallerStats *caller = &summary->stats->callers[index];

    json_begin(json, NULL, '{');
    json_text(json, "function", caller->name);
    write_optional(json, "place", caller->place);
    write_flow(summary, json, &caller->flow);
    json_end(json, '}');
}

static void write_thread(const Summary *summary, Json *json, uint32_t index)
{
    const ThreadStats *thread = &summary->stats->threads[index];

    json_begin(json, NULL, '{');
    json_uint(json, "host-tid", thread->tid);
    write_optional(json, "thread-name", thread->label);
    json_uint(json, "events", thread->events);
    json_end(json, '}');
}

static void write_list(const Summary *summary, Json *json, const char *key,
                       const uint32_t *list, size_t n,
                       void (*write)(const Summary *, Json *, uint32_t))
{
    size_t i;

    json_begin(json, key, '[');
    for (i = 0; i < n; i++) {
        write(summary, json, list[i]);
    }
    json_end(json, ']');
}

static void write_totals(const Summary *summary, Json *json)
{
    const Stats *stats = summary->stats;

    json_uint(json, "events", stats->events);
    json_uint(json, "wired", stats->events - stats->messages);
    json_uint(json, "messages", stats->messages);
    json_uint(json, "unchanged", stats->same);
    json_uint(json, "nested", stats->nested);
    json_uint(json, "lost", stats->lost);
    json_uint(json, "runs", stats->runs);
    json_uint(json, "uncounted", stats->uncounted);
    json_uint(json, "first-ns", stats->first_ns);
    json_uint(json, "last-ns", stats->last_ns);
    json_uint(json, "duration-ns", summary->duration_ns);
    json_real(json, "per-second", summary_rate(summary, stats->events));
    json_uint(json, "line-count", stats->n_lines);
    json_uint(json, "caller-count", stats->n_callers);
    json_uint(json, "thread-count", stats->n_threads);
}

void summary_write_json(const Summary *summary, Out *out)
{
    Json json = { .out = out };

    json_begin(&json, NULL, '{');
    write_totals(summary, &json);
    write_list(summary, &json, "lines", summary->lines, summary->n_lines,
               write_line);
    write_list(summary, &json, "callers", summary->callers,
               summary->n_callers, write_caller);
    write_list(summary, &json, "threads", summary->threads,
               summary->n_threads, write_thread);
    json_end(&json, '}');
    json_line(&json);
}
