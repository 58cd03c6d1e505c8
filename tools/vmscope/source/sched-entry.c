/*
 * sched-entry: see sched-entry.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/sched-entry.h"

#include "source/qmp.h"
#include "winos/layout.h"

#include <string.h>

static void set_image(SchedEntry *entry, const char *bytes)
{
    names_image(bytes, entry->own_image);
    names_hex(bytes, entry->own_hex);
    entry->image = entry->own_image;
    entry->image_hex = entry->own_hex;
}

/* From its bytes, if QEMU gave them: the text has escapes in it. */
static void read_image(SchedEntry *entry, const json_t *object)
{
    char bytes[NAMES_BYTES];

    if (names_from_hex(qmp_text(object, "process-image-bytes", ""), bytes)) {
        set_image(entry, bytes);
    }
}

bool sched_entry_read(SchedEntry *entry, const json_t *object)
{
    uint64_t vcpu = qmp_uint(object, "vcpu", UINT64_MAX);

    if (vcpu >= SCHED_VCPUS_MAX || !qmp_uint(object, "seq", 0)) {
        return false;
    }
    *entry = (SchedEntry) {
        .seq = qmp_uint(object, "seq", 0),
        .time_ns = qmp_uint(object, "timestamp-ns", 0),
        .thread = qmp_uint(object, "thread-pointer", 0),
        .old_thread = qmp_uint(object, "previous-thread-pointer", 0),
        .vcpu = (uint32_t)vcpu,
        .pid = (uint32_t)qmp_uint(object, "unique-process-id", 0),
        .tid = (uint32_t)qmp_uint(object, "unique-thread-id", 0),
        .missed = (uint32_t)qmp_uint(object, "missed", 0),
        .has_missed = qmp_has(object, "missed"),
        .priority = (int)qmp_int(object, "priority", 0),
        .has_ids = qmp_has(object, "unique-thread-id"),
        .has_priority = qmp_has(object, "priority"),
        .idle = qmp_bool(object, "idle", false),
        .idle_unknown = qmp_bool(object, "idle-unknown", false),
        .image = qmp_text(object, "process-image", ""),
        .image_hex = "",
        .name = qmp_text(object, "thread-name", ""),
        .old_state = qmp_text(object, "previous-state-name", ""),
        .old_wait = qmp_text(object, "wait-reason-name", ""),
        .origin = qmp_text(object, "origin", ""),
    };
    read_image(entry, object);
    return true;
}

/* @text: NULL for a value that has no name. */
static const char *told(const SchedlogEvent *event, uint32_t bit,
                        const char *text)
{
    return event->has & bit && text ? text : "";
}

bool sched_entry_from_event(SchedEntry *entry, const SchedlogEvent *event)
{
    if (event->vcpu >= SCHED_VCPUS_MAX) {
        return false;
    }
    /* What event->has does not say is 0 already. */
    *entry = (SchedEntry) {
        .seq = event->seq,
        .time_ns = event->time_ns,
        .thread = event->thread,
        .old_thread = event->old_thread,
        .vcpu = event->vcpu,
        .pid = event->pid,
        .tid = event->tid,
        .missed = event->missed,
        .has_missed = event->has & SCHEDLOG_HAS_MISSED,
        .priority = event->priority,
        .has_ids = event->has & SCHEDLOG_HAS_IDS,
        .has_priority = event->has & SCHEDLOG_HAS_PRIORITY,
        .idle = event->has & SCHEDLOG_IDLE,
        .idle_unknown = event->has & SCHEDLOG_IDLE_UNKNOWN,
        .image = "",
        .image_hex = "",
        .name = told(event, SCHEDLOG_HAS_NAME, event->name),
        .old_state = told(event, SCHEDLOG_HAS_OLD_STATE,
                          winos_state_name(event->old_state)),
        .old_wait = told(event, SCHEDLOG_HAS_OLD_WAIT_REASON,
                         winos_wait_reason_name(event->old_wait_reason)),
        .origin = "",
    };
    if (event->has & SCHEDLOG_HAS_IMAGE) {
        set_image(entry, event->image);
    }
    return true;
}

/*
 * At the store of CurrentThread, where exact mode sees it, a thread that goes
 * back to its queue is Running yet; but it runs no more, and who waits or has
 * ended says so before.
 */
const char *sched_entry_left(const SchedEntry *entry)
{
    const char *why = entry->old_state;

    if (!strcmp(why, "Waiting") || !*why) {
        return entry->old_wait;
    }
    return strcmp(why, "Running") ? why : "Ready";
}
