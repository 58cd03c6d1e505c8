/*
 * sched-entry: one entry of query-windows-sched-trace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SCHED_ENTRY_H
#define VMSCOPE_SCHED_ENTRY_H

#include "schedlog/store.h"
#include "shared/names.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Far above what QEMU can have; an index beyond is not believed. */
enum { SCHED_VCPUS_MAX = 4096 };

/*
 * Strings are borrowed from what it was read from, or the entry's own: it must
 * stay where it was read; "" when not told.
 */
typedef struct SchedEntry {
    uint64_t seq;
    uint64_t time_ns;
    uint64_t thread;            /* address of the KTHREAD */
    uint64_t old_thread;        /* who ran before; 0: not told */
    uint32_t vcpu;
    uint32_t pid;
    uint32_t tid;
    uint32_t missed;
    bool has_missed;            /* the guest's counter is known */
    int priority;
    bool has_ids;
    bool has_priority;
    bool idle;
    bool idle_unknown;          /* it may be: which one is, is not known */
    const char *image;          /* as text, see names.h */
    const char *image_hex;      /* its bytes, when they are not ASCII */
    const char *name;
    const char *old_state;      /* in Windows' words */
    const char *old_wait;
    const char *origin;
    char own_image[NAMES_ROOM];
    char own_hex[NAMES_HEX];
} SchedEntry;

/* From an answer.  False when it is none. */
bool sched_entry_read(SchedEntry *entry, const json_t *object);

/* From a ring: what the answer would have said.  False when it is none. */
bool sched_entry_from_event(SchedEntry *entry, const SchedlogEvent *event);

/* Why the thread before left: what it waits for, else its state; or "". */
const char *sched_entry_left(const SchedEntry *entry);

#endif
