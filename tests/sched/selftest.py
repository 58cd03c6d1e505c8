# SPDX-License-Identifier: GPL-2.0-or-later
#
# The judge on trial: a made-up story, entries that fit it, and entries that
# do not, each wrong in one way.  Every wrong one must be found, with the
# right charge; no right one may be.

import copy
import types

import judge
import offsets
import rows
from clockfit import ClockError, ClockFit, HostTsc
from story import Story, fnv1a

MS = 1_000_000
P1, P2, IDLE_P = 0xFFFFA001, 0xFFFFA002, 0xFFFFA000
NAMES = {"Worker": 1, "새 스레드": 2, "long " * 30: 3}


class FlatClock:
    """The guest's clock is the host's"""
    tolerance_ns = 100

    @staticmethod
    def host_ns(tsc):
        return tsc


def thing(serial, kind, address, process=0, pid=0, tid=0, image=b"",
          name="", idle=False, version=0):
    data = name.encode("utf-16-le")
    return types.SimpleNamespace(
        serial=serial, kind=kind, address=address, process=process, pid=pid,
        tid=tid, image=image.ljust(16, b"\0"), idle=idle, version=version,
        name=0x1000 if name else 0, name_bytes=len(data),
        name_hash=fnv1a(data), unreadable=False)


def switch(seq, cpu, at, old, new, **more):
    return types.SimpleNamespace(
        seq=seq, cpu=cpu, tsc=at, width=100, old=old[0], old_serial=old[1],
        new=new[0], new_serial=new[1], wait_reason=more.get("reason", 7),
        new_priority=more.get("priority", 9), leaving=more.get("leaving", 0),
        settling=more.get("settling", 0))


IDLE0, IDLE1 = (0x1000, 1), (0x2000, 2)
A, B, C = (0x3000, 3), (0x4000, 4), (0x5000, 5)
REUSED = (0x4000, 6)                    # B's memory, another thread


def story(slow=None):
    """
    Two CPUs; a switch each 10 ms.  B ends and its memory is used again.
    @slow: what is said of how long each switch was under way
    """
    s = Story(2)
    for o in (thing(1, 2, 0x1000, IDLE_P, 0, 0, b"Idle", idle=True),
              thing(2, 2, 0x2000, IDLE_P, 0, 0, b"Idle", idle=True),
              thing(3, 2, 0x3000, P1, 8, 12, b"one.exe", "Worker",
                    version=2),
              thing(4, 2, 0x4000, P1, 8, 16, b"one.exe", "새 스레드",
                    version=2),
              thing(5, 2, 0x5000, P2, 20, 24, b"exactly-15-byte",
                    "long " * 30, version=2),
              thing(6, 2, 0x4000, P2, 20, 28, b"exactly-15-byte"),
              thing(7, 1, P1, 0, 8, 4, b"one.exe"),
              thing(8, 1, P2, 0, 20, 4, b"exactly-15-byte")):
        s.add_object(o, 0, 1)
        if o.name:
            s.texts[(o.name_hash, o.name_bytes)] = next(
                n for n in NAMES if fnv1a(n.encode("utf-16-le"))
                == o.name_hash).encode("utf-16-le")
    plan0 = (IDLE0, A, B, A, REUSED, C, IDLE0)
    plan1 = (IDLE1, C, IDLE1, A, IDLE1)
    seq = 0
    for n in range(1, 7):
        for cpu, turns in ((0, plan0), (1, plan1)):
            if n < len(turns):
                seq += 1
                s.add_record(switch(seq, cpu, n * 10 * MS + cpu * 5 * MS,
                                    turns[n - 1], turns[n], **(slow or {})))
    s.set_clock(FlatClock())
    return s


def entry(s, seq, cpu, index, late=MS, last=None):
    """What a perfect tracer says of a record"""
    record = s.cpus[cpu].records[index]
    o = s.lives[record.new_serial].object
    e = {"seq": seq, "vcpu": cpu, "timestamp-ns": record.tsc + late,
         "thread-pointer": record.new, "process-pointer": o.process,
         "unique-process-id": o.pid, "unique-thread-id": o.tid,
         "process-image": judge.image_text(o.image), "kthread-state": 2,
         "state-name": "Running", "priority": record.new_priority,
         "origin": "poll", "missed": 0}
    if judge.image_bytes(o.image):
        e["process-image-bytes"] = judge.image_bytes(o.image)
    if o.idle:
        e["idle"] = True
    if o.name:
        data = s.texts[(o.name_hash, o.name_bytes)]
        e["thread-name"], cut = judge.name_text(data)
        if cut:
            e["thread-name-cut"] = True
    if last:
        e.update({"previous-thread-pointer": last["thread-pointer"],
                  "previous-unique-process-id": last["unique-process-id"],
                  "previous-unique-thread-id": last["unique-thread-id"],
                  "wait-reason": record.wait_reason})
    return e


