/*
 * recorder/page: see page.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/page.h"

bool recorder_page_add(RecorderPage *page, uint64_t bytes)
{
    if (page->entries && bytes > page->max_bytes - page->bytes) {
        page->full = true;
        return false;
    }
    page->bytes += bytes < page->max_bytes - page->bytes ?
                   bytes : page->max_bytes - page->bytes;
    page->entries++;
    page->full = page->entries >= page->max_entries;
    return true;
}

RecorderPageEnd recorder_page_after(RecorderPage *page, const Evring *ring,
                                    uint64_t after, RecorderPageRead *read,
                                    void *opaque)
{
    uint64_t oldest = evring_oldest(ring);
    uint64_t seq = after >= oldest ? after + 1 : oldest;
    EvringRead result;

    page->first = seq;
    page->last = seq - 1;
    page->full = page->entries >= page->max_entries;
    while (!page->full && after < UINT64_MAX) {
        if (page->last - page->first + 1 >= page->max_scanned) {
            return RECORDER_PAGE_STOPPED;
        }
        result = read(opaque, seq);
        if (result == EVRING_PENDING || result == EVRING_FUTURE) {
            break;
        }
        page->last = seq++;
    }
    return RECORDER_PAGE_WHOLE;
}

RecorderPageEnd recorder_page_newest(RecorderPage *page, const Evring *ring,
                                     RecorderPageRead *read, void *opaque)
{
    uint64_t seq = evring_head(ring);

    page->last = seq;
    page->first = seq + 1;
    page->full = page->entries >= page->max_entries;
    for (; seq > 0 && !page->full; seq--) {
        if (page->last - page->first + 1 >= page->max_scanned) {
            return RECORDER_PAGE_STOPPED;
        }
        if (read(opaque, seq) == EVRING_OVERWRITTEN) {
            break;
        }
        page->first = seq;
    }
    return RECORDER_PAGE_WHOLE;
}
