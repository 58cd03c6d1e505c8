/*
 * process: what this very process is, to whoever reads addresses of it.
 *
 * A log of addresses is of use only with what stood at them: the program, its
 * build, and what else is mapped.  Names of functions are symbols.h's business;
 * source lines are found outside, by irqlog-analyze.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROCESS_PROCESS_H
#define VMSCOPE_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Constant once the program runs. */
typedef struct ProcessInfo {
    uint64_t load_base;
    char build_id[41];          /* GNU build ID in hex digits, or "" */
    char exe[512];              /* its file; "" when that is not known */
} ProcessInfo;

/* A program or library that is mapped; its strings are borrowed. */
typedef struct ProcessObject {
    uint64_t load_base;
    uint64_t start;             /* of its mapped segments */
    uint64_t end;               /* first address behind them */
    const char *build_id;
    const char *file;
} ProcessObject;

/* Context: any thread. */
const ProcessInfo *process_info(void);

/**
 * process_open - open the program's file, also one that was replaced, or that
 *                a changed root hides
 * @load_base: of the object that is to be read
 *
 * Returns: a descriptor of the caller's; -1 when that object is not the
 *          program, or there is no way to it
 */
int process_open(uint64_t load_base);

/**
 * process_objects - tell of every program and library mapped
 * @add: called for each, the program first; false ends it
 *
 * Context: any thread; @add is called under the loader's lock.
 *
 * Returns: a number that changes when another one is loaded
 */
unsigned long long process_objects(bool (*add)(const ProcessObject *object,
                                               void *opaque), void *opaque);

#endif
