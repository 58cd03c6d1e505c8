/*
 * irq-entry: see irq-entry.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/irq-entry.h"

#include "source/qmp.h"

static void read_backtrace(IrqlogEvent *event, const json_t *frames)
{
    size_t n = json_array_size(frames);
    size_t i;

    for (i = 0; i < n && i < IRQLOG_BACKTRACE_MAX; i++) {
        event->backtrace[i] =
            (uint64_t)json_integer_value(json_array_get(frames, i));
    }
    event->n_backtrace = (unsigned)i;
}

static void read_message(IrqlogEvent *event, const json_t *object)
{
    event->has_msi = qmp_has(object, "msi-address");
    event->msi_address = qmp_uint(object, "msi-address", 0);
    event->msi_data = (uint32_t)qmp_uint(object, "msi-data", 0);
    event->requester = qmp_text(object, "requester", NULL);
}

static void read_event(IrqlogEvent *event, const json_t *object)
{
    event->seq = qmp_uint(object, "seq", 0);
    event->time_ns = qmp_uint(object, "timestamp-ns", 0);
    event->level = (int32_t)qmp_int(object, "level", 0);
    event->n = (int32_t)qmp_int(object, "irq-line", 0);
    event->depth = (unsigned)qmp_uint(object, "depth", 0);
    event->caller = qmp_uint(object, "caller-addr", 0);
    event->tid = (uint32_t)qmp_uint(object, "host-tid", 0);
    event->path = qmp_text(object, "path", IRQLOG_ANONYMOUS);
    read_backtrace(event, json_object_get(object, "backtrace"));
    read_message(event, object);
}

bool irq_entry_read(IrqEntry *entry, const json_t *object)
{
    *entry = (IrqEntry) {
        .thread_name = qmp_text(object, "thread-name", ""),
        .thread_role = qmp_text(object, "thread-role", ""),
        .caller = qmp_text(object, "caller-symbol", ""),
        .handler = qmp_text(object, "handler-symbol", ""),
        .driven_by = qmp_text(object, "driven-by", ""),
        .device = qmp_text(object, "device", ""),
    };
    read_event(&entry->event, object);
    return entry->event.seq &&
           irqlog_kind_from_name(qmp_text(object, "kind", ""),
                                 &entry->event.kind);
}
