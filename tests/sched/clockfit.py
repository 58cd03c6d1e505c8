# SPDX-License-Identifier: GPL-2.0-or-later
#
# Where the guest's time stamp counter stands at an instant of the host's
# clock.  The guest's runs as fast as the host's, from another start (KVM
# without TSC scaling, and TCG): the rate is the host's own, and the start
# comes from events that lie between two instants by both clocks.  Bounds, not
# averages: a reader that was held up only widens them.

import ctypes
import mmap
import time

NS = 1_000_000_000
RDTSC = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"     # into RAX; ret


class ClockError(Exception):
    pass


class HostTsc:
    """The host's own counter beside CLOCK_MONOTONIC"""

    def __init__(self):
        self.code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ
                              | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.code.write(RDTSC)
        at = ctypes.addressof(ctypes.c_char.from_buffer(self.code))
        self.read = ctypes.CFUNCTYPE(ctypes.c_uint64)(at)

    def pair(self, tries=300):
        """(ns, tsc) of one instant, from the tightest of many readings"""
        best = None
        for _ in range(tries):
            before = time.monotonic_ns()
            tsc = self.read()
            after = time.monotonic_ns()
            if best is None or after - before < best[0]:
                best = after - before, (before + after) / 2, tsc
        return best[1], best[2]


class ClockFit:
    """tsc = base + rate * (host ns - start)"""

    def __init__(self, start):
        """@start: a pair of the host's, from when the story begins"""
        self.start = start
        self.bounds = []            # (host from, to, tsc from, to)
        self.rate = self.base = None
        self.tolerance_ns = None    # how far the line may be off

    def bound(self, host_from, host_to, tsc_from, tsc_to):
        """Something happened in both of these intervals"""
        self.bounds.append((host_from, host_to, tsc_from, tsc_to))

    def enough(self):
        return len(self.bounds) >= 8

    def solve(self, end):
        """@end: a pair of the host's, some time later"""
        if len(self.bounds) < 3:
            raise ClockError(f"only {len(self.bounds)} bounds on the clock")
        self.rate = (end[1] - self.start[1]) / (end[0] - self.start[0])
        zero = self.start[0]
        low = max(a - self.rate * (t1 - zero) for _, t1, a, _ in self.bounds)
        high = min(b - self.rate * (t0 - zero) for t0, _, _, b in self.bounds)
        self.base = (low + high) / 2
        self.tolerance_ns = abs(high - low) / self.rate
        if (low - high) / self.rate > 2000:
            raise ClockError(f"the clocks do not fit, by "
                             f"{(low - high) / self.rate:.0f} ns")

    def host_ns(self, tsc):
        return self.start[0] + (tsc - self.base) / self.rate
