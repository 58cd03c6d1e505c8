/*
 * trace-output: where what is made of a recording goes.
 *
 * A file appears under its name when it is whole: it is written beside it, as
 * NAME.part, and renamed.  What failed leaves the file that was there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACE_OUTPUT_H
#define VMSCOPE_TRACE_OUTPUT_H

#include "common/out.h"

#include <limits.h>

typedef struct TraceOutput {
    Out out;
    const char *path;           /* as the user gave it; NULL: standard output */
    char target[PATH_MAX];      /* where links lead */
    char part[PATH_MAX + 8];    /* written instead; "": written directly */
} TraceOutput;

/**
 * trace_output_open - begin a file
 * @path: of the file; NULL for standard output.  What exists and is no regular
 *        file (a device, a FIFO) is written directly.  Must outlive @to
 * @recording: which must not be that file
 *
 * Returns: false when it cannot be, and has said so
 */
bool trace_output_open(TraceOutput *to, const char *path,
                       const char *recording);

/**
 * trace_output_close - write what is left
 * @keep: false: what was written is not wanted, and removed
 *
 * Returns: false when anything could not be written, and has said so; the
 * file that had the name before is then still there
 */
bool trace_output_close(TraceOutput *to, bool keep);

/* Say that --since leaves nothing of a recording. */
void trace_output_tell_length(const char *recording, uint64_t begin_ns,
                              uint64_t end_ns);

#endif
