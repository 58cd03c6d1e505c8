/*
 * irq-summary: see irq-summary.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq-summary.h"

#include "common/jsonout.h"

#include <inttypes.h>
#include <string.h>

void irq_summary_begin(IrqSummary *summary, Out *out, bool json,
                       uint64_t top, uint64_t now_ns)
{
    memset(summary, 0, sizeof(*summary));
    summary->out = out;
    summary->json = json;
    summary->top = top ? top : UINT64_MAX;
    summary->begin_ns = now_ns;
}

void irq_summary_take(IrqSummary *summary, const IrqEntry *entry,
                      uint64_t lost)
{
    if (entry) {
        irq_rates_add(&summary->rates, entry);
    } else {
        summary->rates.lost += lost;
    }
}

void irq_summary_release(IrqSummary *summary)
{
    irq_rates_clear(&summary->rates);
}

static double per_second(uint64_t events, uint64_t ns)
{
    return ns ? (double)events * 1e9 / (double)ns : 0;
}

/* Text. */

static void print_lines(const IrqSummary *summary, uint64_t ns)
{
    const IrqRateList *list = &summary->rates.lines;
    const IrqRate *rate;
    size_t i;

    out_printf(summary->out, "%8s %9s %-8s %5s %s\n", "a second",
               "events", "kind", "line", "path");
    for (i = 0; i < list->n && i < summary->top; i++) {
        rate = &list->rates[i];
        out_printf(summary->out, "%8.0f %9" PRIu64 " %-8s %5" PRId32 " ",
                   per_second(rate->events, ns), rate->events,
                   irqlog_kind_name(rate->kind), rate->n);
        out_safe(summary->out, rate->name);
        out_char(summary->out, '\n');
    }
}

static void print_callers(const IrqSummary *summary, uint64_t ns)
{
    const IrqRateList *list = &summary->rates.callers;
    const IrqRate *rate;
    size_t i;

    out_printf(summary->out, "%8s %9s %s\n", "a second", "events",
               "caller");
    for (i = 0; i < list->n && i < summary->top; i++) {
        rate = &list->rates[i];
        out_printf(summary->out, "%8.0f %9" PRIu64 " ",
                   per_second(rate->events, ns), rate->events);
        out_safe(summary->out, rate->name);
        out_char(summary->out, '\n');
    }
}

static void print_text(const IrqSummary *summary, uint64_t ns)
{
    const IrqRates *rates = &summary->rates;

    out_printf(summary->out, "-- %.3f s: %" PRIu64 " interrupts, %.0f a "
               "second", (double)ns / 1e9, rates->events,
               per_second(rates->events, ns));
    if (rates->lost) {
        out_printf(summary->out, ", %" PRIu64 " lost", rates->lost);
    }
    out_char(summary->out, '\n');
    if (rates->events) {
        print_lines(summary, ns);
        print_callers(summary, ns);
    }
    out_char(summary->out, '\n');
}

/* JSON. */

static void write_rates(const IrqSummary *summary, JsonOut *json,
                        const char *key, const IrqRateList *list, bool line,
                        uint64_t ns)
{
    const IrqRate *rate;
    size_t i;

    jsonout_begin(json, key, '[');
    for (i = 0; i < list->n && i < summary->top; i++) {
        rate = &list->rates[i];
        jsonout_begin(json, NULL, '{');
        jsonout_text(json, line ? "path" : "caller", rate->name);
        if (line) {
            jsonout_int(json, "irq-line", rate->n);
            jsonout_text(json, "kind", irqlog_kind_name(rate->kind));
        }
        jsonout_uint(json, "events", rate->events);
        jsonout_real(json, "per-second", per_second(rate->events, ns));
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void print_json(const IrqSummary *summary, uint64_t ns)
{
    const IrqRates *rates = &summary->rates;
    JsonOut json = { .out = summary->out };

    jsonout_begin(&json, NULL, '{');
    jsonout_uint(&json, "time-ns", summary->begin_ns + ns);
    jsonout_uint(&json, "interval-ns", ns);
    jsonout_uint(&json, "events", rates->events);
    jsonout_uint(&json, "lost", rates->lost);
    write_rates(summary, &json, "lines", &rates->lines, true, ns);
    write_rates(summary, &json, "callers", &rates->callers, false, ns);
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

void irq_summary_end(IrqSummary *summary, uint64_t now_ns)
{
    uint64_t ns = now_ns > summary->begin_ns ? now_ns - summary->begin_ns : 0;

    irq_rates_sort(&summary->rates);
    if (summary->json) {
        print_json(summary, ns);
    } else {
        print_text(summary, ns);
    }
    irq_rates_clear(&summary->rates);
    summary->begin_ns = now_ns;
}
