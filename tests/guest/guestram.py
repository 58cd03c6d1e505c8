# SPDX-License-Identifier: GPL-2.0-or-later
#
# Guest memory through the RAM file: physical reads, and a page walk of our
# own (4 or 5 levels, large pages).  Shares nothing with the product's walk.
# Where a machine is larger than what fits below 4 GiB, the rest of the file
# lies from 4 GiB on; how much fits is the machine's (qemurun.below_4g).

import mmap
import struct

PRESENT, LARGE = 1, 0x80
GIB = 1 << 30
ADDRESS = 0x000FFFFFFFFFF000


class Fault(Exception):
    pass


class Ram:
    def __init__(self, path, below=4 * GIB):
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)
        self.below = min(below, len(self.map))
        self.size = len(self.map)
        if self.size > self.below:      # the first address without RAM
            self.size += 4 * GIB - self.below

    def close(self):
        self.map.close()

    def at(self, pa, size):
        """Where in the file that lies"""
        if 0 <= pa and pa + size <= self.below:
            return pa
        if pa < 4 * GIB or pa + size > self.size:
            raise Fault(f"no RAM at {pa:#x}")
        return pa - 4 * GIB + self.below

    def read(self, pa, size):
        at = self.at(pa, size)
        return self.map[at:at + size]

    def u64(self, pa):
        return struct.unpack_from("<Q", self.map, self.at(pa, 8))[0]

    def u32(self, pa):
        return int.from_bytes(self.read(pa, 4), "little")

    def put64(self, pa, value):
        struct.pack_into("<Q", self.map, self.at(pa, 8), value)


class Space:
    """An address space: a root and a number of levels"""

    def __init__(self, ram, root, levels=4):
        self.ram, self.root, self.levels = ram, root & ADDRESS, levels
        self.cache = {}

    def canonical(self, va):
        bits = 57 if self.levels == 5 else 48
        top = va >> (bits - 1)
        return top in (0, (1 << (65 - bits)) - 1)

    def entry(self, va):
        """(page table entry, page size)"""
        if not self.canonical(va):
            raise Fault(f"{va:#x} is not canonical")
        table = self.root
        for level in range(self.levels - 1, -1, -1):
            e = self.ram.u64(table + (va >> (12 + 9 * level) & 511) * 8)
            if not e & PRESENT:
                raise Fault(f"{va:#x} not present at level {level}")
            if level == 0:
                return e, 0x1000
            if e & LARGE and level < 3:
                return e, 1 << (12 + 9 * level)
            table = e & ADDRESS
        raise AssertionError

    def pa(self, va):
        page = va >> 12
        hit = self.cache.get(page)
        if hit is None:
            e, size = self.entry(va)
            base = e & ADDRESS & ~(size - 1)
            hit = base + (va & (size - 1) & ~0xFFF)
            self.cache[page] = hit
        return hit + (va & 0xFFF)

    def mapped(self, va):
        try:
            self.pa(va)
            return True
        except Fault:
            return False

    def read(self, va, size):
        out = b""
        while size:
            part = min(size, 0x1000 - (va & 0xFFF))
            out += self.ram.read(self.pa(va), part)
            va, size = va + part, size - part
        return out

    def num(self, va, size):
        return int.from_bytes(self.read(va, size), "little")

    def u64(self, va):
        return self.num(va, 8)

    def u32(self, va):
        return self.num(va, 4)

    def u16(self, va):
        return self.num(va, 2)

    def u8(self, va):
        return self.num(va, 1)
