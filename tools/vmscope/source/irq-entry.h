/*
 * irq-entry: one entry of query-irq-log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_ENTRY_H
#define VMSCOPE_IRQ_ENTRY_H

#include "irqlog/event.h"

#include <jansson.h>

/* Strings are borrowed from the answer; "" when not told. */
typedef struct IrqEntry {
    IrqlogEvent event;          /* addresses of objects are 0: not told */
    const char *thread_name;
    const char *thread_role;
    const char *caller;         /* function+0xoffset */
    const char *handler;
    const char *driven_by;
    const char *device;         /* type, and its id behind a colon */
} IrqEntry;

/* False when it is none. */
bool irq_entry_read(IrqEntry *entry, const json_t *object);

#endif
