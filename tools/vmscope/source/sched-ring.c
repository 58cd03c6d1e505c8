/*
 * sched-ring: see sched-ring.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/sched-ring.h"

#include <string.h>

bool sched_feed_from_ring(const SchedFeed *feed)
{
    return feed->ring.header != NULL;
}

void sched_ring_end(SchedFeed *feed)
{
    if (sched_feed_from_ring(feed)) {
        ring_file_close(&feed->ring);
        feed->ring.header = NULL;
    }
    feed->pending = 0;
}

/* Whether the ring has the very entry that QEMU answers. */
static bool is_in_ring(SchedFeed *feed, const json_t *object)
{
    SchedEntry entry;
    SchedlogEvent event;
    Err ignored;

    return object && sched_entry_read(&entry, object) &&
           ring_file_look(&feed->ring, &ignored) &&
           ring_file_fetch(&feed->ring, entry.seq, &ignored) &&
           schedlog_store_event(&feed->ring.sched, entry.seq, &event) ==
           EVRING_OK && event.time_ns == entry.time_ns &&
           event.thread == entry.thread && event.vcpu == entry.vcpu;
}

static bool open_ring(SchedFeed *feed, const char *path)
{
    json_t *newest;
    Err ignored;
    bool same;

    if (!ring_file_open(&feed->ring, EVRING_CONTENT_SCHED, path, &ignored)) {
        feed->ring.header = NULL;
        return false;
    }
    newest = qmp_entries(feed->qmp, "query-windows-sched-trace",
                         json_pack("{s:i}", "max-entries", 1), &ignored);
    same = is_in_ring(feed, json_array_get(newest, 0));
    json_decref(newest);
    if (!same) {
        sched_ring_end(feed);
    }
    return same;
}

bool sched_ring_ready(SchedFeed *feed)
{
    const char *path = qmp_text(feed->status, "ring-file", "");
    Err ignored;

    /* One that was stopped while the trace is on is that of an older trace. */
    if (sched_feed_from_ring(feed) && !strcmp(feed->ring.path, path) &&
        ring_file_look(&feed->ring, &ignored) &&
        !ring_file_stopped(&feed->ring)) {
        return true;
    }
    sched_ring_end(feed);
    return *path == '/' && open_ring(feed, path);
}

/* What is still being written is waited for, but not twice. */
static bool is_waited_for(SchedFeed *feed, uint64_t seq)
{
    bool again = feed->pending == seq;

    feed->pending = seq;
    return !again;
}

bool sched_ring_take(SchedFeed *feed, uint64_t now_ns)
{
    RingFile *ring = &feed->ring;
    uint64_t head = evring_head(&ring->ring);
    uint64_t seq = feed->after + 1;
    uint64_t oldest = evring_oldest(&ring->ring);
    SchedlogEvent event;
    SchedEntry entry;
    EvringRead result;
    Err ignored;

    feed->behind = false;
    for (seq = seq > oldest ? seq : oldest; seq <= head; seq++) {
        if (!ring_file_fetch(ring, seq, &ignored)) {
            return false;
        }
        result = schedlog_store_event(&ring->sched, seq, &event);
        if (result == EVRING_OK) {
            if (event.time_ns > now_ns) {
                break;
            }
            if (sched_entry_from_event(&entry, &event)) {
                sched_feed_take(feed, &entry);
            }
        } else if (result == EVRING_OVERWRITTEN) {
            oldest = evring_oldest(&ring->ring);
            seq = oldest > seq ? oldest - 1 : seq;
        } else if (is_waited_for(feed, seq)) {
            break;
        }
    }
    return true;
}
