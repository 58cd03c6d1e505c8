/*
 * A recording written down event by event, for tests: see script.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_VMSCOPE_TRACE_SCRIPT_H
#define TEST_VMSCOPE_TRACE_SCRIPT_H

#include "tracefile/write.h"

/* Write what the lines of standard input say; false at a line that is wrong. */
bool script_write(TraceWriter *writer, uint64_t begin_ns);

#endif
