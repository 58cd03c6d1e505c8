/*
 * sched-feed: see sched-feed.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/sched-feed.h"

#include "source/sched-ring.h"
#include "shared/seq-order.h"
#include "source/tracing.h"

#include <string.h>

/* Pages fetched for one interval, at most. */
enum { PAGES_MAX = 1000 };

/* How far back is looked for who runs now, before each vCPU is asked for. */
enum { BASELINE_ENTRIES = 1000 };

const char *sched_feed_state(const SchedFeed *feed)
{
    return qmp_text(feed->status, "state", "disabled");
}

uint64_t sched_feed_now_ns(const SchedFeed *feed)
{
    return qmp_uint(json_object_get(feed->status, "clock"), "monotonic-ns",
                    0);
}

static bool update_status(SchedFeed *feed, Err *err)
{
    json_t *status = tracing_status(feed->qmp, TRACING_SCHED, err);

    if (!status) {
        return false;
    }
    json_decref(feed->status);
    feed->status = status;
    return true;
}

static json_t *query(SchedFeed *feed, json_t *arguments, Err *err)
{
    return qmp_entries(feed->qmp, "query-windows-sched-trace", arguments,
                       err);
}

/* Who runs now. */

/*
 * Who ran at the time of the status: what came since belongs to the first
 * interval.  Returns the number of the last entry taken, by number.
 */
static uint64_t take_baseline(SchedFeed *feed, const json_t *entries)
{
    SeqOrder order = seq_order_new(entries, 0);
    uint64_t last = order.n ? order.list[0].seq - 1 : 0;
    SchedEntry entry;
    size_t i;

    for (i = 0; i < order.n; i++) {
        if (!sched_entry_read(&entry, order.list[i].object)) {
            continue;
        }
        if (entry.time_ns > feed->shares.begin_ns) {
            break;
        }
        last = entry.seq;
        shares_begin_with(&feed->shares, &entry);
    }
    seq_order_free(&order);
    return last;
}

static bool is_seen(const SchedFeed *feed, uint64_t vcpu)
{
    return vcpu < feed->shares.n_vcpus && feed->shares.vcpus[vcpu].seen;
}

/* A vCPU that has not switched for long: ask for its last entry. */
static bool ask_vcpu(SchedFeed *feed, uint64_t vcpu, Err *err)
{
    json_t *entries = query(feed, json_pack("{s:i, s:I}", "max-entries", 1,
                                            "filter-vcpu",
                                            (json_int_t)vcpu), err);

    take_baseline(feed, entries);
    json_decref(entries);
    return entries != NULL;
}

static bool ask_others(SchedFeed *feed, Err *err)
{
    const json_t *vcpus = json_object_get(feed->status, "vcpus");
    const json_t *one;
    uint64_t vcpu;
    size_t i;

    for (i = 0; i < json_array_size(vcpus) && i < SCHED_VCPUS_MAX; i++) {
        one = json_array_get(vcpus, i);
        vcpu = qmp_uint(one, "vcpu", UINT64_MAX);
        if (vcpu < SCHED_VCPUS_MAX && qmp_bool(one, "present", true) &&
            !is_seen(feed, vcpu) && !ask_vcpu(feed, vcpu, err)) {
            return false;
        }
    }
    return true;
}

static bool start(SchedFeed *feed, Err *err)
{
    json_t *entries = query(feed, json_pack("{s:i}", "max-entries",
                                            (int)BASELINE_ENTRIES), err);

    if (!entries) {
        return false;
    }
    shares_begin(&feed->shares, sched_feed_now_ns(feed));
    feed->after = take_baseline(feed, entries);
    json_decref(entries);
    return !feed->after || ask_others(feed, err);
}

bool sched_feed_begin(SchedFeed *feed, Qmp *qmp, Err *err)
{
    memset(feed, 0, sizeof(*feed));
    feed->qmp = qmp;
    shares_init(&feed->shares);
    return update_status(feed, err) && start(feed, err);
}

void sched_feed_end(SchedFeed *feed)
{
    sched_ring_end(feed);
    shares_release(&feed->shares);
    json_decref(feed->status);
    feed->status = NULL;
}

/* What happened. */

void sched_feed_take(SchedFeed *feed, const SchedEntry *entry)
{
    Shares *shares = &feed->shares;

    if (entry->seq > feed->after + 1) {
        shares_lose(shares, entry->seq - feed->after - 1);
    }
    feed->after = entry->seq;
    if (entry->time_ns > shares->end_ns) {
        shares->end_ns = entry->time_ns;
    }
    shares_add(shares, entry);
}

/*
 * Take in a page, by number: that is the order of each vCPU's switches, and
 * the one that shows gaps.  False when the interval's end was reached in it.
 */
static bool take_page(SchedFeed *feed, const json_t *entries, uint64_t now_ns)
{
    SeqOrder order = seq_order_new(entries, feed->after);
    SchedEntry entry;
    bool within = true;
    size_t i;

    for (i = 0; i < order.n && within; i++) {
        if (!sched_entry_read(&entry, order.list[i].object)) {
            continue;
        }
        within = entry.time_ns <= now_ns;
        if (within && entry.seq > feed->after) {
            sched_feed_take(feed, &entry);
        }
    }
    seq_order_free(&order);
    return within;
}

/*
 * One page; sets @more when there may be another one.  It may hold fewer
 * than were asked for, as QEMU limits its bytes.
 */
static bool fetch_page(SchedFeed *feed, uint64_t now_ns, bool *more, Err *err)
{
    uint64_t before = feed->after;
    json_t *entries = query(feed, json_pack("{s:I, s:I}", "max-entries",
                                            (json_int_t)qmp_page(feed->qmp),
                                            "after",
                                            (json_int_t)feed->after), err);

    if (!entries) {
        return false;
    }
    *more = take_page(feed, entries, now_ns) && feed->after > before;
    json_decref(entries);
    return true;
}

static bool fetch(SchedFeed *feed, uint64_t now_ns, Err *err)
{
    uint64_t until = qmp_uint(feed->status, "recorded", 0);
    unsigned pages = PAGES_MAX;
    bool more = until > feed->after;

    for (; more && feed->after < until && pages; pages--) {
        if (!fetch_page(feed, now_ns, &more, err)) {
            return false;
        }
    }
    feed->behind = more && feed->after < until;
    return true;
}

static bool is_watching(const SchedFeed *feed)
{
    const char *state = sched_feed_state(feed);

    return !strcmp(state, "active") || !strcmp(state, "degraded");
}

bool sched_feed_next(SchedFeed *feed, Err *err)
{
    uint64_t begin_ns = feed->shares.end_ns;
    uint64_t now_ns;

    if (!update_status(feed, err)) {
        return false;
    }
    now_ns = sched_feed_now_ns(feed);
    if (qmp_uint(feed->status, "recorded", 0) < feed->after) {
        shares_forget(&feed->shares);       /* a fresh ring */
        feed->after = 0;
    }
    shares_begin(&feed->shares, begin_ns);
    if (!sched_ring_ready(feed) || !sched_ring_take(feed, now_ns)) {
        sched_ring_end(feed);
        if (qmp_failure(feed->qmp) == QMP_STOPPED ||
            !fetch(feed, now_ns, err)) {
            return false;
        }
    }
    if (!is_watching(feed)) {
        shares_lose(&feed->shares, 0);      /* who runs is not known */
    }
    shares_end(&feed->shares, feed->behind ? feed->shares.end_ns : now_ns);
    return true;
}
