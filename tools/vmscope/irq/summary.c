/*
 * irq-summary: see irq-summary.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq/summary.h"

#include "common/jsonout.h"
#include "common/translate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void irq_summary_begin(IrqSummary *summary, Out *out, bool json,
                       uint64_t top, uint64_t now_ns)
{
    memset(summary, 0, sizeof(*summary));
    summary->out = out;
    summary->json = json;
    summary->top = top ? top : UINT64_MAX;
    summary->begin_ns = now_ns;
    summary->last_ns = now_ns;
}

void irq_summary_take(IrqSummary *summary, const IrqEntry *entry,
                      uint64_t lost)
{
    if (entry) {
        if (!summary->begin_ns) {
            summary->begin_ns = entry->event.time_ns;
        }
        summary->last_ns = entry->event.time_ns;
        irq_rates_add(&summary->rates, entry);
        irq_courses_take(&summary->courses, entry);
    } else {
        summary->rates.lost += lost;
        irq_courses_forget(&summary->courses);
    }
}

void irq_summary_release(IrqSummary *summary)
{
    irq_rates_clear(&summary->rates);
    irq_courses_clear(&summary->courses);
}

bool irq_summary_has_messages(const IrqSummary *summary)
{
    const IrqRateList *lines = &summary->rates.lines;
    size_t i;

    for (i = 0; i < lines->n; i++) {
        if (lines->rates[i].kind == IRQLOG_MSI) {
            return true;
        }
    }
    return false;
}

/* Of a message's vector; a line's is known to the guest alone. */
static const char *driver_of(const IrqSummary *summary, const IrqRate *rate)
{
    return rate->kind == IRQLOG_MSI && !rate->remapped && rate->n >= 0 &&
           rate->n < IRQ_DRIVERS_VECTORS ? summary->drivers.of[rate->n] : "";
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
    const char *driver;
    char inner[IRQ_RATE_INNER];
    size_t i;

    out_text(summary->out,
             _("a second    events  inside kind     device\n"));
    for (i = 0; i < list->n && i < summary->top; i++) {
        rate = &list->rates[i];
        out_printf(summary->out, "%8.0f %9" PRIu64 " %7s %-8s ",
                   per_second(rate->events, ns), rate->events,
                   irq_rate_inner(rate, inner), irqlog_kind_name(rate->kind));
        out_safe(summary->out, rate->label);
        driver = driver_of(summary, rate);
        if (*driver) {
            out_text(summary->out, " -> ");
            out_safe(summary->out, driver);
        }
        out_char(summary->out, '\n');
    }
}

