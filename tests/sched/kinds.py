# SPDX-License-Identifier: GPL-2.0-or-later
#
# What check-sched does with a case of each kind: boot, turn the trace on,
# and hold what QEMU says against the row and the truth.  Which cases there
# are is cases.py's; whether an entry is right, judge.py's.

import collections
import time

import judge
import offsets
import traced
from clockfit import ClockError
from guestram import Fault
from qemurun import QemuError
from traced import StoryError, Traced

LOOKED = ("active", "degraded")
END_STATES = ("waiting", "detecting", "degraded", "active")
ATTRIBUTION_S = 25          # from active to all that an entry needs
HOSTILE_S = 2.5
LIED_ABOUT = {
    "name-overrun": ("thread-name", "process-image"),
    "name-huge": ("thread-name", "process-image"),
    "cid-lies": ("unique-process-id", "unique-thread-id"),
    "rewrite": ("thread-name", "process-image", "unique-process-id",
                "process-pointer", "attached-process"),
}
MISSING_SHARE = 0.02        # of entries that may lack a thing
BLIND_SHARE = 0.5           # of entries we were too slow to judge; a busy host
FINE_SHARE = 0.02           # of finer checks that may fail
FINE_LEAST = 8              # a busy host holds vCPUs up inside switches


class Run:
    """One boot, and what came of it"""

    def __init__(self, options, case):
        self.options, self.case = options, case
        self.traced = Traced(options, case)
        self.report = self.traced.report
        self.row, self.kdbg = case.row, case.kdbg
        self.rows = []              # measurements, for the tables
        self.shown = None           # the last status
        self.whole_from = 0         # seq from which entries lack nothing

    def measure(self, table, **values):
        self.rows.append((table, {"case": self.case.name,
                                  "group": self.case.group,
                                  "accel": self.case.accel,
                                  "cpus": self.case.cpus, **values}))


def start(run):
    """Booted and on, or on and booted; returns when the guest switches"""
    t, case = run.traced, run.case
    if case.before_boot:
        t.trace_on()
        status = t.status()
        run.report.expect("state before the first instruction",
                          status["state"], "waiting")
        run.report.true("waiting without a reason", status.get("reason"))
        t.vm.cont()
        t.wait_boot()
        t.begin_story(run.row)
    else:
        t.wait_boot(30)
        t.begin_story(run.row)
        t.trace_on()
    return time.monotonic()


def wait_active(run, turned_on):
    """Active, and all that attribution needs; tables of what it took"""
    t = run.traced
    base = t.truth.image_va
    status = t.wait_state({"active"},
                          more=lambda s: s.get("kernel-base") == base)
    now = time.monotonic()
    run.shown = status
    run.report.expect("state", status["state"], "active")
    if status["state"] != "active":
        run.report.true(f"reason: {status.get('reason')}; "
                        + words_of_missing(status, run.row), False)
        return False
    since = max(t.first_switch or turned_on, turned_on)
    found = status.get("detection", {})
    first = now
    if offsets.missing(status, run.row):
        status = t.wait_state({"active"}, ATTRIBUTION_S, lambda s:
                              not offsets.missing(s, run.row))
        now = time.monotonic()
    if t.second:        # a KPCR that no register shows is searched for
        status = t.wait_state({"active"}, more=lambda s: all(
            v["known"] for v in s["vcpus"] if v["present"]))
    run.shown = status
    run.whole_from = status["recorded"] + 20
    run.measure("detection", active_ms=1000 * (first - since),
                attribution_ms=1000 * (now - since),
                last_ns=found.get("last-ns"), reads=found.get("reads"),
                attempts=found.get("attempts"),
                longest_vcpu_ns=found.get("longest-vcpu-ns"))
    gone = offsets.missing(status, run.row)
    run.report.true("not known: " + words_of_missing(status, run.row),
                    not gone)
    return True


def words_of_missing(status, row):
    known = offsets.by_name(status)
    return "; ".join(offsets.in_words(known.get(n, {"name": n}))
                     for n in offsets.missing(status, row))


def check_status(run, status):
    report, case, truth = run.report, run.case, run.traced.truth
    offsets.check_list(report, status)
    offsets.check_sources(report, status, case.sources)
    offsets.check_kernel(report, status, run.row, run.kdbg, case, truth)
    offsets.check_vcpus(report, status, truth)
    for o in status["offsets"]:
        run.measure("sources", name=o["name"], source=o.get("source"),
                    standing=o["standing"], agreed=sorted(o["agreed-by"]),
                    has="value" in o)


