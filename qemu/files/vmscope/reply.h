/*
 * vmscope: the reply to a query
 *
 * A management program may not take long replies (libvirt: 10 MiB, and then
 * no further command; virsh: 4 MiB), JSON takes some 100 ms to make for 6 MB,
 * and in-band QEMU's main loop waits for that.  So a reply is a page, and who
 * asks goes on behind it with 'after'.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_REPLY_H
#define VMSCOPE_REPLY_H

#include "qapi/qapi-types-vmscope.h"
#include "recorder/page.h"

/* What a query may ask for, and what it gets at once. */
#define VMSCOPE_REPLY_DEFAULT_ENTRIES 1000
#define VMSCOPE_REPLY_MAX_ENTRIES 100000
#define VMSCOPE_REPLY_IN_BAND_ENTRIES 1000

/**
 * vmscope_reply_begin: an empty page
 * @has_max, @max: max-entries, as given
 *
 * Context: the thread that runs the query; in-band it has the big lock.
 *
 * Returns: false with an error when @max is too many
 */
bool vmscope_reply_begin(RecorderPage *page, bool has_max, uint32_t max,
                         Error **errp);

/**
 * vmscope_reply_fill: fill a page
 * @what: what records are, for sentences
 * @has_after, @after: as given: what follows it; else the newest
 *
 * Returns: false with an error when nothing can be said without reading more
 *          records than one may in-band
 */
bool vmscope_reply_fill(RecorderPage *page, const Evring *ring,
                        const char *what, bool has_after, uint64_t after,
                        RecorderPageRead *read, void *opaque, Error **errp);

/* Bytes of a string as JSON, with its quotes; 0 for NULL. */
size_t vmscope_reply_string(const char *string);

/* Whatever bytes these are, as UTF-8; freed with g_free(). */
char *vmscope_reply_utf8(const char *bytes);

/**
 * vmscope_clock_new: the time now, on the clocks of the host
 *
 * Returns: freed with qapi_free_VmscopeClock()
 */
VmscopeClock *vmscope_clock_new(void);

/**
 * vmscope_reply_thread_name: what a thread is called
 * @ids: whether @pid and @tid are known
 * @image: of its process, any bytes; NULL when not known
 * @name: in UTF-8; NULL when it has none
 */
void vmscope_reply_thread_name(WindowsThreadName *to, bool ids, uint32_t pid,
                               uint32_t tid, const char *image,
                               const char *name);

#endif
