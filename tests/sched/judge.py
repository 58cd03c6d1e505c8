# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whether what the tracer said is what happened.  Takes a Story and entries,
# gives faults; has never heard of QEMU.
#
# An entry is judged by its time alone: its thread must be one that was the
# vCPU's current one at that time, give or take the error of the clock fit
# and SLACK_NS; and everything else must fit the object, by serial, that was
# at that address then.  What an entry leaves out is counted, not a fault; and
# so are the finer things that a switch changes a little earlier or later than
# CurrentThread.  They are judged where, by the guest's account, no switch was
# under way: a vCPU may be held up inside of one for as long as its host likes.

import bisect
import collections

from story import fnv1a

SLACK_NS = 3000
STEADY_NS = 200_000         # how long nothing may move for the finer checks
NAME_BYTES = 79
IDENTITY = ("process-pointer", "unique-process-id", "unique-thread-id",
            "process-image")
STATES = {1: "Ready", 2: "Running", 3: "Standby", 4: "Terminated",
          5: "Waiting"}
SKIP_STATE = {"kthread-state", "*"}
EDGE = 2                    # switches per vCPU that may be off at the ends


def image_text(raw):
    """15 bytes of ImageFileName as the contract shows them"""
    return raw[:15].split(b"\0")[0].decode("utf-8", "backslashreplace")


def image_bytes(raw):
    """The same in hexadecimal, None where they are ASCII"""
    name = raw[:15].split(b"\0")[0]
    return None if name.isascii() else name.hex()


def name_text(data):
    """(text, cut) of a thread name's bytes, as the contract shows it"""
    text = data[:len(data) & ~1].decode("utf-16-le", "surrogatepass")
    text = text.split("\0")[0]
    text = "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c
                   for c in text)
    if len(text.encode()) <= NAME_BYTES:
        return text, False
    while len(text.encode()) > NAME_BYTES:
        text = text[:min(len(text) - 1, NAME_BYTES)]
    return text, True


def not_whole(given):
    """Less is shown of a name than the guest's hash is of"""
    text, cut = given
    return cut or "\ufffd" in text


class Result:
    """Faults and counts over all entries of one story"""

    def __init__(self):
        self.faults = []
        self.entries = 0
        self.counts = collections.Counter()
        self.late = []              # ns an entry came after its thread
        self.indexes = {}           # seq of an entry: its record on its CPU,
                                    # and the first and last it may be

    def fault(self, entry, kind, text):
        self.counts["wrong " + kind] += 1
        if len(self.faults) < 40:
            self.faults.append(f"entry {entry.get('seq')} vcpu "
                               f"{entry.get('vcpu')} at "
                               f"{entry.get('timestamp-ns')}: {text}")