def attribute(run, seconds=None):
    """Entries against the truth, while the guest runs"""
    t = run.traced
    seconds = seconds or run.case.seconds or run.options.seconds
    t.follow(seconds)
    status = t.status()
    t.page()
    t.watch_values(status)
    return judge_entries(run, t.end_story(), status)


def judge_entries(run, story, status):
    t, report = run.traced, run.report
    judging = judge.Judge(story, run.case.skip, run.whole_from)
    entries = within(story, t.entries)
    for entry in entries:
        judging.judge(entry)
    result = judging.result
    for text in result.faults[:8]:
        report.true(text, False)
    report.compared += len(entries)
    check_counts(run, result)
    measure_entries(run, story, judging, status)
    share(run, story, result, entries)
    return result


def measure_entries(run, story, judging, status):
    counts = judging.result.counts
    run.measure("attribution", samples=traced.looks(status),
                entries=judging.result.entries, switches=story.count(),
                names=counts["thread names"], reused=counts["reused"],
                wrong=sum(n for k, n in counts.items()
                          if k.startswith("wrong ")),
                not_judged=counts["thread names not judged"]
                + counts["objects not seen"],
                fine=counts["fine checks"],
                fine_misses=counts["fine misses"],
                serials=len(story.lives),
                tolerance_ns=round(judging.tolerance))
    vcpus = status["vcpus"]
    run.measure("hook", exits=sum(v["samples-exit"] for v in vcpus),
                cost_ns=sum(v["cost-ns"] for v in vcpus),
                longest_ns=max(v["longest-ns"] for v in vcpus))


def within(story, entries):
    """Those of the time the story tells"""
    if story.whole:
        return entries
    first = max(cpu.begin[0] for cpu in story.cpus if cpu.begin)
    return [e for e in entries if e["timestamp-ns"] > first]


def check_counts(run, result):
    report, n = run.report, result.entries
    report.true("no entries", n)
    allowed = max(20, n * MISSING_SHARE)
    for key, count in result.counts.items():
        if key.startswith("missing ") and "*" not in run.case.skip:
            if only_pointers(run):
                continue
            report.true(f"{key} in {count} of {n} entries", count <= allowed)
    for key in ("objects not seen", "thread names not judged"):
        report.true(f"{key}: {result.counts[key]} of {n}",
                    result.counts[key] <= max(20, n * BLIND_SHARE))
    fine, misses = (result.counts[k] for k in ("fine checks", "fine misses"))
    report.true(f"{misses} of {fine} finer checks fail: " + ", ".join(
        f"{k[11:]} {v}" for k, v in result.counts.items()
        if k.startswith("fine miss:")), misses <= max(FINE_LEAST, fine * FINE_SHARE))


def only_pointers(run):
    """The user gave no more than where CurrentThread is"""
    return run.case.auto_detect is False and len(run.case.overrides) == 2


def share(run, story, result, entries):
    """Share of the switches seen, and what the missed counts say"""
    report = run.report
    seen = truth = told = missed = told_truth = 0
    for i in range(len(story.cpus)):
        both = judge.seen_balance(result, entries, i)
        if both:
            seen, truth = seen + both[0], truth + both[1]
        sums = judge.missed_balance(result, entries, i)
        if not sums or result.faults:
            continue
        told, missed = told + sums[0], missed + sums[1]
        told_truth += sums[2]
        report.true(f"vcpu {i}: {sums[0]} entries and {sums[1]} missed, but "
                    f"{sums[2]} switches, at least {sums[3]} and at most "
                    f"{sums[4]}", judge.EDGE >= max(
                        sums[3] - sums[0] - sums[1],
                        sums[0] + sums[1] - sums[4]))
    run.measure("share", hz=run.case.poll_hz, seen=seen, truth=truth,
                told=told, missed=missed, told_truth=told_truth,
                origins=collections.Counter(e["origin"] for e in entries))


def check_ring(run):
    """Off; the ring still has it all, as the pages had it"""
    t, report = run.traced, run.report
    t.trace_off()
    t.page()
    status = t.status()
    report.expect("state after turning off", status["state"], "disabled")
    ring = t.ring()
    for text in judge.rings_differ(t.entries, ring):
        report.true(text, False)
    if len(ring) < 100000:
        report.expect("recorded", status["recorded"] - status["overwritten"],
                      len(ring))
    if run.case.filters:
        check_filters(run, ring)


