# SPDX-License-Identifier: GPL-2.0-or-later
#
# What truly happened in a guest, gathered while it runs: every switch, every
# object with the names it had one after another, and how the guest's clock
# stands to the host's.  Reads the RAM file alone.  Judges nothing.

import bisect
import dataclasses
import struct
import time

import truth as truth_format
from clockfit import ClockFit, HostTsc
from guestram import Fault, Space
from truth import Object, Switch

FOREVER = 1 << 63
RECORD = 64
OBJECT = 128
RATE_NS = 200_000_000       # at least so long, to tell how fast a TSC runs
CPU = 128
HEAD = truth_format.BASE + truth_format.HEADER["head"]


class StoryError(Exception):
    """The truth could not be followed; says nothing about the tracer"""


@dataclasses.dataclass
class Naming:
    """A name an object had, between two looks of ours"""
    since: int                  # host ns: not before
    until: int                  # host ns: not after
    pointer: int                # 0: none
    size: int
    digest: int
    readable: bool
    version: int
    unknown: bool = False       # there was one, and we did not see it


class Life:
    """One object, by its serial"""

    def __init__(self, first):
        self.object = first
        self.names = []


class CpuStory:
    """The switches of one CPU, in order"""

    def __init__(self):
        self.records = []
        # host ns, once the clock is known; begin and end of the store
        self.begin, self.end = [], []
        # when the old thread's fields begin to change, and when the new
        # one's are all there; None: so long that it cannot be told
        self.leaving, self.settled = [], []
        self.under_way = None               # new thread of a cut-off switch
        self.only = None, None              # of a CPU that never switched

    def in_force(self, low, high):
        """
        Indexes of the records whose new thread may have been the current one
        at some instant from @low to @high; -1: before the first record.
        """
        first = bisect.bisect_left(self.end, low) - 1
        last = bisect.bisect_right(self.begin, high) - 1
        return range(first, max(first, last) + 1)

    def thread(self, index):
        """(address, serial) of who runs after that record"""
        if not self.records:
            return self.only
        if index < 0:
            return self.records[0].old, self.records[0].old_serial
        return self.records[index].new, self.records[index].new_serial


class Story:
    def __init__(self, cpus):
        self.cpus = [CpuStory() for _ in range(cpus)]
        self.lives = {}
        self.texts = {}             # (hash, bytes): the name as UTF-16
        self.times = {}             # serial: records so far that enter it
        self.whole = True           # no record missing since boot
        self.tolerance_ns = 0

    def add_record(self, record):
        record.nth = self.times.get(record.new_serial, 0) + 1
        self.times[record.new_serial] = record.nth
        self.cpus[record.cpu].records.append(record)

    def add_object(self, seen, looked_before, looked_now):
        """An object as it was at a look; @looked_before: the one before"""
        life = self.lives.get(seen.serial)
        if life is None:
            life = self.lives[seen.serial] = Life(seen)
            if seen.version:            # named before we looked
                life.names.append(Naming(0, looked_now, 0, 0, 0, True, 0))
        last = life.names[-1] if life.names else None
        if last is None or last.version != seen.version:
            since = looked_before if last else 0
            if last:
                last.until = looked_now
                if seen.version - last.version > 2:
                    life.names.append(Naming(since, looked_now, 0, 0, 0,
                                             True, 0, unknown=True))
            life.names.append(Naming(since, FOREVER, seen.name,
                                     seen.name_bytes, seen.name_hash,
                                     not seen.unreadable, seen.version))
        life.object = seen

    def set_clock(self, fit):
        """Host times for all records"""
        self.tolerance_ns = fit.tolerance_ns
        for cpu in self.cpus:
            cpu.begin = [fit.host_ns(r.tsc) for r in cpu.records]
            cpu.end = [fit.host_ns(r.tsc + r.width) for r in cpu.records]
            cpu.leaving = [None if r.leaving is None
                           else fit.host_ns(r.tsc - r.leaving)
                           for r in cpu.records]
            cpu.settled = [None if r.settling is None
                           else fit.host_ns(r.tsc + r.width + r.settling)
                           for r in cpu.records]

    def count(self):
        return sum(len(cpu.records) for cpu in self.cpus)


def fnv1a(data):
    digest = 0x811C9DC5
    for byte in data:
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest


