/*
 * irq-feed: see irq-feed.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq-feed.h"

#include "common/message.h"
#include "seq-order.h"
#include "tracing.h"

#include <string.h>

/* Pages fetched in one go, at most; the ring may ask for fewer. */
enum { PAGES_MAX = 100 };

bool irq_feed_is_on(const IrqFeed *feed)
{
    return tracing_is_on(feed->status, TRACING_IRQ);
}

uint64_t irq_feed_recorded(const IrqFeed *feed)
{
    return qmp_uint(feed->status, "recorded", 0);
}

uint64_t irq_feed_now_ns(const IrqFeed *feed)
{
    return qmp_uint(json_object_get(feed->status, "clock"), "monotonic-ns",
                    0);
}

static bool update_status(IrqFeed *feed, Err *err)
{
    json_t *status = tracing_status(feed->qmp, TRACING_IRQ, err);

    if (!status) {
        return false;
    }
    json_decref(feed->status);
    feed->status = status;
    return true;
}

bool irq_feed_begin(IrqFeed *feed, Qmp *qmp, const IrqFilter *filter,
                    Err *err)
{
    memset(feed, 0, sizeof(*feed));
    feed->qmp = qmp;
    feed->filter = filter;
    if (!update_status(feed, err)) {
        return false;
    }
    feed->after = irq_feed_recorded(feed);
    return true;
}

void irq_feed_end(IrqFeed *feed)
{
    json_decref(feed->status);
    feed->status = NULL;
}

/* Asking. */

static void add_integer(json_t *arguments, const char *key, int64_t value)
{
    if (json_object_set_new(arguments, key, json_integer(value))) {
        die_no_memory();
    }
}

static void add_text(json_t *arguments, const char *key, const char *text)
{
    if (text && json_object_set_new(arguments, key, json_string(text))) {
        die_no_memory();
    }
}

static void add_filter(json_t *arguments, const IrqFilter *filter)
{
    if (filter->line.given) {
        add_integer(arguments, "filter-line", filter->line.value);
    }
    if (filter->tid.given) {
        add_integer(arguments, "filter-tid", filter->tid.value);
    }
    add_text(arguments, "filter-path", filter->path);
    add_text(arguments, "filter-kind", filter->kind);
}

/* @after of UINT64_MAX: the newest. */
static json_t *query(IrqFeed *feed, uint32_t n, uint64_t after, Err *err)
{
    json_t *arguments = json_object();

    if (!arguments) {
        die_no_memory();
    }
    add_integer(arguments, "max-entries", n);
    if (after != UINT64_MAX) {
        add_integer(arguments, "after", (int64_t)after);
    }
    if (feed->filter) {
        add_filter(arguments, feed->filter);
    }
    return qmp_command(feed->qmp, "query-irq-log", arguments, err);
}

/* Handing on. */

static bool is_filtered(const IrqFilter *filter)
{
    return filter && (filter->line.given || filter->tid.given ||
                      filter->path || filter->kind);
}

/* Entries behind feed->after; gaps between them are told when @gaps. */
static void hand_on(IrqFeed *feed, const json_t *entries, bool gaps,
                    IrqTaker *take, void *opaque)
{
    SeqOrder order = seq_order_new(entries, feed->after);
    IrqEntry entry;
    size_t i;

    for (i = 0; i < order.n; i++) {
        const json_t *object = order.list[i].object;

        if (!irq_entry_read(&entry, object) ||
            entry.event.seq <= feed->after) {
            continue;
        }
        if (gaps && entry.event.seq > feed->after + 1) {
            take(opaque, NULL, NULL, entry.event.seq - feed->after - 1);
        }
        feed->after = entry.event.seq;
        take(opaque, &entry, object, 0);
    }
    seq_order_free(&order);
}

/* With a filter gaps say nothing: ask what had gone when it was read. */
static bool tell_overwritten(IrqFeed *feed, uint64_t before, IrqTaker *take,
                             void *opaque, Err *err)
{
    uint64_t gone;

    if (!update_status(feed, err)) {
        return false;
    }
    gone = qmp_uint(feed->status, "overwritten", 0);
    before = before > feed->gone ? before : feed->gone;
    if (gone > before) {
        take(opaque, NULL, NULL, gone - before);
        feed->gone = gone;
    }
    return true;
}

/* One page; sets @more when there may be another one. */
static bool fetch_page(IrqFeed *feed, IrqTaker *take, void *opaque,
                       bool *more, Err *err)
{
    uint32_t page = qmp_page(feed->qmp);
    uint64_t before = feed->after;
    bool filtered = is_filtered(feed->filter);
    json_t *entries = query(feed, page, before, err);

    if (!entries) {
        return false;
    }
    if (filtered && !tell_overwritten(feed, before, take, opaque, err)) {
        json_decref(entries);
        return false;
    }
    hand_on(feed, entries, !filtered, take, opaque);
    *more = json_array_size(entries) >= page && feed->after > before;
    if (filtered && !*more && feed->settled > feed->after) {
        feed->after = feed->settled;
    }
    json_decref(entries);
    return true;
}

static uint64_t pages_of_ring(const IrqFeed *feed)
{
    uint64_t pages = qmp_uint(feed->status, "entries", 0) /
                     qmp_page(feed->qmp) + 1;

    return pages < PAGES_MAX ? pages : PAGES_MAX;
}

/* The status anew; a fresh ring numbers from 1 again. */
static bool look(IrqFeed *feed, Err *err)
{
    if (!update_status(feed, err)) {
        return false;
    }
    if (irq_feed_recorded(feed) < feed->after) {
        feed->after = 0;
        feed->settled = 0;
        feed->gone = 0;
    }
    return true;
}

bool irq_feed_next(IrqFeed *feed, IrqTaker *take, void *opaque, Err *err)
{
    uint64_t pages;
    bool more;

    /* What was recorded a look ago is written in full by now. */
    feed->settled = irq_feed_recorded(feed);
    if (!look(feed, err)) {
        return false;
    }
    more = irq_feed_recorded(feed) > feed->after;
    for (pages = pages_of_ring(feed); more && pages; pages--) {
        if (!fetch_page(feed, take, opaque, &more, err)) {
            return false;
        }
    }
    return true;
}

bool irq_feed_sample(IrqFeed *feed, IrqTaker *take, void *opaque,
                     bool *whole, Err *err)
{
    uint64_t before;
    json_t *entries;

    if (!look(feed, err)) {
        return false;
    }
    before = feed->after;
    *whole = irq_feed_recorded(feed) - before <= qmp_page(feed->qmp);
    if (irq_feed_recorded(feed) == before) {
        return true;
    }
    entries = query(feed, qmp_page(feed->qmp), *whole ? before : UINT64_MAX,
                    err);
    if (!entries) {
        return false;
    }
    hand_on(feed, entries, false, take, opaque);
    json_decref(entries);
    return true;
}

bool irq_feed_skip(IrqFeed *feed, Err *err)
{
    if (!update_status(feed, err)) {
        return false;
    }
    feed->after = irq_feed_recorded(feed);
    return true;
}

bool irq_feed_last(IrqFeed *feed, uint32_t n, IrqTaker *take, void *opaque,
                   Err *err)
{
    json_t *entries = query(feed, n, UINT64_MAX, err);

    if (!entries) {
        return false;
    }
    feed->after = 0;
    hand_on(feed, entries, false, take, opaque);
    if (irq_feed_recorded(feed) > feed->after) {
        feed->after = irq_feed_recorded(feed);
    }
    json_decref(entries);
    return true;
}
