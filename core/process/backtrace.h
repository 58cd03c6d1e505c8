/*
 * process/backtrace: which calls led to a call of this very process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROCESS_BACKTRACE_H
#define VMSCOPE_PROCESS_BACKTRACE_H

#include <stdint.h>

/* Frames that can be asked for at once. */
enum { PROCESS_BACKTRACE_MAX = 16 };

/* Where a thread's stack is; zeroes: not known. */
typedef struct ProcessStack {
    uintptr_t low;
    uintptr_t high;             /* first address above it */
} ProcessStack;

/**
 * process_stack - the stack of the calling thread
 *
 * Context: any thread, once.  It asks the C library; of the thread that called
 * main() that was done when the program was loaded, as it reads a file.
 */
ProcessStack process_stack(void);

/**
 * process_backtrace - the return addresses above a call
 * @stack: of the calling thread
 * @frame: frame address of a function that @caller has called, on whichever
 *         way
 * @caller: return address whose callers are wanted; it is not among them
 * @max: addresses at most; more than PROCESS_BACKTRACE_MAX are never told
 * @addrs: receives them, innermost first
 *
 * By frame pointers, where this is built with VMSCOPE_FRAME_POINTERS and they
 * lead to @caller; else by unwind tables, which takes some microseconds.
 *
 * Context: any thread; allocates nothing.
 *
 * Returns: how many there are; 0 when @caller is not found
 */
unsigned process_backtrace(const ProcessStack *stack, void *frame,
                           uintptr_t caller, unsigned max, uint64_t *addrs);

#endif