def check_filters(run, ring):
    t, report = run.traced, run.report
    newest = ring[-1:]
    for key, name in (("vcpu", "filter_vcpu"),
                      ("unique-process-id", "filter_pid"),
                      ("unique-thread-id", "filter_tid")):
        value = next((e[key] for e in reversed(ring) if e.get(key)), 0)
        want = [e["seq"] for e in ring if e.get(key) == value]
        got = [e["seq"] for e in t.ring(**{name: value})]
        report.expect(f"{name}={value}", got, want)
    report.expect("max-entries=1", t.qmp(
        "query-windows-sched-trace", max_entries=1), newest)
    if len(ring) > 20:
        after = ring[-20]["seq"]
        got = t.qmp("query-windows-sched-trace", after=after, max_entries=5)
        report.expect("after and max-entries", [e["seq"] for e in got],
                      list(range(after + 1, after + 6)))


# Kinds

def run_trace(run):
    on = start(run)
    if not wait_active(run, on):
        return
    attribute(run)
    status = run.traced.wait_state({"active"}, 3, all_known)
    run.shown = status
    run.report.expect("state at the end", status["state"], "active")
    check_status(run, status)
    check_ring(run)


def all_known(status):
    return all(v["known"] for v in status["vcpus"])


def run_override(run):
    """Plausible offsets, right or not; each wrong one is told of"""
    case, report, t = run.case, run.report, run.traced
    start(run)
    status = t.wait_state(set(LOOKED), more=lambda s: told_of(run, s))
    run.shown = status
    report.true(f"state {status['state']}: {status.get('reason')}",
                status["state"] in LOOKED)
    if status["state"] == "degraded":
        report.true("degraded without a reason", status.get("reason"))
    for text in untold(run, status):
        report.true(text, False)
    known = offsets.by_name(status)
    for name, value in case.overrides.items():
        if name != "kpcr-current-prcb":
            report.expect(f"override {name}", known[name].get("value"), value)
            report.expect(f"override {name} source",
                          known[name].get("source"), "override")
    attribute(run)
    check_ring(run)


def told_of(run, status):
    return not untold(run, status)


def untold(run, status):
    """What the status does not say of overrides, right and wrong"""
    known, out = offsets.by_name(status), []
    for name, value in run.case.overrides.items():
        o = known.get(name, {})
        cell = run.row.cells[offsets.COLUMNS[name]]
        if value == cell or (name == "kpcr-current-prcb"
                             and value == run.row["kpcr_prcb"]):
            if o.get("standing") not in ("agreed", "confirmed"):
                out.append(f"right override: {offsets.in_words(o)}")
        elif cell is None:
            if not o.get("doubt"):
                out.append(f"override of an absent field: no doubt, {o}")
        else:
            if o.get("found") != cell:
                out.append(f"wrong override {name}={value:#x}: found "
                           f"{o.get('found')}, row has {cell:#x}; {o}")
            if not o.get("doubt") and o.get("standing") != "confirmed":
                out.append(f"wrong override {name}: no doubt, {o}")
    return out


def run_absurd(run):
    """Offsets that cannot be: accepted, told of, harmless"""
    t, report = run.traced, run.report
    t.wait_boot(30)
    try:
        t.trace_on()
    except QemuError as e:              # a sentence that says which is as good
        report.true(f"refused: {e}", any(n in str(e) for n in
                                         run.case.overrides))
        return
    end = time.monotonic() + 1.5 * t.slow
    while time.monotonic() < end:
        status = t.status()
        t.page()
        t.qmp("query-status")
        t.alive()
        time.sleep(0.02)
    check_end_state(report, status)
    known = offsets.by_name(status)
    told = [n for n in run.case.overrides if known.get(n, {}).get("doubt")
            or n in status.get("reason", "")]
    report.true(f"no override is doubted: {status['state']}, "
                f"{status.get('reason')}", told)
    run.measure("absurd", state=status["state"], told=len(told),
                reason=status.get("reason", ""))
    check_recovery(run)


def check_end_state(report, status):
    """Detecting, with a reason: a kernel is there, and does not add up"""
    state = status["state"]
    report.true(f"ends in {state}", state in END_STATES)
    report.true(f"{state} without a reason",
                state == "active" or status.get("reason"))


def check_recovery(run):
    """Turned on again without overrides, all is well"""
    t = run.traced
    t.trace_off()
    t.entries, t.after = [], 0
    t.qmp("windows-sched-trace-set", enable=True, poll_hz=1000)
    run.case.overrides = run.case.auto_detect = None
    run.case.skip = ()
    t.begin_story(run.row)
    if wait_active(run, time.monotonic()):
        t.page()
        attribute(run, 0.5)


