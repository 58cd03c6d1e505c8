/*
 * tracefile/header: the first TRACE_HEADER_SIZE bytes of a recording.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_HEADER_H
#define VMSCOPE_TRACEFILE_HEADER_H

#include "base/err.h"
#include "tracefile/format.h"

/* @bytes: receives TRACE_HEADER_SIZE of them. */
void trace_header_pack(uint8_t *bytes, const TraceInfo *info);

/**
 * trace_header_parse - take a header apart
 * @len: bytes that there are; a whole header is TRACE_HEADER_SIZE
 *
 * Returns: false with a sentence when it is none, damaged or newer
 */
bool trace_header_parse(const uint8_t *bytes, size_t len, TraceInfo *info,
                        Err *err);

#endif
