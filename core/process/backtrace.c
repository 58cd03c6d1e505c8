/*
 * process/backtrace: see backtrace.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* gettid(), pthread_getattr_np() */
#endif

#include "process/backtrace.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

/* Of the frames backtrace() returns, how many may lie below the caller's. */
#define MAX_OWN_FRAMES 8

/* Of the thread that called main(). */
static ProcessStack main_stack;

static ProcessStack backtrace_find_stack(void)
{
    ProcessStack stack = { 0, 0 };
    pthread_attr_t attr;
    void *low;
    size_t size;

    if (pthread_getattr_np(pthread_self(), &attr)) {
        return stack;
    }
    if (!pthread_attr_getstack(&attr, &low, &size)) {
        stack.low = (uintptr_t)low;
        stack.high = (uintptr_t)low + size;
    }
    pthread_attr_destroy(&attr);
    return stack;
}

/*
 * A changed root comes later, and takes away what these two look into:
 * /proc/self/maps for the main thread's stack, and the library that
 * backtrace() loads when it is first called, which no interrupt should wait
 * for either.
 */
static void __attribute__((constructor)) backtrace_learn_program(void)
{
    void *warm_up[1];

    main_stack = backtrace_find_stack();
    backtrace(warm_up, 1);
}

ProcessStack process_stack(void)
{
    return gettid() == getpid() ? main_stack : backtrace_find_stack();
}

#ifdef VMSCOPE_FRAME_POINTERS
/* A frame is the saved frame pointer and the return address. */
static uintptr_t *backtrace_next(const ProcessStack *stack, uintptr_t *frame)
{
    uintptr_t next = frame[0];

    if (next <= (uintptr_t)frame || next % sizeof(uintptr_t) ||
        next > stack->high - 2 * sizeof(uintptr_t)) {
        return NULL;
    }
    return (uintptr_t *)next;
}

/*
 * Returns: false when frame pointers cannot tell: on a coroutine's stack, or
 * called from code that has none.
 */
static bool backtrace_walk(const ProcessStack *stack, uintptr_t *frame,
                           uintptr_t caller, unsigned max, uint64_t *addrs,
                           unsigned *n)
{
    if ((uintptr_t)frame < stack->low || (uintptr_t)frame >= stack->high) {
        return false;
    }
    while (frame && frame[1] != caller) {
        frame = backtrace_next(stack, frame);
    }
    if (!frame) {
        return false;
    }
    for (*n = 0; *n < max; (*n)++) {
        frame = backtrace_next(stack, frame);
        if (!frame || !frame[1]) {
            break;
        }
        addrs[*n] = frame[1];
    }
    return true;
}
#else
static bool backtrace_walk(const ProcessStack *stack, uintptr_t *frame,
                           uintptr_t caller, unsigned max, uint64_t *addrs,
                           unsigned *n)
{
    (void)stack;
    (void)frame;
    (void)caller;
    (void)max;
    (void)addrs;
    (void)n;
    return false;
}
#endif

static unsigned backtrace_unwind(uintptr_t caller, unsigned max,
                                 uint64_t *addrs)
{
    void *all[PROCESS_BACKTRACE_MAX + MAX_OWN_FRAMES];
    int n_all = backtrace(all, (int)max + MAX_OWN_FRAMES);
    unsigned n = 0;
    int i = 0;

    while (i < n_all && (uintptr_t)all[i] != caller) {
        i++;
    }
    for (i++; i < n_all && n < max; i++) {
        addrs[n++] = (uintptr_t)all[i];
    }
    return n;
}

unsigned process_backtrace(const ProcessStack *stack, void *frame,
                           uintptr_t caller, unsigned max, uint64_t *addrs)
{
    unsigned n;

    max = max < PROCESS_BACKTRACE_MAX ? max : PROCESS_BACKTRACE_MAX;
    if (!backtrace_walk(stack, frame, caller, max, addrs, &n)) {
        n = backtrace_unwind(caller, max, addrs);
    }
    return n;
}
