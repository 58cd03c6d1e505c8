/*
 * report-callers: names for the places that interrupts were raised from.
 *
 * A recording has addresses alone.  They are named by QEMU's program, where
 * it is still there and the same that was recorded, as irqlog-analyze does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_REPORT_CALLERS_H
#define VMSCOPE_REPORT_CALLERS_H

#include "common/jsonout.h"
#include "report/stats.h"

typedef struct Callers Callers;

/* @info: of the recording; borrowed.  Freed with callers_free(). */
Callers *callers_new(const TraceInfo *info);

/* An address that something returned to; each is kept once. */
void callers_add(Callers *callers, uint64_t address);

/**
 * callers_write - a list with an object for each that has a name
 *
 * "offset" is the address without QEMU's load base, "name" the function, with
 * those inlined into it behind " > ".  Reading the program may take a second.
 * Empty when it cannot be read or is another build.
 */
void callers_write(const Callers *callers, JsonOut *json);

void callers_free(Callers *callers);

/* An address, counted from where QEMU's program lies. */
uint64_t callers_offset(const TraceInfo *info, uint64_t address);

#endif