class Judge:
    def __init__(self, story, skip=(), whole_from=0, restarts=False):
        """
        @whole_from: the seq from which on nothing should be missing
        @restarts: a vCPU may be lost and found again; then nobody ran before
        """
        self.restarts = restarts
        self.story, self.skip = story, set(skip)
        self.whole_from = whole_from
        self.tolerance = story.tolerance_ns + SLACK_NS
        self.result = Result()
        self.texts = {}
        self.lives_at = collections.Counter(
            life.object.address for life in story.lives.values())
        self.last = {}              # vCPU: (entry, record index)

    def lacks(self, entry, what, count=True):
        if count and entry.get("seq", 0) >= self.whole_from:
            self.result.counts["missing " + what] += 1

    # Who

    def matches(self, cpu, entry):
        """Records by which the entry's thread was the current one then"""
        t = entry["timestamp-ns"]
        may = cpu.in_force(t - self.tolerance, t + self.tolerance)
        pointer = entry["thread-pointer"]
        return [i for i in may if cpu.thread(i)[0] == pointer]

    def how_far(self, cpu, entry):
        """For the message: when was that thread there?"""
        t, pointer = entry["timestamp-ns"], entry["thread-pointer"]
        at = bisect.bisect_right(cpu.begin, t) - 1
        now = cpu.thread(at)[0]
        for step in range(64):
            if at - step >= 0 and cpu.records[at - step].old == pointer:
                late = t - cpu.begin[at - step]
                return f"{now or 0:#x} ran; it had, {late:.0f} ns before"
        return f"{now or 0:#x} ran, and it had not long since"

    def judge(self, entry):
        """One entry; they must come in order of seq"""
        result = self.result
        result.entries += 1
        if not 0 <= entry["vcpu"] < len(self.story.cpus):
            result.fault(entry, "vcpu", "no such vCPU")
            return
        cpu = self.story.cpus[entry["vcpu"]]
        may = self.matches(cpu, entry)
        if not may and cpu.end and entry["timestamp-ns"] > cpu.end[-1] \
                and entry["thread-pointer"] == cpu.under_way:
            result.counts["inside the last switch"] += 1
            return
        if not may:
            result.fault(entry, "thread", f"{entry['thread-pointer']:#x}, "
                         + self.how_far(cpu, entry))
            self.last.pop(entry["vcpu"], None)
            return
        if "*" not in self.skip:
            self.judge_identity(cpu, entry, may)
        self.judge_state(entry)
        self.judge_order(cpu, entry, may)

    def judge_state(self, entry):
        """What CurrentThread may be in: it waits before it is switched from"""
        state = entry.get("kthread-state")
        if state is None or SKIP_STATE & self.skip:
            return
        if entry.get("state-name") != STATES.get(state):
            self.result.fault(entry, "state", f"kthread-state {state}, "
                              f"state-name {entry.get('state-name')!r}")

    def judge_identity(self, cpu, entry, may):
        """Any of the objects it may be must fit in everything"""
        best = None
        if self.lives_at[entry["thread-pointer"]] > 1:
            self.result.counts["reused"] += 1
        for serial in {cpu.thread(i)[1] for i in may}:
            faults = self.object_faults(entry, serial)
            if best is None or len(faults) < len(best):
                best = faults
        for kind, text in best or ():
            self.result.fault(entry, kind, text)

    # What it is

    def object_faults(self, entry, serial):
        life = self.story.lives.get(serial)
        if life is None:
            self.result.counts["objects not seen"] += 1
            return []
        o, out = life.object, []
        want = {"process-pointer": o.process, "unique-process-id": o.pid,
                "unique-thread-id": o.tid,
                "process-image": image_text(o.image)}
        for key, value in want.items():
            if key in self.skip:
                continue
            if key not in entry:
                self.lacks(entry, key, not o.idle)
            elif entry[key] != value:
                out.append((key, f"{key} {entry[key]!r}, is {value!r}"))
        if "process-image" in entry and "process-image" not in self.skip:
            got = entry.get("process-image-bytes")
            if got != image_bytes(o.image):
                out.append(("process-image",
                            f"process-image-bytes {got}, is {o.image!r}"))
        if entry.get("idle", False) != o.idle and "idle" not in self.skip \
                and not entry.get("idle-unknown"):
            out.append(("idle", f"idle {entry.get('idle')}, is {o.idle}"))
        if "thread-name" not in self.skip:
            out += self.name_faults(entry, life)
        out += self.attached_faults(entry, o)
        return out

    def name_in_words(self, naming):
        """(text, cut); None for no name, "?" for one we have not read"""
        if naming.unknown:
            return "?"
        if not naming.pointer or not naming.readable:
            return None
        key = (naming.digest, naming.size)
        if key not in self.texts:
            data = self.story.texts.get(key)
            self.texts[key] = "?" if data is None else name_text(data)
        return self.texts[key]

    def name_faults(self, entry, life):
        t = entry["timestamp-ns"]
        near = [n for n in life.names if n.since <= t + self.tolerance
                and t - self.tolerance <= n.until]
        may = [self.name_in_words(n) for n in near]
        got = entry.get("thread-name")
        if got is None:
            if may and None not in may and len(near) == 1:
                self.lacks(entry, "thread-name")
            return []
        self.result.counts["thread names"] += 1
        given = (got, entry.get("thread-name-cut", False))
        if self.has_digest(given, near):
            return []
        if any(n.unknown or self.is_open(given, n) for n in near):
            self.result.counts["thread names not judged"] += 1
            return []
        if given not in may:
            known = [m for m in may if m]
            return [("thread-name", f"thread-name {given!r}, is {known!r}")]
        if not_whole(given) or any(
                b"\0\0" in self.story.texts.get((n.digest, n.size), b"")
                for n in near):         # a NUL ends it early: hash of more
            return []
        return [("thread-name", f"thread-name {got!r}: not the guest's hash")]

    def is_open(self, given, naming):
        """A text we never read, whose hash is of more than is shown?"""
        return self.name_in_words(naming) == "?" and (
            not_whole(given)
            or naming.size > len(given[0].encode("utf-16-le")))

    def has_digest(self, given, near):
        """Is it the guest's own hash?  Past our reading of its memory"""
        if not_whole(given):
            return False
        data = given[0].encode("utf-16-le")
        digest = fnv1a(data)
        return any(n.digest == digest and n.size == len(data)
                   and n.pointer and n.readable for n in near)

    def attached_faults(self, entry, thread):
        at = entry.get("attached-process")
        if at is None or "attached-process" in self.skip:
            return []
        self.result.counts["attached"] += 1
        if entry.get("idle"):
            return [("attached", "an idle thread said to be attached")]
        if at == thread.process:
            return [("attached", "attached to its own process")]
        if any(life.object.kind == 1 and life.object.address == at
               for life in self.story.lives.values()):
            return []
        return [("attached", f"attached to {at:#x}, which is no process")]

    # In what order

    def judge_order(self, cpu, entry, may):
        """Each entry is another, later switch than the one before it"""
        vcpu = entry["vcpu"]
        last = self.last.get(vcpu)
        if self.restarts and "previous-thread-pointer" not in entry:
            last = None
        index = may[0]
        if last:
            before, at = last
            later = [i for i in may if i > at]
            if entry["timestamp-ns"] + SLACK_NS < before["timestamp-ns"]:
                self.result.fault(entry, "order", "before the last entry")
            if not later:
                self.result.fault(entry, "order",
                                  "the same switch as the last entry")
            index = later[0] if later else may[-1]
            if "*" not in self.skip:
                self.judge_previous(entry, before)
        self.result.indexes[entry["seq"]] = index, may[0], may[-1]
        self.last[vcpu] = (entry, index)
        if index >= 0:
            self.judge_steady(cpu, entry, index, last)

    def judge_previous(self, entry, before):
        pointer = entry.get("previous-thread-pointer")
        if pointer is None:
            self.lacks(entry, "previous thread")
            return
        for mine, theirs in (("previous-thread-pointer", "thread-pointer"),
                             ("previous-unique-process-id",
                              "unique-process-id"),
                             ("previous-unique-thread-id",
                              "unique-thread-id")):
            if mine in entry and theirs in before \
                    and entry[mine] != before[theirs]:
                self.result.fault(entry, "previous", f"{mine} "
                                  f"{entry[mine]:#x}, was {before[theirs]:#x}")

    # Finer things, where nothing moves while they are read

    def steady(self, cpu, entry, index):
        t = entry["timestamp-ns"]
        if index + 1 == len(cpu.leaving):   # it may be about to leave
            return False
        settled, leaving = cpu.settled[index], cpu.leaving[index + 1]
        return (settled is not None and leaving is not None
                and settled + STEADY_NS < t < leaving - STEADY_NS)

    def fine(self, entry, key, want):
        if key in entry and key not in self.skip:
            self.result.counts["fine checks"] += 1
            if entry[key] != want:
                self.result.counts["fine misses"] += 1
                self.result.counts["fine miss: " + key] += 1

    def judge_steady(self, cpu, entry, index, last):
        if "*" in self.skip or not self.steady(cpu, entry, index):
            return
        record = cpu.records[index]
        life = self.story.lives.get(record.new_serial)
        if life is None:
            return
        if not life.object.idle:        # Standby while somebody is to come
            self.fine(entry, "kthread-state", 2)
        self.fine(entry, "priority", record.new_priority)
        if self.story.whole:
            self.fine(entry, "context-switches", record.nth)
        if last and last[1] == index - 1 and not life.object.idle:
            old = self.story.lives.get(record.old_serial)
            if old and not old.object.idle and not self.elsewhere(
                    record.old_serial, cpu.begin[index],
                    entry["timestamp-ns"]):
                self.fine(entry, "wait-reason", record.wait_reason)

    def elsewhere(self, serial, left, t):
        """Has that thread run again since it left, until then?"""
        for cpu in self.story.cpus:
            first = bisect.bisect_right(cpu.begin, left)
            at = bisect.bisect_right(cpu.begin, t + STEADY_NS)
            if any(r.new_serial == serial for r in cpu.records[first:at]):
                return True
        return False


