/*
 * base/now: the time since the host was started, for limits and measuring.
 *
 * Stamps of events are recorder/clock.h's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_NOW_H
#define VMSCOPE_BASE_NOW_H

#include <stdint.h>
#include <time.h>

#ifdef VMSCOPE_TEST_CLOCK
/* A test's own clock, for a source that is built once more for that test. */
extern uint64_t test_now_ns(void);
#endif

/* CLOCK_MONOTONIC in nanoseconds.  Context: any thread. */
static inline uint64_t now_monotonic_ns(void)
{
#ifdef VMSCOPE_TEST_CLOCK
    return test_now_ns();
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
#endif
}

#endif
