/*
 * sched-entry: see sched-entry.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sched-entry.h"

#include "qmp.h"

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
        .image = qmp_text(object, "process-image", ""),
        .name = qmp_text(object, "thread-name", ""),
        .old_state = qmp_text(object, "previous-state-name", ""),
        .old_wait = qmp_text(object, "wait-reason-name", ""),
        .origin = qmp_text(object, "origin", ""),
    };
    return true;
}
