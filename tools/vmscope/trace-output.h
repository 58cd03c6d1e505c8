/*
 * trace-output: where what is made of a recording goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACE_OUTPUT_H
#define VMSCOPE_TRACE_OUTPUT_H

#include "common/out.h"

/**
 * trace_output_open - create a file
 * @path: of the file; NULL for standard output
 * @recording: which must not be that file
 *
 * Returns: false when it cannot be, and has said so
 */
bool trace_output_open(Out *out, const char *path, const char *recording);

/**
 * trace_output_close - write what is left
 * @path: as above
 *
 * Returns: false when anything could not be written, and has said so
 */
bool trace_output_close(Out *out, const char *path);

#endif