def perfect(s):
    """One entry a switch, in order of time"""
    order = sorted(((r.tsc, cpu, i) for cpu in (0, 1)
                    for i, r in enumerate(s.cpus[cpu].records)))
    out, last = [], {}
    for seq, (_, cpu, index) in enumerate(order, 1):
        e = entry(s, seq, cpu, index, last=last.get(cpu))
        last[cpu] = e
        out.append(e)
    return out


def judged(s, entries, **more):
    j = judge.Judge(s, **more)
    for e in entries:
        j.judge(e)
    return j.result


def find(entries, pointer, cpu=0):
    return next(i for i, e in enumerate(entries)
                if e["thread-pointer"] == pointer and e["vcpu"] == cpu)


def setter(pointer, **values):
    """Members of the first entry of that thread; None takes one away"""
    def change(entries):
        e = entries[find(entries, pointer)]
        for key, value in values.items():
            e[key.replace("_", "-")] = value
    return change


def stale(entries):
    """B's name and ids on the thread that has its memory now"""
    old, new = [e for e in entries if e["thread-pointer"] == 0x4000]
    for key in ("unique-thread-id", "unique-process-id", "process-image",
                "process-pointer", "thread-name"):
        new[key] = old[key]


def stale_name(entries):
    old, new = [e for e in entries if e["thread-pointer"] == 0x4000]
    new["thread-name"] = old["thread-name"]


def other_vcpu(entries):
    entries[find(entries, 0x5000, 1)]["vcpu"] = 0


def shifted(entries):
    for e in entries:
        e["timestamp-ns"] += 10 * MS


def early(entries):
    """By no more than the tolerance and a little"""
    e = entries[find(entries, 0x4000)]
    e["timestamp-ns"] = e["timestamp-ns"] - MS - 100 - judge.SLACK_NS - 500


def twice(entries):
    at = find(entries, 0x3000)
    again = copy.deepcopy(entries[at])
    again["timestamp-ns"] += 10
    entries.insert(at + 1, again)


def backwards(entries):
    mine = [i for i, e in enumerate(entries) if e["vcpu"] == 0]
    a, b = mine[0], mine[1]
    entries[a], entries[b] = entries[b], entries[a]


def idle_lost(entries):
    entries[find(entries, 0x1000)].pop("idle")


def cut_wrong(entries):
    e = entries[find(entries, 0x5000)]
    e["thread-name"] = e["thread-name"][:-1]


def not_cut(entries):
    entries[find(entries, 0x5000)].pop("thread-name-cut")


WRONG = (
    ("wrong pid", "unique-process-id", setter(0x3000, unique_process_id=12)),
    ("wrong tid", "unique-thread-id", setter(0x3000, unique_thread_id=8)),
    ("wrong image", "process-image", setter(0x3000, process_image="one.ex")),
    ("bytes of ASCII", "process-image",
     setter(0x3000, process_image_bytes="6f6e652e657865")),
    ("wrong process", "process-pointer", setter(0x3000, process_pointer=P2)),
    ("wrong thread", "thread", setter(0x3000, thread_pointer=0x5000)),
    ("thread of nobody", "thread", setter(0x3000, thread_pointer=0x7770)),
    ("no such vCPU", "vcpu", setter(0x3000, vcpu=2)),
    ("wrong vCPU", "thread", other_vcpu),
    ("time shifted", "thread", shifted),
    ("a little early", "thread", early),
    ("stale object", "unique-thread-id", stale),
    ("stale name", "thread-name", stale_name),
    ("invented name", "thread-name", setter(0x1000, thread_name="x")),
    ("wrong name", "thread-name", setter(0x3000, thread_name="Worke")),
    ("cut at the wrong place", "thread-name", cut_wrong),
    ("cut and not said so", "thread-name", not_cut),
    ("said to be cut", "thread-name", setter(0x3000, thread_name_cut=True)),
    ("idle and not said so", "idle", idle_lost),
    ("said to be idle", "idle", setter(0x3000, idle=True)),
    ("the same switch twice", "order", twice),
    ("out of order", "order", backwards),
    ("attached to no process", "attached",
     setter(0x3000, attached_process=0x3000)),
    ("an idle thread attached", "attached",
     setter(0x1000, attached_process=P1)),
    ("attached to its own", "attached", setter(0x3000, attached_process=P1)),
    ("no such state", "state", setter(0x3000, kthread_state=55)),
    ("wrong state name", "state", setter(0x3000, state_name="Waiting")),
    ("wrong previous thread", "previous",
     setter(0x4000, previous_thread_pointer=0x5000)),
    ("wrong previous id", "previous",
     setter(0x4000, previous_unique_thread_id=13)),
)

