# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads the guest's ground truth as docs/guest.md promises it.

import struct

BASE = 0x800000
HEADER = {
    "state": 0x18, "ring_pa": 0x20, "object_pa": 0x30, "cpu_pa": 0x40,
    "head": 0x50, "tail": 0x58, "overwritten": 0x60, "stamp": 0x68,
    "created": 0x70, "object_lost": 0x78, "migrations": 0x80,
    "boot_tsc": 0x88, "world_tsc": 0x90, "first_tsc": 0x98,
    "image_va": 0xA0, "image_size": 0xA8, "root": 0xB0, "image_pa": 0xB8,
    "kdbg": 0xC0, "never": 0xC8, "always": 0xD0, "encoded_flag": 0xD8,
    "row": 0xE0, "build": 0xE8, "nt_build": 0xF0, "flags": 0xF8,
    "lstar": 0x100, "idt": 0x108, "process_head": 0x110, "system": 0x118,
    "idle_process": 0x120, "tick_us": 0x128, "pool": 0x130,
    "self_map": 0x138, "kuser": 0x140, "lies": 0x148, "seed": 0x150,
    "low_stub": 0x158, "decoy_below": 0x160, "decoy_driver": 0x168,
    "stray_kdbg": 0x170, "kdbg_kind": 0x178, "columns": 0x180,
    "objects_used": 0x188, "interrupt_pa": 0x1C0, "interrupts_made": 0x1C8,
    "message_pa": 0x1D0, "messages_sent": 0x1D8, "messages_taken": 0x1E0,
}
LOCK, WAITERS, ROW = 0x190, 0x1A0, 0x800
MESSAGES_WANTED = 0x7F0
PROCESS, THREAD = 1, 2
REASONS = ("start", "quantum", "preempt", "yield", "wait", "exit",
           "idle-end")


class Object:
    def __init__(self, raw):
        (self.serial, self.kind, self.flags, self.version, self.address,
         self.process, self.pid, self.tid, self.created, self.ended,
         self.image, self.name, self.text, self.name_bytes, self.name_hash,
         self.dtb, self.extra, self.stack, self.teb) = struct.unpack(
             "<IBBHQQQQQQ16sQQIIQQQQ", raw)

    system = property(lambda s: bool(s.flags & 1))
    minimal = property(lambda s: bool(s.flags & 2))
    elevated = property(lambda s: bool(s.flags & 4))
    idle = property(lambda s: bool(s.flags & 8))
    user = property(lambda s: bool(s.flags & 16))
    unlinked = property(lambda s: bool(s.flags & 0x40))
    unreadable = property(lambda s: bool(s.flags & 0x80))
    live = property(lambda s: s.serial and not s.ended)
    # (user, kernel): of a thread; of a process's threads that have ended.
    ticks = property(lambda s: (s.dtb & 0xFFFFFFFF, s.dtb >> 32))
    ended_ticks = property(lambda s: (s.process & 0xFFFFFFFF,
                                      s.process >> 32))


def ticks(kiloticks):
    return None if kiloticks == 0xFFFF else kiloticks << 10


class Switch:
    def __init__(self, raw):
        (self.seq, self.tsc, self.old, self.new, self.old_serial,
         self.new_serial, self.stamp, self.width, self.cpu, self.reason,
         self.wait_reason, self.old_state, self.new_priority,
         self.old_priority, self._leaving, self.attached,
         self._settling) = struct.unpack("<QQQQIIQIBBBBBBHHH", raw)

    # In ticks; None: longer than the record can say.
    leaving = property(lambda s: ticks(s._leaving))
    settling = property(lambda s: ticks(s._settling))


class Interrupt:
    """An interrupt object of a CPU"""

    def __init__(self, raw):
        (self.cpu, self.vector, self.irql, self.mode, self.flags,
         self.message, self.object, self.routine, self.base, name,
         owner) = struct.unpack("<6B2xQQQ16s16s", raw)
        self.name = name.rstrip(b"\0").decode()
        self.owner = owner.rstrip(b"\0").decode()

    shared = property(lambda s: bool(s.flags & 1))
    by_message = property(lambda s: bool(s.flags & 2))
    refused = property(lambda s: bool(s.flags & 4))
    wild = property(lambda s: bool(s.flags & 8))


class Message:
    """What the guest had its device send"""

    def __init__(self, raw):
        (self.before, self.after, self.vector, self.cpu,
         self.taken) = struct.unpack("<QQIIQ", raw)


class Truth:
    def __init__(self, ram):
        self.ram = ram

    def __getattr__(self, name):
        return self.ram.u64(BASE + HEADER[name])

    def ready(self):
        return self.ram.read(BASE, 8) == b"NTTRUTH1"

    def locked(self):
        return self.ram.u32(BASE + LOCK) != 0

    def cpu_at(self, index):
        """Where a CPU's entry stands; its ticks begin at 88"""
        return self.cpu_pa + 128 * index

    def waiter(self, index):
        """The id of a thread of waits=deadlock"""
        entry = self.ram.u32(BASE + WAITERS + 4 * index) - 1
        return self.ram.u64(self.object_pa + 128 * entry + 32)

    def shape(self):
        """(version, ring entries, ring entry size, cpus)"""
        return (self.ram.u32(BASE + 8), self.ram.u32(BASE + 0x28),
                self.ram.u32(BASE + 0x2C), self.ram.u32(BASE + 0x48))

    def row_in_force(self):
        n = self.columns
        return struct.unpack(f"<{n}H", self.ram.read(BASE + ROW, n * 2))

    def objects(self):
        size = 128
        raw = self.ram.read(self.object_pa, self.objects_used * size)
        out = [Object(raw[i:i + size]) for i in range(0, len(raw), size)]
        return [o for o in out if o.serial]

    def interrupts(self):
        """By CPU and vector, those that share one in their order"""
        size = 64
        raw = self.ram.read(self.interrupt_pa, self.interrupts_made * size)
        return [Interrupt(raw[i:i + size])
                for i in range(0, len(raw), size)]

    def cpu(self, index):
        raw = self.ram.read(self.cpu_pa + index * 128, 128)
        names = ("kpcr", "prcb", "begin", "end", "old", "new", "switches",
                 "idle", "last", "transition", "online")
        return dict(zip(names, struct.unpack_from("<11Q", raw)))

    def all_online(self):
        return all(self.cpu(i)["online"] for i in range(self.shape()[3]))

    def switches(self, limit=None):
        """The records still in the ring, oldest first"""
        _, entries, size, _ = self.shape()
        head = self.head
        first = max(0, head - entries)
        if limit:
            first = max(first, head - limit)
        out = []
        for i in range(first, head):
            at = self.ring_pa + (i % entries) * size
            out.append(Switch(self.ram.read(at, size)))
        return out

    def messages(self):
        """Those that were taken, in their order"""
        size = 32
        raw = self.ram.read(self.message_pa, self.messages_taken * size)
        return [Message(raw[i:i + size]) for i in range(0, len(raw), size)]
