/*
 * vmscope: the reply to a query
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "base/safe-text.h"
#include "recorder/clock.h"
#include "vmscope/compat.h"
#include "reply.h"

#define REPLY_BYTES (3 * MiB / 2)

/* Records read for one reply while the main loop waits. */
#define IN_BAND_RECORDS 1048576

bool vmscope_reply_begin(RecorderPage *page, bool has_max, uint32_t max,
                         Error **errp)
{
    *page = (RecorderPage){
        .max_entries = has_max ? max : VMSCOPE_REPLY_DEFAULT_ENTRIES,
        .max_bytes = REPLY_BYTES,
        .max_scanned = UINT64_MAX,
    };
    if (page->max_entries > VMSCOPE_REPLY_MAX_ENTRIES) {
        error_setg(errp, "max-entries is %" PRIu32 ", but at most %d are "
                   "returned; use 'after' to page", max,
                   VMSCOPE_REPLY_MAX_ENTRIES);
        return false;
    }
    if (bql_locked()) {
        page->max_entries = MIN(page->max_entries,
                                VMSCOPE_REPLY_IN_BAND_ENTRIES);
        page->max_scanned = IN_BAND_RECORDS;
    }
    return true;
}

bool vmscope_reply_fill(RecorderPage *page, const Evring *ring,
                        const char *what, bool has_after, uint64_t after,
                        RecorderPageRead *read, void *opaque, Error **errp)
{
    if (!has_after) {
        if (recorder_page_newest(page, ring, read, opaque) ==
            RECORDER_PAGE_STOPPED) {
            error_setg(errp, "only %" PRIu64 " of the newest %d %s match; ask "
                       "out-of-band, where all are looked at, or page with "
                       "'after'", page->entries, IN_BAND_RECORDS, what);
            return false;
        }
        return true;
    }
    /* A page without anything would look like the end. */
    if (recorder_page_after(page, ring, after, read, opaque) ==
        RECORDER_PAGE_STOPPED && !page->entries) {
        error_setg(errp, "none of the %s %" PRIu64 " to %" PRIu64 " match; go "
                   "on with 'after': %" PRIu64 ", or ask out-of-band, where "
                   "all are looked at", what, page->first, page->last,
                   page->last);
        return false;
    }
    return true;
}

/* Anything but plain ASCII may become \uXXXX, and is at most that long. */
size_t vmscope_reply_string(const char *string)
{
    size_t n = 2;

    if (!string) {
        return 0;
    }
    for (; *string; string++) {
        n += *string >= ' ' && *string < 0x7f && *string != '"' &&
             *string != '\\' ? 1 : 6;
    }
    return n;
}

char *vmscope_reply_utf8(const char *bytes)
{
    size_t len = strlen(bytes);
    size_t room = len * SAFE_GROWTH + 1;
    char *text;

    /* As nearly always. */
    if (safe_plain(bytes, len) == len) {
        return g_strndup(bytes, len);
    }
    text = g_malloc(room);
    safe_copy(SAFE_FOR_DATA, bytes, text, room);
    return text;
}

VmscopeClock *vmscope_clock_new(void)
{
    VmscopeClock *clock = g_new0(VmscopeClock, 1);
    ClockTriple now;

    clock->has_tsc = clock_has_tsc();
    clock_read_triple(clock->has_tsc ? CLOCK_KIND_TSC : CLOCK_KIND_NS, &now);
    clock->tsc = clock->has_tsc ? now.stamp : 0;
    clock->monotonic_ns = now.monotonic_ns;
    clock->realtime_ns = now.realtime_ns;
    return clock;
}

void vmscope_reply_thread_name(WindowsThreadName *to, bool ids, uint32_t pid,
                               uint32_t tid, const char *image,
                               const char *name)
{
    to->has_unique_process_id = to->has_unique_thread_id = ids;
    to->unique_process_id = pid;
    to->unique_thread_id = tid;
    QAPI_SET_PTR(to, process_image, image ? vmscope_reply_utf8(image) : NULL);
    QAPI_SET_PTR(to, thread_name, g_strdup(name));
}
