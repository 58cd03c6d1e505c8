/*
 * report-html: a recording as one page, for a browser without a net.
 *
 * The page is html/, made into html-page.h by html/embed.py.  Between its
 * two halves go what report-json.c says, and the events: numbers of seven
 * bits a byte, lowest first, in base64.  A switch is the time since the one
 * before it (with its sign in bit 0), vCPU, thread, flags and priorities; an
 * interrupt that time, line, level (with its sign in bit 0), depth, host thread
 * and caller; a span of the host's
 * its end as that time, vCPU, length, and how long the vCPU ran and waited; a
 * span of Windows' ticks its end, vCPU, length, and the ticks of each kind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/view.h"

#include "common/message.h"
#include "report/callers.h"
#include "report/format.h"
#include "winos/layout.h"

#include "html-page.h"

#include <inttypes.h>
#include <stdlib.h>

/* Events that a browser still moves about in at ease. */
enum { MAX_EVENTS = 5000000 };

/* Flags of a switch; html/draw.js takes them apart. */
enum {
    FLAG_MISSED = 1 << 2,       /* below: SchedlogOrigin */
    SHIFT_OLD_STATE = 3,        /* + 1; 0: not known */
    MAX_OLD_STATE = 14,
    SHIFT_OLD_REASON = 7,       /* + 1 */
    SHIFT_OLD_PRIORITY = 6,     /* in a number of its own */
};

/* Bytes to text, three at a time. */
typedef struct Base64 {
    Out *out;
    uint32_t bits;
    unsigned n;                 /* bytes in bits */
} Base64;

static void put_group(Base64 *to, unsigned letters)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = to->bits << 8 * (3 - to->n);
    unsigned i;

    for (i = 0; i < 4; i++) {
        out_char(to->out, i < letters ? alphabet[bits >> (18 - 6 * i) & 63]
                                      : '=');
    }
    to->bits = 0;
    to->n = 0;
}

static void put_byte(Base64 *to, uint8_t byte)
{
    to->bits = to->bits << 8 | byte;
    if (++to->n == 3) {
        put_group(to, 4);
    }
}

static void end_base64(Base64 *to)
{
    if (to->n) {
        put_group(to, to->n + 1);
    }
}

