/*
 * irqlog/line: one line of a text log into an item.
 *
 * Private to this room.  In which order lines come, and what becomes of one
 * that is wrong, is parse.c's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_LINE_H
#define VMSCOPE_IRQLOG_LINE_H

#include "irqlog/parse.h"
#include "irqlog/scan.h"

/* A kind of line that begins with "irq-log: ". */
typedef struct IrqlogHead {
    const char *word;
    IrqlogItemType type;
    /* Reads what is behind @word; false with a reason in @scan. */
    bool (*parse)(IrqlogItem *item, Scan *scan);
} IrqlogHead;

/**
 * irqlog_find_head - which kind of line this is
 * @scan: stands behind "irq-log: "; is moved past the kind's word
 *
 * Returns: the kind, or NULL when it is not known
 */
const IrqlogHead *irqlog_find_head(Scan *scan);

/**
 * irqlog_take_path - read an event's second line, and so on
 * @item: the event so far
 * @scan: stands behind the nine spaces
 *
 * Returns: false with a reason in @scan
 */
bool irqlog_take_path(IrqlogItem *item, Scan *scan);
bool irqlog_take_addresses(IrqlogItem *item, Scan *scan);
bool irqlog_take_caller(IrqlogItem *item, Scan *scan);

/**
 * irqlog_take_optional - read a line behind an event's fourth
 * @seen: which there have been, one bit each; 0 at first
 *
 * Lines that are not known are fine.
 */
bool irqlog_take_optional(IrqlogItem *item, unsigned *seen, Scan *scan);

#endif
