/*
 * sched-entry: one entry of query-windows-sched-trace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SCHED_ENTRY_H
#define VMSCOPE_SCHED_ENTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Far above what QEMU can have; an index beyond is not believed. */
enum { SCHED_VCPUS_MAX = 4096 };

/* Strings are borrowed from the answer; "" when not told. */
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
    const char *image;
    const char *name;
    const char *old_state;      /* in Windows' words */
    const char *old_wait;
    const char *origin;
} SchedEntry;

/* False when it is none. */
bool sched_entry_read(SchedEntry *entry, const json_t *object);

#endif