class Recorder:
    """Follows a running guest's ground truth into a Story"""

    def __init__(self, ram, truth, row):
        self.ram, self.truth = ram, truth
        _, self.entries, _, self.n_cpus = truth.shape()
        self.story = Story(self.n_cpus)
        self.tsc = HostTsc()
        self.fit = ClockFit(self.tsc.pair())
        levels = 5 if truth.flags & 2 else 4
        self.space = Space(ram, truth.root, levels)
        self.ring = truth.ring_pa
        self.taken = 0
        self.objects = b""
        self.looked = 0
        self.changes = []
        self.ordinal = [None] * self.n_cpus
        # Where in the RAM file
        self.current = [ram.at(self.space.pa(truth.cpu(i)["prcb"]
                                             + row["kprcb_current_thread"]),
                               8) for i in range(self.n_cpus)]
        self.counts = [truth.cpu_pa + i * CPU + 48
                       for i in range(self.n_cpus)]
        self.pump()

    def pump(self):
        self.drain()
        self.look()

    def drain(self):
        """Take the records written since the last time"""
        head = self.truth.head
        first = self.taken
        if head - first > self.entries:
            if first:
                raise StoryError(f"{head - first - self.entries} records "
                                 "lost: looked too seldom")
            self.story.whole = False
            first = head - self.entries + self.entries // 8
        for seq in range(first, head):
            at = self.ring + seq % self.entries * RECORD
            record = Switch(self.ram.map[at:at + RECORD])
            if record.seq != seq + 1:
                raise StoryError(f"record {seq + 1} reads {record.seq}")
            self.story.add_record(record)
        self.taken = head

    def look(self):
        """Take objects that are new or have changed"""
        before = time.monotonic_ns()
        start, size = self.truth.object_pa, self.truth.objects_used * OBJECT
        raw = self.ram.map[start:start + size]
        old = self.objects
        if raw != old:
            for at in range(0, size, OBJECT):
                if raw[at:at + OBJECT] != old[at:at + OBJECT]:
                    self.take_object(start + at)
        self.objects = raw
        self.looked = before

    def take_object(self, at):
        """One object, read until it holds still"""
        last = None
        for _ in range(1000):
            raw = self.ram.map[at:at + OBJECT]
            seen = Object(raw)
            if raw == last and seen.serial and not seen.version & 1:
                break
            last = raw
        else:
            return                      # being made: the next look has it
        self.story.add_object(seen, self.looked, time.monotonic_ns())
        if seen.name and not seen.unreadable:
            self.take_text(seen)

    def take_text(self, seen):
        key = (seen.name_hash, seen.name_bytes)
        if key in self.story.texts:
            return
        try:
            data = self.space.read(seen.text, seen.name_bytes)
        except Fault:
            return
        if fnv1a(data) == seen.name_hash:
            self.story.texts[key] = data

    def watch_clock(self, seconds):
        """
        Look at CurrentThread as fast as can be.  A change lies between two
        looks, by the host's clock, and within a record, by the guest's.
        """
        clock, get = time.monotonic_ns, struct.Struct("<Q").unpack_from
        ram, cpus = self.ram.map, range(self.n_cpus)
        seen = [clock()] * self.n_cpus
        last = [get(ram, at)[0] for at in self.current]
        end = clock() + int(seconds * 1e9)
        now = 0
        while now < end:
            for i in cpus:
                now = clock()
                value = get(ram, self.current[i])[0]
                if value != last[i]:
                    count = get(ram, self.counts[i])[0]
                    again = clock()
                    if get(ram, self.current[i])[0] == value:
                        # Not @again: it may have come back after that.
                        self.changes.append((i, last[i], value, seen[i],
                                             clock(), count))
                        now = again
                    last[i] = value
                seen[i] = now

    def place(self, i):
        """Number on this CPU of its first record we have"""
        if self.story.whole:
            return 1
        if self.ordinal[i] is None:
            for _ in range(1000):
                cpu, again = self.truth.cpu(i), self.truth.cpu(i)
                if cpu == again and cpu["begin"] == cpu["end"]:
                    break
            self.drain()
            seqs = [r.seq for r in self.story.cpus[i].records]
            at = bisect.bisect_left(seqs, cpu["last"])
            if at < len(seqs) and seqs[at] == cpu["last"]:
                self.ordinal[i] = cpu["switches"] - at
        return self.ordinal[i]

    def settle_clock(self):
        """
        Tell the fit of all changes whose record is sure.  When a change was
        seen, that many switches were finished: it is the last of those, or
        the next.
        """
        later = []
        for change in self.changes:
            i, old, new, t0, t1, count = change
            first = self.place(i)
            records = self.story.cpus[i].records
            if first is None:
                continue
            at = count - first
            if at + 1 >= len(records):
                later.append(change)
                continue
            for r in records[max(0, at):at + 2]:
                if (r.old, r.new) == (old, new):
                    self.fit.bound(t0, t1, r.tsc, r.tsc + r.width)
        self.changes = later

    def finish_switches(self):
        """What was under way is recorded, unless the guest is stopped"""
        begun = [self.truth.cpu(i)["begin"] for i in range(self.n_cpus)]
        end = time.monotonic() + 0.2
        for i, cpu in enumerate(self.story.cpus):
            while self.truth.cpu(i)["end"] < begun[i]:
                if time.monotonic() > end:
                    cpu.under_way = self.truth.cpu(i)["new"]
                    break
                time.sleep(0.0005)

    def note_never_switched(self):
        """Such a CPU has had no thread but its idle thread until now"""
        idle = {life.object.address: serial
                for serial, life in self.story.lives.items()
                if life.object.idle}
        for i, cpu in enumerate(self.story.cpus):
            seen = self.truth.cpu(i)
            if not seen["begin"]:
                cpu.only = seen["idle"], idle.get(seen["idle"])

    def close(self):
        """The whole story, with host times"""
        self.note_never_switched()
        self.finish_switches()
        self.pump()
        self.settle_clock()
        if time.monotonic_ns() - self.fit.start[0] < RATE_NS:
            time.sleep(RATE_NS / 1e9)
        self.fit.solve(self.tsc.pair())
        self.story.set_clock(self.fit)
        return self.story
