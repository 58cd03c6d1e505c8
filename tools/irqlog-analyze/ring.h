/*
 * ring: a ring file as items, as if it were a text log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_RING_H
#define IRQLOG_ANALYZE_RING_H

#include "input.h"
#include "irqlog/parse.h"

/* Whether the input's first bytes say that it is a ring. */
bool ring_is_ring(const Input *input);

/**
 * ring_read - hand on all that a ring holds
 * @input: a ring; a pipe or a compressed file is copied first
 * @fn: gets the run, objects, threads, lines, events, and what was lost
 * @idle: called when there is nothing more for now
 * @complete: set to whether all was read; a file may be cut short meanwhile
 * @err: when it was not, says why
 *
 * With input->follow, goes on as the ring is written, until stop_asked.
 *
 * Returns: false when nothing can be read
 */
bool ring_read(Input *input, IrqlogItemFn *fn, void (*idle)(void *opaque),
               void *opaque, bool *complete, Err *err);

#endif