static void print_callers(const IrqSummary *summary, uint64_t ns)
{
    const IrqRateList *list = &summary->rates.callers;
    const IrqRate *rate;
    size_t i;

    out_text(summary->out, _("a second    events caller\n"));
    for (i = 0; i < list->n && i < summary->top; i++) {
        rate = &list->rates[i];
        out_printf(summary->out, "%8.0f %9" PRIu64 " ",
                   per_second(rate->events, ns), rate->events);
        out_safe(summary->out, rate->name);
        out_char(summary->out, '\n');
    }
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

/* Lines that are raised now, and messages that have not come for long. */
static void print_courses(const IrqSummary *summary, uint64_t ns)
{
    uint64_t now_ns = summary->begin_ns + ns;
    const IrqCourse **list;
    size_t i, n;

    list = irq_courses_raised(&summary->courses, &n);
    if (n) {
        out_text(summary->out, _("     for     again still raised\n"));
    }
    for (i = 0; i < n && i < summary->top; i++) {
        const Course *course = &list[i]->course;

        out_printf(summary->out, "%6.1f s %9" PRIu64 " ",
                   seconds(course->since_ns, now_ns), course->raised_again);
        out_safe(summary->out, list[i]->label);
        out_text(summary->out, course->lowers ? "\n" : _(", never lowered\n"));
    }
    free(list);
    list = irq_courses_silent(&summary->courses, summary->begin_ns, &n);
    if (n) {
        out_text(summary->out,
                 _("  silent    events message that came before\n"));
    }
    for (i = 0; i < n && i < summary->top; i++) {
        out_printf(summary->out, "%6.1f s %9" PRIu64 " ",
                   seconds(list[i]->course.last_ns, now_ns),
                   list[i]->events);
        out_safe(summary->out, list[i]->label);
        out_char(summary->out, '\n');
    }
    free(list);
}

static void print_text(const IrqSummary *summary, uint64_t ns)
{
    const IrqRates *rates = &summary->rates;

    out_printf(summary->out, _("-- %.3f s: %" PRIu64 " interrupts, %.0f a "
                               "second"), (double)ns / 1e9, rates->outermost,
               per_second(rates->outermost, ns));
    if (rates->events > rates->outermost) {
        out_printf(summary->out, _(" (and %" PRIu64 " raised inside of these)"),
                   rates->events - rates->outermost);
    }
    if (rates->lost) {
        out_printf(summary->out, _(", %" PRIu64 " lost"), rates->lost);
    }
    out_char(summary->out, '\n');
    if (rates->events) {
        print_lines(summary, ns);
        print_callers(summary, ns);
    }
    print_courses(summary, ns);
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
            jsonout_text(json, "label", rate->label);
            jsonout_uint(json, "inner-events", rate->inner);
            if (*driver_of(summary, rate)) {
                jsonout_text(json, "driver", driver_of(summary, rate));
            }
        }
        jsonout_uint(json, "events", rate->events);
        jsonout_real(json, "per-second", per_second(rate->events, ns));
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void write_course(JsonOut *json, const IrqCourse *line,
                         uint64_t now_ns)
{
    const Course *course = &line->course;
    uint64_t ns = course_is_raised(course) ? course->since_ns
                                           : course->last_ns;

    jsonout_begin(json, NULL, '{');
    jsonout_text(json, "path", line->name);
    jsonout_int(json, "irq-line", line->n);
    jsonout_text(json, "kind", irqlog_kind_name(line->kind));
    jsonout_text(json, "label", line->label);
    if (line->kind == IRQLOG_MSI) {
        jsonout_uint(json, "last-ns", ns);
        jsonout_uint(json, "events", line->events);
    } else {
        jsonout_uint(json, "since-ns", ns);
        jsonout_uint(json, "raised-again", course->raised_again);
        jsonout_uint(json, "lowers", course->lowers);
    }
    jsonout_uint(json, "for-ns", now_ns > ns ? now_ns - ns : 0);
    jsonout_end(json, '}');
}

static void write_courses(const IrqSummary *summary, JsonOut *json,
                          uint64_t now_ns)
{
    const IrqCourse **list;
    size_t i, n;

    list = irq_courses_raised(&summary->courses, &n);
    jsonout_begin(json, "raised", '[');
    for (i = 0; i < n && i < summary->top; i++) {
        write_course(json, list[i], now_ns);
    }
    jsonout_end(json, ']');
    free(list);
    list = irq_courses_silent(&summary->courses, UINT64_MAX, &n);
    jsonout_begin(json, "messages", '[');
    for (i = 0; i < n && i < summary->top; i++) {
        write_course(json, list[i], now_ns);
    }
    jsonout_end(json, ']');
    free(list);
}

static void print_json(const IrqSummary *summary, uint64_t ns)
{
    const IrqRates *rates = &summary->rates;
    JsonOut json = { .out = summary->out };

    jsonout_begin(&json, NULL, '{');
    jsonout_uint(&json, "time-ns", summary->begin_ns + ns);
    jsonout_uint(&json, "interval-ns", ns);
    jsonout_uint(&json, "events", rates->events);
    jsonout_uint(&json, "outermost", rates->outermost);
    jsonout_uint(&json, "lost", rates->lost);
    write_rates(summary, &json, "lines", &rates->lines, true, ns);
    write_rates(summary, &json, "callers", &rates->callers, false, ns);
    write_courses(summary, &json, summary->begin_ns + ns);
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
    summary->last_ns = now_ns;
}
