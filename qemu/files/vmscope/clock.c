/*
 * vmscope: the time now, for status queries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "common.h"

VmscopeClock *vmscope_clock_new(void)
{
    VmscopeClock *clock = g_new0(VmscopeClock, 1);
    ClockTriple now;

    clock->has_tsc = clock_has_tsc();
    clock_read_triple(clock->has_tsc ? CLOCK_KIND_TSC : CLOCK_KIND_NS, &now);
    clock->tsc = clock->has_tsc ? now.stamp : 0;
    clock->monotonic_ns = now.monotonic_ns;
    clock->realtime_ns = now.realtime_ns;
    return clock;
}