static void put_number(Base64 *to, uint64_t value)
{
    while (value >= 0x80) {
        put_byte(to, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    put_byte(to, (uint8_t)value);
}

static void put_signed(Base64 *to, int64_t value)
{
    put_number(to, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* The figures. */

static void put_idle_threads(JsonOut *json, const ReportStats *stats)
{
    size_t i;

    jsonout_begin(json, "idle-threads", '[');
    for (i = 1; i < stats->who.n_threads; i++) {
        if (stats->who.threads[i].idle) {
            jsonout_uint(json, NULL, i);
        }
    }
    jsonout_end(json, ']');
}

static void put_reason_names(JsonOut *json)
{
    unsigned i;

    jsonout_begin(json, "reason-names", '[');
    for (i = 0; i < REPORT_REASONS; i++) {
        if (winos_wait_reason_name(i)) {
            jsonout_begin(json, NULL, '{');
            jsonout_uint(json, "reason", i);
            jsonout_text(json, "name", winos_wait_reason_name(i));
            jsonout_end(json, '}');
        }
    }
    jsonout_end(json, ']');
}

static void put_figures(Out *out, const ReportStats *stats)
{
    JsonOut json = { .out = out, .page = true };

    jsonout_begin(&json, NULL, '{');
    report_json_members(&json, stats, 0);
    put_idle_threads(&json, stats);
    put_reason_names(&json);
    jsonout_end(&json, '}');
}

/* The events. */

typedef struct Lane {
    uint32_t thread;            /* who runs, and was told of */
    uint32_t before;            /* who ran when the span began */
} Lane;

/* A thread of the host that raised interrupts. */
typedef struct HostName {
    uint32_t tid;
    char *name;
} HostName;

enum { MAX_HOST_THREADS = 1024 };

typedef struct Page {
    const ReportStats *stats;
    Base64 to;
    uint64_t last_ns;           /* what the next time is counted from */
    TraceWho who;               /* as in stats, made anew */
    Lane *lanes;                /* stats->n_vcpus */
    HostName host[MAX_HOST_THREADS];
    unsigned n_host;
    Map host_known;             /* tid to index plus 1 */
    Callers *callers;
} Page;

static void put_time(Page *page, uint64_t ns)
{
    put_signed(&page->to, (int64_t)(ns - page->last_ns));
    page->last_ns = ns;
}

static void put_run(Page *page, size_t vcpu, uint32_t thread, unsigned flags,
                    unsigned priorities, uint64_t ns)
{
    put_time(page, ns);
    put_number(&page->to, vcpu);
    put_number(&page->to, thread);
    put_number(&page->to, flags);
    put_number(&page->to, priorities);
    page->lanes[vcpu].thread = thread;
    page->lanes[vcpu].before = 0;
}

/* Who ran when the span began, before anything else of that vCPU. */
static void put_before(Page *page, size_t vcpu)
{
    Lane *lane = &page->lanes[vcpu];

    if (lane->before) {
        put_run(page, vcpu, lane->before, 0, 0, page->stats->begin_ns);
    }
}

static unsigned flags_of(const Page *page, const Lane *lane,
                         const SchedlogEvent *event)
{
    unsigned flags = event->origin;

    if (event->missed) {
        return flags | FLAG_MISSED;
    }
    if (!lane->thread || !(event->has & SCHEDLOG_HAS_OLD) ||
        page->who.threads[lane->thread].thread != event->old_thread) {
        return flags;
    }
    if (event->has & SCHEDLOG_HAS_OLD_STATE &&
        event->old_state < MAX_OLD_STATE) {
        flags |= (event->old_state + 1u) << SHIFT_OLD_STATE;
    }
    if (event->has & SCHEDLOG_HAS_OLD_WAIT_REASON) {
        flags |= (event->old_wait_reason + 1u) << SHIFT_OLD_REASON;
    }
    return flags;
}

/* Of who runs now, and of who ran; plus 1, 0 is not known. */
static unsigned priorities_of(const SchedlogEvent *event)
{
    unsigned now = event->has & SCHEDLOG_HAS_PRIORITY
                   ? (event->priority & 31u) + 1 : 0;
    unsigned old = event->has & SCHEDLOG_HAS_OLD_PRIORITY
                   ? (event->old_priority & 31u) + 1 : 0;

    return old << SHIFT_OLD_PRIORITY | now;
}

static void take_switch(Page *page, const SchedlogEvent *event)
{
    uint32_t thread = trace_who_thread(&page->who, event);
    uint64_t ns = event->time_ns;

    if (event->vcpu >= page->stats->n_vcpus ||
        ns >= page->stats->end_ns) {
        return;
    }
    if (!report_is_inside(page->stats, ns)) {
        page->lanes[event->vcpu].before = thread;
        return;
    }
    put_before(page, event->vcpu);
    put_run(page, event->vcpu, thread,
            flags_of(page, &page->lanes[event->vcpu], event),
            priorities_of(event), ns);
}

/* Switches are missing: nobody is known to run. */
static void take_lost(Page *page, const TraceLost *lost)
{
    uint64_t from = lost->from_ns;
    size_t i;

    if (lost->contents != TRACE_SCHED || from >= page->stats->end_ns) {
        return;
    }
    for (i = 0; i < page->stats->n_vcpus; i++) {
        if (from < page->stats->begin_ns) {
            page->lanes[i].before = 0;
        } else {
            put_before(page, i);
            if (page->lanes[i].thread) {
                put_run(page, i, 0, 0, 0, from);
            }
        }
    }
}

static void take_for_switches(Page *page, const TraceItem *item)
{
    if (item->type == TRACE_ITEM_SCHED) {
        take_switch(page, &item->sched);
    } else if (item->type == TRACE_ITEM_LOST) {
        take_lost(page, &item->lost);
    } else if (item->type == TRACE_ITEM_RUNNING &&
               item->sched.vcpu < page->stats->n_vcpus) {
        page->lanes[item->sched.vcpu].before =
            trace_who_thread(&page->who, &item->sched);
    }
}

/* Host threads are named behind the events, each once. */
static void tell_host_thread(Page *page, const TraceItem *item)
{
    const IrqlogThreadInfo *thread = item->host_thread;

    if (page->n_host < MAX_HOST_THREADS && item->irq.tid &&
        !map_get(&page->host_known, item->irq.tid)) {
        page->host[page->n_host++] = (HostName) {
            .tid = item->irq.tid,
            .name = keep(thread->role ? thread->role : thread->name),
        };
        map_put(&page->host_known, item->irq.tid, page->n_host);
    }
}

static void put_host_threads(Page *page)
{
    JsonOut json = { .out = page->to.out, .page = true };
    unsigned i;

    out_text(page->to.out, "</script>\n<script id=\"host-threads\" "
             "type=\"application/json\">");
    jsonout_begin(&json, NULL, '[');
    for (i = 0; i < page->n_host; i++) {
        jsonout_begin(&json, NULL, '{');
        jsonout_uint(&json, "tid", page->host[i].tid);
        jsonout_text(&json, "name", page->host[i].name);
        jsonout_end(&json, '}');
        free(page->host[i].name);
    }
    jsonout_end(&json, ']');
    map_clear(&page->host_known);
}

static void put_callers(Page *page)
{
    JsonOut json = { .out = page->to.out, .page = true };

    out_text(page->to.out, "</script>\n<script id=\"callers\" "
             "type=\"application/json\">");
    callers_write(page->callers, &json);
}

static void take_for_interrupts(Page *page, const TraceItem *item)
{
    int64_t level;

    if (item->type != TRACE_ITEM_IRQ ||
        !report_is_inside(page->stats, item->irq.time_ns)) {
        return;
    }
    level = item->irq.level;
    put_time(page, item->irq.time_ns);
    put_number(&page->to, item->line);
    put_signed(&page->to, level);
    put_number(&page->to, item->irq.depth);
    put_number(&page->to, item->irq.tid);
    put_number(&page->to, callers_offset(&page->stats->info,
                                         item->irq.caller));
    callers_add(page->callers, item->irq.caller);
    tell_host_thread(page, item);
}

static void take_for_host(Page *page, const TraceItem *item)
{
    const TraceHost *host = &item->host;

    if (item->type != TRACE_ITEM_HOST ||
        host->to_ns <= page->stats->begin_ns ||
        host->from_ns >= page->stats->end_ns) {
        return;
    }
    put_time(page, host->to_ns);
    put_number(&page->to, host->vcpu);
    put_number(&page->to, host->to_ns - host->from_ns);
    put_number(&page->to, host->run_ns);
    put_number(&page->to, host->wait_ns);
}

static void take_for_ticks(Page *page, const TraceItem *item)
{
    const TraceTicks *ticks = &item->ticks;
    unsigned i;

    if (item->type != TRACE_ITEM_TICKS ||
        ticks->to_ns <= page->stats->begin_ns ||
        ticks->from_ns >= page->stats->end_ns) {
        return;
    }
    put_time(page, ticks->to_ns);
    put_number(&page->to, ticks->vcpu);
    put_number(&page->to, ticks->to_ns - ticks->from_ns);
    for (i = 0; i < TRACE_N_TICKS; i++) {
        put_number(&page->to, ticks->ticks[i]);
    }
}

static bool put_events(Page *page, const char *path, const char *id,
                       void (*take)(Page *page, const TraceItem *item),
                       Err *err)
{
    static TraceInput input;
    const TraceItem *item;
    size_t i;

    if (!trace_input_open(&input, path, err)) {
        return false;
    }
    page->last_ns = page->stats->begin_ns;
    out_printf(page->to.out, "</script>\n<script id=\"%s\" "
               "type=\"application/octet-stream\">", id);
    while ((item = trace_input_next(&input))) {
        take(page, item);
    }
    for (i = 0; i < page->stats->n_vcpus; i++) {
        put_before(page, i);
    }
    end_base64(&page->to);
    trace_input_close(&input);
    return true;
}

bool report_html(Out *out, const ReportStats *stats, const char *path,
                 Err *err)
{
    static Page page;
    bool good;

    page = (Page) { .stats = stats, .to = { .out = out } };

    if (stats->switches + stats->interrupts > MAX_EVENTS) {
        err_set(err, ERR_USAGE, "%s: a page with %" PRIu64 " events would be "
                "too much for a browser: choose a part with --since and "
                "--until, of at most %d", path,
                stats->switches + stats->interrupts, MAX_EVENTS);
        return false;
    }
    page.lanes = calloc(stats->n_vcpus + 1, sizeof(*page.lanes));
    if (!page.lanes) {
        die_no_memory();
    }
    page.callers = callers_new(&stats->info);
    trace_who_init(&page.who);
    out_bytes(out, (const char *)html_before, sizeof(html_before));
    out_text(out, "<script id=\"report\" type=\"application/json\">");
    put_figures(out, stats);
    good = put_events(&page, path, "switches", take_for_switches, err) &&
           put_events(&page, path, "interrupts", take_for_interrupts, err) &&
           put_events(&page, path, "host", take_for_host, err) &&
           put_events(&page, path, "ticks", take_for_ticks, err);
    put_host_threads(&page);
    put_callers(&page);
    out_text(out, "</script>");
    out_bytes(out, (const char *)html_after, sizeof(html_after));
    trace_who_free(&page.who);
    callers_free(page.callers);
    free(page.lanes);
    return good;
}
