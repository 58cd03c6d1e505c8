/*
 * irq-feed: see irq-feed.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/irq-feed.h"

#include "common/message.h"
#include "common/stop.h"
#include "shared/seq-order.h"
#include "source/tracing.h"

#include <stdlib.h>
#include <string.h>

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

static void add_text(json_t *arguments, const char *key, const char *text)
{
    if (text) {
        qmp_set(arguments, key, json_string(text));
    }
}

static void add_filter(json_t *arguments, const IrqFilter *filter)
{
    if (filter->line.given) {
        qmp_set(arguments, "filter-line", json_integer(filter->line.value));
    }
    if (filter->tid.given) {
        qmp_set(arguments, "filter-tid", json_integer(filter->tid.value));
    }
    add_text(arguments, "filter-path", filter->path);
    add_text(arguments, "filter-kind", filter->kind);
}

/* @after of UINT64_MAX: the newest. */
static json_t *query(IrqFeed *feed, uint32_t n, uint64_t after, Err *err)
{
    json_t *arguments = json_object();

    qmp_set(arguments, "max-entries", json_integer(n));
    if (after != UINT64_MAX) {
        qmp_set(arguments, "after", json_integer((int64_t)after));
    }
    if (feed->filter) {
        add_filter(arguments, feed->filter);
    }
    return qmp_entries(feed->qmp, "query-irq-log", arguments, err);
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
    uint64_t seq;
    size_t i;

    for (i = 0; i < order.n && !feed->enough; i++) {
        const json_t *object = order.list[i].object;

        if (!irq_entry_read(&entry, object) ||
            entry.event.seq <= feed->after) {
            continue;
        }
        seq = entry.event.seq;
        if (gaps && seq > feed->after + 1) {
            feed->enough = !take(opaque, NULL, NULL, seq - feed->after - 1);
            feed->after = seq - 1;
            if (feed->enough) {
                break;
            }
        }
        feed->after = seq;
        feed->enough = !take(opaque, &entry, object, 0);
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
        feed->enough = !take(opaque, NULL, NULL, gone - before);
        feed->gone = gone;
    }
    return true;
}

/*
 * One page; sets @more when there may be another one.  It may hold fewer
 * than were asked for, as QEMU limits its bytes.
 */
static bool fetch_page(IrqFeed *feed, IrqTaker *take, void *opaque,
                       bool *more, Err *err)
{
    uint64_t before = feed->after;
    bool filtered = is_filtered(feed->filter);
    json_t *entries = query(feed, qmp_page(feed->qmp), before, err);

    if (!entries) {
        return false;
    }
    if (filtered && !tell_overwritten(feed, before, take, opaque, err)) {
        json_decref(entries);
        return false;
    }
    hand_on(feed, entries, !filtered, take, opaque);
    json_decref(entries);
    *more = feed->after > before && !feed->enough;
    if (filtered && !*more && !feed->enough && feed->settled > feed->after) {
        feed->after = feed->settled;
    }
    return true;
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
    uint64_t until;
    bool more;

    /* What was recorded a look ago is written in full by now. */
    feed->settled = irq_feed_recorded(feed);
    feed->enough = false;
    if (!look(feed, err)) {
        return false;
    }
    /* What comes meanwhile is for the next look, so that this one ends. */
    until = irq_feed_recorded(feed);
    more = until > feed->after;
    while (more && until > feed->after) {
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
    uint64_t newest;
    json_t *entries;

    feed->enough = false;
    if (!look(feed, err)) {
        return false;
    }
    before = feed->after;
    newest = irq_feed_recorded(feed);
    *whole = newest - before <= qmp_page(feed->qmp);
    if (newest == before) {
        return true;
    }
    entries = query(feed, qmp_page(feed->qmp), *whole ? before : UINT64_MAX,
                    err);
    if (!entries) {
        return false;
    }
    hand_on(feed, entries, false, take, opaque);
    json_decref(entries);
    if (feed->after < newest) {     /* they did not fit into the answer */
        *whole = false;
        feed->after = newest;
    }
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

/* The newest. */

/* Pages from behind feed->after up to the entry numbered @until. */
static bool fetch_until(IrqFeed *feed, uint64_t until, IrqTaker *take,
                        void *opaque, Err *err)
{
    uint64_t before;
    json_t *entries;

    do {
        before = feed->after;
        entries = query(feed, qmp_page(feed->qmp), before, err);
        if (!entries) {
            return false;
        }
        hand_on(feed, entries, false, take, opaque);
        json_decref(entries);
    } while (feed->after > before && feed->after < until && !feed->enough);
    return true;
}

/* Numbers of the last @n entries that matched, in a ring of so many. */
typedef struct Newest {
    uint64_t *seqs;
    uint32_t n;
    uint64_t seen;
} Newest;

static bool note_newest(void *opaque, const IrqEntry *entry,
                        const json_t *object, uint64_t lost)
{
    Newest *newest = opaque;

    (void)object;
    (void)lost;
    if (entry) {
        newest->seqs[newest->seen++ % newest->n] = entry->event.seq;
    }
    return !stop_asked;
}

/* With a filter only looking at all of them tells where the last @n begin. */
static bool find_begin(IrqFeed *feed, uint32_t n, uint64_t until,
                       uint64_t *after, Err *err)
{
    Newest newest = { calloc(n, sizeof(uint64_t)), n, 0 };
    bool good;

    if (!newest.seqs) {
        die_no_memory();
    }
    feed->after = 0;
    good = fetch_until(feed, until, note_newest, &newest, err);
    *after = newest.seen < n ? 0 : newest.seqs[newest.seen % n] - 1;
    free(newest.seqs);
    return good;
}

/* No more than @left of them: others may come meanwhile. */
typedef struct Limit {
    IrqTaker *take;
    void *opaque;
    uint32_t left;
} Limit;

static bool take_limited(void *opaque, const IrqEntry *entry,
                         const json_t *object, uint64_t lost)
{
    Limit *limit = opaque;

    return limit->take(limit->opaque, entry, object, lost) &&
           --limit->left;
}

bool irq_feed_last(IrqFeed *feed, uint32_t n, IrqTaker *take, void *opaque,
                   Err *err)
{
    Limit limit = { take, opaque, n };
    uint64_t until = irq_feed_recorded(feed);
    uint64_t after = until > n ? until - n : 0;

    feed->enough = false;
    if (is_filtered(feed->filter) && after &&
        !find_begin(feed, n, until, &after, err)) {
        return false;
    }
    feed->after = after;
    if (!fetch_until(feed, until, take_limited, &limit, err)) {
        return false;
    }
    if (until > feed->after && !feed->enough) {
        feed->after = until;
    }
    return true;
}