FINE = (
    ("state of before", setter(0x3000, kthread_state=3, state_name="Standby")),
    ("wrong priority", setter(0x3000, priority=10)),
    ("wrong wait reason", setter(0x5000, wait_reason=8)),
    ("wrong counter", setter(0x3000, context_switches=2)),
)


def test_judge(check):
    s = story()
    good = perfect(s)
    result = judged(s, good)
    check("right entries are right", not result.faults, result.faults)
    check("threads in used memory are counted",
          result.counts["reused"] == 2, result.counts)
    check("finer checks are made", result.counts["fine checks"] > 15
          and not result.counts["fine misses"], result.counts)
    for name, kind, change in WRONG:
        bad = copy.deepcopy(good)
        change(bad)
        result = judged(s, bad)
        check(name, result.counts["wrong " + kind], result.counts)
    for name, change in FINE:
        bad = copy.deepcopy(good)
        change(bad)
        result = judged(s, bad)
        check(name, result.counts["fine misses"], result.counts)
    for name, slow in (("settling", dict(settling=2 * MS)),
                       ("settling for long", dict(settling=None)),
                       ("leaving for long", dict(leaving=None))):
        s = story(slow)
        bad = perfect(s)
        for e in bad:
            e["kthread-state"], e["state-name"] = 5, "Waiting"
        result = judged(s, bad)
        check(f"held up while {name}", not result.faults
              and not result.counts["fine misses"], result.counts)
    s = story()
    again = copy.deepcopy(good)
    twice(again)
    again[find(again, 0x3000) + 1].pop("previous-thread-pointer", None)
    check("found again", not judged(s, again, restarts=True).faults
          and judged(s, again).faults, "")
    lacking = copy.deepcopy(good)
    for e in lacking:
        e.pop("unique-process-id")
    result = judged(s, lacking)
    check("missing ids are counted", not result.faults
          and result.counts["missing unique-process-id"] > 3, result.counts)


def test_switch_window(check):
    """Either side inside a switch; neither beyond it"""
    s = story()
    record = s.cpus[0].records[1]           # A to B
    for pointer, late, ok in ((0x3000, 50, True), (0x4000, 50, True),
                              (0x3000, -MS, True), (0x4000, MS, True),
                              (0x4000, -MS, False), (0x3000, MS, False)):
        e = {"seq": 1, "vcpu": 0, "timestamp-ns": record.tsc + late,
             "thread-pointer": pointer}
        result = judged(s, [e], skip=("*",))
        check(f"{pointer:#x} at {late} ns", bool(result.faults) != ok,
              result.faults)


def test_rename(check):
    """Both names, or none, about the time of a change; no other"""
    s = story()
    o = copy.copy(s.lives[3].object)
    data = "Renamed".encode("utf-16-le")
    o.name_bytes, o.name_hash, o.version = len(data), fnv1a(data), 4
    s.texts[(o.name_hash, o.name_bytes)] = data
    s.add_object(o, 25 * MS, 35 * MS)       # between two looks of ours
    for name, at, ok in (("Worker", 31, True), ("Renamed", 31, True),
                         ("Worker", 11, True), ("Renamed", 11, False),
                         ("Worker", 38, False), ("Renamed", 38, True),
                         ("Work", 31, False)):
        e = {"vcpu": 0, "timestamp-ns": at * MS, "thread-pointer": 0x3000,
             "thread-name": name}
        j = judge.Judge(s)
        wrong = [k for k, _ in j.object_faults(e, 3) if k == "thread-name"]
        check(f"{name} at {at} ms", bool(wrong) != ok, wrong)


def test_unread_name(check):
    """Its hash alone tells right from wrong, where all of it is shown"""
    s = story()
    o = s.lives[3].object
    del s.texts[(o.name_hash, o.name_bytes)]
    for name, cut, fine, open_ in (("Worker", False, True, 0),
                                   ("Walker", False, False, 0),
                                   ("Work", False, True, 1),
                                   ("Work", True, True, 1)):
        e = {"vcpu": 0, "timestamp-ns": 38 * MS, "thread-pointer": 0x3000,
             "thread-name": name, "thread-name-cut": cut}
        j = judge.Judge(s)
        wrong = [k for k, _ in j.object_faults(e, 3) if k == "thread-name"]
        check(f"unread: {name}", bool(wrong) != fine, wrong)
        blind = j.result.counts["thread names not judged"]
        check(f"unread: {name} judged", blind == open_, blind)


