/*
 * filter: which events are wanted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_FILTER_H
#define IRQLOG_ANALYZE_FILTER_H

#include "options.h"

/**
 * filter_passes - whether an event is wanted
 * @first_ns: time of the log's first event, for relative times
 */
bool filter_passes(const Options *opt, const IrqlogEvent *event,
                   uint64_t first_ns);

/**
 * filter_path - whether a path fits a pattern
 * @pattern: * stands for any text, ? for any byte; [ is just a byte, as QOM
 *           paths have it, unless the pattern fits as the shell reads it
 */
bool filter_path(const char *pattern, const char *path);

#endif
