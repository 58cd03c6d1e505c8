/*
 * watchlog: see watchlog.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watchlog/watchlog.h"

#include <stdio.h>
#include <string.h>

/* What is known of a thread, and how a record says so. */
typedef struct HasBit {
    uint32_t thread;            /* in WinschedThread.has */
    uint32_t event;             /* in SchedlogEvent.has */
} HasBit;

static const HasBit new_bits[] = {
    { WINSCHED_HAS_PROCESS, SCHEDLOG_HAS_PROCESS },
    { WINSCHED_HAS_ATTACHED, SCHEDLOG_HAS_ATTACHED },
    { WINSCHED_HAS_IDS, SCHEDLOG_HAS_IDS },
    { WINSCHED_HAS_IMAGE, SCHEDLOG_HAS_IMAGE },
    { WINSCHED_HAS_NAME, SCHEDLOG_HAS_NAME },
    { WINSCHED_NAME_CUT, SCHEDLOG_NAME_CUT },
    { WINSCHED_HAS_STATE, SCHEDLOG_HAS_STATE },
    { WINSCHED_HAS_PRIORITY, SCHEDLOG_HAS_PRIORITY },
    { WINSCHED_HAS_SWITCHES, SCHEDLOG_HAS_SWITCHES },
    { WINSCHED_HAS_WAIT_TIME, SCHEDLOG_HAS_WAIT_TIME },
    { WINSCHED_IS_IDLE, SCHEDLOG_IDLE },
    { WINSCHED_IDLE_UNKNOWN, SCHEDLOG_IDLE_UNKNOWN },
};

static const HasBit old_bits[] = {
    { WINSCHED_HAS_IDS, SCHEDLOG_HAS_OLD_IDS },
    { WINSCHED_HAS_STATE, SCHEDLOG_HAS_OLD_STATE },
    { WINSCHED_HAS_WAIT_REASON, SCHEDLOG_HAS_OLD_WAIT_REASON },
    { WINSCHED_HAS_PRIORITY, SCHEDLOG_HAS_OLD_PRIORITY },
};

static uint32_t watchlog_bits(const HasBit *bits, size_t n, uint32_t has)
{
    uint32_t result = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        result |= has & bits[i].thread ? bits[i].event : 0;
    }
    return result;
}

static void watchlog_fill_new(SchedlogEvent *event, const WinschedThread *to)
{
    _Static_assert(sizeof(event->image) == sizeof(to->image), "image");
    _Static_assert(sizeof(event->name) == sizeof(to->name), "name");

    event->thread = to->thread;
    event->process = to->process;
    event->attached = to->attached;
    event->pid = to->pid;
    event->tid = to->tid;
    event->state = to->state;
    event->priority = to->priority;
    event->switches = to->context_switches;
    event->wait_time = to->wait_time;
    memcpy(event->image, to->image, sizeof(event->image));
    memcpy(event->name, to->name, sizeof(event->name));
    event->has |= watchlog_bits(new_bits, sizeof(new_bits) / sizeof(new_bits[0]), to->has);
}

static void watchlog_fill_old(SchedlogEvent *event, const WinschedThread *from)
{
    event->old_thread = from->thread;
    event->old_pid = from->pid;
    event->old_tid = from->tid;
    event->old_state = from->state;
    event->old_wait_reason = from->wait_reason;
    event->old_priority = from->priority;
    event->has |= SCHEDLOG_HAS_OLD |
                  watchlog_bits(old_bits, sizeof(old_bits) / sizeof(old_bits[0]), from->has);
}

void watchlog_event(SchedlogEvent *event, const WinschedSwitch *sw)
{
    _Static_assert((int)SCHEDLOG_EXIT == (int)WINSCHED_EXIT, "exit");
    _Static_assert((int)SCHEDLOG_POLL == (int)WINSCHED_POLL, "poll");
    _Static_assert((int)SCHEDLOG_EXACT == (int)WINSCHED_EXACT, "exact");
    *event = (SchedlogEvent) {
        .stamp = sw->stamp,
        .vcpu = sw->vcpu,
        .origin = (uint8_t)sw->origin,
        .missed = sw->missed,
        .has = sw->has_missed ? SCHEDLOG_HAS_MISSED : 0,
    };
    watchlog_fill_new(event, &sw->to);
    if (sw->from.thread) {
        watchlog_fill_old(event, &sw->from);
    }
}

static void watchlog_offset(SchedlogOffset *to, WinosField field,
                            const WinosOffset *from)
{
    to->value = from->value;
    snprintf(to->name, sizeof(to->name), "%s", winos_field_name(field));
    if (from->value >= 0) {
        snprintf(to->source, sizeof(to->source), "%s",
                 winos_source_name(from->source));
    }
}

void watchlog_guest(SchedlogGuest *guest, const WinosResult *result,
                    uint64_t stamp)
{
    unsigned i;

    _Static_assert((int)WINOS_N_FIELDS <= (int)SCHEDLOG_MAX_OFFSETS, "fields");
    memset(guest, 0, sizeof(*guest));
    guest->kernel_base = result->kernel.image.base;
    guest->kernel_size = result->kernel.image.size;
    guest->kernel_timestamp = result->kernel.image.timestamp;
    guest->build = result->kernel.build;
    guest->since_stamp = stamp;
    guest->n_offsets = WINOS_N_FIELDS;
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        watchlog_offset(&guest->offsets[i], i, &result->layout.field[i]);
    }
}
