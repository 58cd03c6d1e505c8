/*
 * base/point: places between two steps where a test may have others run.
 *
 * Where threads meet without a lock, what matters happens between two loads
 * or stores.  In a test build each such place calls test_point, so that a
 * test forces the interleaving instead of waiting for it.  In all other
 * builds there is nothing there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_POINT_H
#define VMSCOPE_BASE_POINT_H

#ifdef VMSCOPE_TEST_POINTS
/* The test's; NULL: nothing happens. */
extern void (*test_point)(const char *name);

#define POINT(name) do {        \
    if (test_point) {           \
        test_point(name);       \
    }                           \
} while (0)
#else
#define POINT(name) do { } while (0)
#endif

#endif
