/*
 * irqlog/text: events and what stands between them, as lines of text.
 *
 * Printing and parsing the format of docs/formats/irq-log-text-v1.md.  Neither
 * allocates; where lines come from and go to is the caller's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_TEXT_H
#define VMSCOPE_IRQLOG_TEXT_H

#include "base/err.h"
#include "irqlog/event.h"

#include <stddef.h>

/* The newest text format this code writes and reads. */
enum { IRQLOG_TEXT_FORMAT = 1 };

/* Longest QOM path, file name or other string that is written out whole. */
enum { IRQLOG_STRING_MAX = 1024 };

/* No printed item is longer than this, NUL included. */
enum { IRQLOG_TEXT_MAX = 20480 };

/**
 * irqlog_print_event - write an event's block of lines
 * @buf: receives the text, NUL-terminated; IRQLOG_TEXT_MAX bytes
 * @event: the event; strings longer than IRQLOG_STRING_MAX are cut
 *
 * Context: any thread; takes no lock, allocates nothing, calls no printf:
 * this is the text writer's inner loop.
 *
 * Returns: bytes written, NUL not counted
 */
size_t irqlog_print_event(char *buf, const IrqlogEvent *event);

/**
 * irqlog_print_run - write the line that begins a run ("enabled ...")
 *
 * Buffer, context and result as for irqlog_print_event(), as in all below.
 */
size_t irqlog_print_run(char *buf, const IrqlogRun *run);
size_t irqlog_print_line(char *buf, const IrqlogLineInfo *line);
size_t irqlog_print_thread(char *buf, const IrqlogThreadInfo *thread);
size_t irqlog_print_object(char *buf, const IrqlogObjectInfo *object);
size_t irqlog_print_lost(char *buf, uint64_t lost);
size_t irqlog_print_disabled(char *buf, uint64_t recorded, uint64_t lost);

#endif