def missed_balance(result, entries, cpu_index):
    """
    (seen, missed by their account, truth, least and most it may be) from the
    entry before the first of the last stretch in which each says how many
    were missed; None: no such stretch.
    """
    mine = [e for e in entries if e["vcpu"] == cpu_index]
    first = len(mine)
    while first > 1 and "missed" in mine[first - 1]:
        first -= 1
    told = mine[first - 1:]
    return balance(result, told) if len(told) > 1 else None


def seen_balance(result, entries, cpu_index):
    """(seen, truth) between the first and the last entry"""
    mine = [e for e in entries if e["vcpu"] == cpu_index]
    sums = balance(result, mine) if len(mine) > 1 else None
    return (sums[0], sums[2]) if sums else None


def balance(result, told):
    first, last = (result.indexes.get(told[i]["seq"]) for i in (0, -1))
    if first is None or last is None:       # one that was a fault
        return None
    return (len(told) - 1, sum(e.get("missed", 0) for e in told[1:]),
            last[0] - first[0], last[1] - first[2], last[2] - first[1])


def rings_differ(paged, ring):
    """What is wrong with the same entries read in two ways"""
    first = {e["seq"]: e for e in paged}
    again = {e["seq"]: e for e in ring}
    out = []
    if len(first) != len(paged):
        out.append("an entry came twice in the pages")
    gone = sorted(set(again) - set(first))
    if gone:
        out.append(f"{len(gone)} entries in the ring but in no page, from "
                   f"{gone[0]}")
    changed = [s for s in first if s in again and first[s] != again[s]]
    if changed:
        out.append(f"entry {changed[0]} reads {again[changed[0]]}, was "
                   f"{first[changed[0]]}")
    seqs = sorted(first)
    if seqs and seqs != list(range(seqs[0], seqs[0] + len(seqs))):
        out.append("numbers are left out")
    if [e["seq"] for e in paged] != seqs:
        out.append("pages not in order of seq")
    return out