def run_reboot(run):
    """One kernel, a reset, another one: nothing of the first stays"""
    t, case = run.traced, run.case
    on = start(run)
    if not wait_active(run, on):
        return
    t.follow(run.options.seconds)
    t.fit_clock()
    t.vm.stop()
    t.page()
    judge_entries(run, t.end_story(), t.status())
    run.row = case.row = case.again_row
    run.kdbg = case.again_kdbg
    turned = again(run)
    if wait_active(run, turned):
        attribute(run)
        status = t.wait_state({"active"}, 3, all_known)
        check_status(run, status)
        run.report.true("one kernel found only", status["detection"]
                        ["kernels"] >= 2)


def again(run):
    """Reset, into a guest that does not lie"""
    run.traced.reset()
    run.case.lies = ""
    turned = time.monotonic()
    run.traced.wait_boot(5)
    run.traced.begin_story(run.row)
    return turned


def run_firmware(run):
    """Nothing there: it waits, and says for what"""
    t, report = run.traced, run.report
    t.trace_on()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        status = t.status()
        report.expect("state", status["state"], "waiting")
        report.true("waiting without a reason", status.get("reason"))
        time.sleep(0.05)
    report.expect("entries", t.ring(), [])
    report.true("a kernel in firmware", "kernel-base" not in status)


def run_other(run):
    """A kernel that is no Windows, then Windows"""
    t = run.traced
    t.trace_on()
    run_firmware_checks(run)
    t.open_ram()
    t.ram.map[0x600:0x602] = b"NT"
    if wait_active(run, again(run)):
        attribute(run)
        check_status(run, t.wait_state({"active"}, 3, all_known))
        check_ring(run)


def run_firmware_checks(run):
    t, report = run.traced, run.report
    end = time.monotonic() + 1
    while time.monotonic() < end:
        status = t.status()
        report.true(f"state {status['state']}", status["state"] in
                    ("waiting", "detecting"))
        report.true(f"{status['state']} without a reason",
                    status.get("reason") or status["state"] == "detecting")
        time.sleep(0.02)
    report.expect("entries of a kernel that is no Windows", t.ring(), [])


def run_hostile(run):
    """Lies: QEMU lives and answers; after a reset it is all right again"""
    t, report, case = run.traced, run.report, run.case
    t.wait_boot(20)
    t.begin_story(run.row)
    t.trace_on()
    end = time.monotonic() + HOSTILE_S * t.slow
    states = set()
    while time.monotonic() < end:
        status = t.status()
        states.add(status["state"])
        t.page()
        t.pump()
        t.recorder.watch_clock(0.005)
        t.qmp("query-status")
        t.alive()
        time.sleep(0.02)
    run.shown = status
    check_end_state(report, status)
    judge_liar(run, status)
    run.measure("hostile", lies=case.lies, state=status["state"],
                reason=status.get("reason", ""), states=sorted(states),
                entries=len(t.entries))
    turned = again(run)
    if wait_active(run, turned):
        attribute(run, 0.5)


def judge_liar(run, status):
    """What entries say of things that no lie is about is still true"""
    t, lies = run.traced, run.case.lies.split("+")
    if "current-wild" in lies:          # anything is the current thread
        return
    skip = {key for lie in lies for key in LIED_ABOUT.get(lie, ())}
    story = t.end_story()
    judging = judge.Judge(story, skip | {"kthread-state", "idle"},
                          restarts=True)
    for entry in t.entries:
        judging.judge(entry)
    for text in judging.result.faults[:8]:
        run.report.true("under lies: " + text, False)
    run.report.compared += len(t.entries)
    measure_entries(run, story, judging, status)


KINDS = {"trace": run_trace, "override": run_override, "absurd": run_absurd,
         "reboot": run_reboot, "firmware": run_firmware, "other": run_other,
         "hostile": run_hostile}


def run_case(options, case):
    """(failures, report, measurements, last status, seconds)"""
    run, began = None, time.monotonic()
    failures = []
    try:
        run = Run(options, case)
        KINDS[case.kind](run)
        run.traced.quit()
    except (QemuError, StoryError, ClockError, Fault, OSError, KeyError,
            ValueError, IndexError) as e:
        failures = [f"{type(e).__name__}: {e}"]
    finally:
        if run:
            failures = unique(run.report.failures) + failures
            failures += run.traced.sanitizer_lines() if failures else []
            run.traced.close()
    return (failures, run.report.compared if run else 0,
            run.rows if run else [], run.shown if run else None,
            time.monotonic() - began)


def unique(texts):
    return list(dict.fromkeys(texts))