def test_balance(check):
    s = story()
    entries = perfect(s)
    result = judged(s, entries)
    check("all seen", judge.missed_balance(result, entries, 0) == (5, 0, 5, 5, 5),
          judge.missed_balance(result, entries, 0))
    mine = [e for e in entries if e["vcpu"] == 0]
    mine[3]["missed"] = 1
    few = [e for e in entries if e is not mine[2]]
    result = judged(s, few)
    check("one missed", judge.missed_balance(result, few, 0) == (4, 1, 5, 5, 5),
          judge.missed_balance(result, few, 0))
    entries = perfect(s)
    for e in entries[:6]:
        e.pop("missed", None)
    told = [e for e in entries if e["vcpu"] == 0 and "missed" in e]
    result = judged(s, entries)
    got = judge.missed_balance(result, entries, 0)
    check("a counter known late", 0 < len(told) < 5
          and got[:3] == (len(told), 0, len(told)), got)
    check("all of them seen", judge.seen_balance(result, entries, 0)
          == (5, 5), judge.seen_balance(result, entries, 0))
    for e in entries:
        e.pop("missed", None)
    got = judge.missed_balance(result, entries, 0)
    check("no counter", got is None, got)
    ring = copy.deepcopy(entries)
    check("two readings agree", not judge.rings_differ(entries, ring), "")
    ring[2]["priority"] = 1
    check("a changed entry", judge.rings_differ(entries, ring), "")
    check("a lost entry", judge.rings_differ(entries[:4] + entries[5:],
                                             entries), "")
    check("an entry twice", judge.rings_differ(entries + entries[-1:],
                                               entries), "")


def test_clock(check):
    fit = ClockFit((0, 5000))
    for n in range(40):
        at = 5 * n * MS
        tsc = 1000 + round(2.6 * at)
        slow = 40 * MS if n % 7 == 0 else 1500      # held up now and then
        fit.bound(at - 700, at + slow, tsc - 30, tsc + 30)
    fit.solve((200 * MS, 5000 + 520 * MS))
    off = fit.host_ns(1000 + 2.6 * 100 * MS) - 100 * MS
    check(f"clock off by {off:.0f} ns of {fit.tolerance_ns:.0f}",
          abs(off) <= fit.tolerance_ns + 1 and fit.tolerance_ns < 3000, off)
    fit.bound(50 * MS, 50 * MS + 100, 1000, 1001)
    try:
        fit.solve((200 * MS, 5000 + 520 * MS))
        check("bounds that contradict", False, fit.tolerance_ns)
    except ClockError:
        check("bounds that contradict", True, "")
    tsc = HostTsc()
    first, second = tsc.pair(), tsc.pair()
    check("the host's counter", second[1] > first[1]
          and second[0] > first[0], (first, second))


def test_text(check):
    for data, want in (
            ("a\0b".encode("utf-16-le"), ("a", False)),
            (b"\x00\xd8A\0", ("\ufffdA", False)),
            ("x".encode("utf-16-le") * 79, ("x" * 79, False)),
            ("x".encode("utf-16-le") * 80, ("x" * 79, True)),
            ("한".encode("utf-16-le") * 27, ("한" * 26, True)),
            ("🧵".encode("utf-16-le") * 20, ("🧵" * 19, True))):
        got = judge.name_text(data)
        check(f"text {data[:8]!r}", got == want, got)


def test_offsets(check, every):
    """A wrong value, an invented one, one on an absent field"""
    row = next(r for r in every if r.build == 7600)
    good = {"offsets": [
        {"name": n, "value": row.cells[c], "source": "kdbg",
         "agreed-by": ["kdbg"], "standing": "confirmed"}
        for n, c in offsets.COLUMNS.items() if row.has(c)]}
    check("the row itself", not offsets.wrong_values(good, row)
          and not offsets.missing(good, row), "")
    for name, value in (("kthread-state", row["kthread_state"] + 1),
                        ("ethread-thread-name", 0x610),
                        ("prcb-idle-thread", 0)):
        bad = copy.deepcopy(good)
        bad["offsets"] = [o for o in bad["offsets"] if o["name"] != name]
        bad["offsets"].append({"name": name, "value": value,
                               "agreed-by": [], "standing": "agreed"})
        check(f"{name} {value:#x}", offsets.wrong_values(bad, row), "")
    good["offsets"] = good["offsets"][3:]
    check("a field that is missing", offsets.missing(good, row)
          == ["prcb-current-thread"] or offsets.missing(good, row), "")


def run(csv):
    """Prints what fails; (passed, failed)"""
    counts = [0, 0]

    def check(name, ok, shown):
        counts[0 if ok else 1] += 1
        if not ok:
            print(f"FAIL self-test: {name}: {shown}")

    for test in (test_judge, test_switch_window, test_rename,
                 test_unread_name, test_balance,
                 test_clock, test_text):
        test(check)
    test_offsets(check, rows.load(csv))
    return tuple(counts)
