# SPDX-License-Identifier: GPL-2.0-or-later
#
# What check-exact does with a guest of each kind.

import os
import time

import gdbrun
from clockfit import ClockError
from exactrun import ExactRun
from guestram import Fault
from qemurun import QemuError
from traced import StoryError

SOME = 600                  # switches
NO_FIRE = "data breakpoints do not fire on this host"
AT_ONCE_S = 0.1


def begin(run, **more):
    more.setdefault("entries", 65536)
    if run.case.before_boot:
        run.on(**more)
        run.t.vm.cont()
        run.boot()
    else:
        run.boot()
        run.on(**more)
    return run.wait_hold()


def run_each(run):
    """Every switch, in order, with both threads"""
    case = run.case
    entries = max(1 << 18, 4 * case.switches // case.cpus)
    if not begin(run, entries=entries):
        return
    run.wait_fields()
    rate = run.run_switches(case.switches)
    run.judge(rate)
    run.t.trace_off()
    status = run.t.status()
    run.report.expect("exact when off", status["exact"], False)


def run_reset(run):
    """No watch outlives its kernel; the next one is watched anew"""
    if not begin(run):
        return
    for _ in range(3):
        run.run_switches(SOME)
        run.judge()
        run.t.reset()
        run.boot()
        if not run.wait_hold():
            return
    run.run_switches(SOME)
    run.judge()


def run_stop(run):
    if not begin(run):
        return
    for _ in range(6):
        run.run_switches(SOME // 6)
        run.t.vm.stop()
        time.sleep(0.05)
        run.still_exact(run.t.status())
        run.t.vm.cont()
    run.judge()


def run_burst(run):
    """exact-ms: exact for a while, sampled from then on"""
    run.boot()
    run.on(**{"exact-ms": 300})
    if not run.wait_hold():
        return
    status = run.wait("the burst does not end", lambda s: not s["exact"], 10)
    if not status:
        return
    run.report.expect("state after the burst", status["state"], "active")
    run.report.true(f"reason after the burst: {status.get('reason')}",
                    "exact-ms" in status.get("reason", ""))
    end = status["recorded"]
    run.wait("no samples after the burst",
             lambda s: s["recorded"] > end + 20, 10)
    run.t.page()
    late = {e["origin"] for e in run.t.entries if e["seq"] > end + 10}
    run.report.expect("origins after the burst", late, {"poll"})


def run_limit(run):
    """exact-limit: too many switches, and it says so"""
    run.boot()
    run.on(**{"exact-limit": 100})
    status = run.wait("the limit does not end it", lambda s:
                      "exact-limit" in s.get("reason", ""), 10)
    if status:
        run.report.expect("state over the limit", status["state"], "degraded")
        run.report.expect("exact over the limit", status["exact"], False)
        run.wait("no samples over the limit",
                 lambda s: s["recorded"] > status["recorded"] + 20, 10)


def run_toggle(run):
    """On and off while the guest switches as fast as it can"""
    run.boot()
    for i in range(12):
        run.on(entries=1 << 17)
        if i % 3 == 0:
            if not run.wait_hold():
                return
        run.t.trace_off()
    run.t.entries, run.t.after = [], 0
    run.on(entries=1 << 18)
    if run.wait_hold():
        run.run_switches(5000)
        run.judge()


def run_plug(run):
    """A vCPU comes: nothing is claimed until it is known, or has gone"""
    if not begin(run):
        return
    port_out(run, "w", 0xCD8, 0)        # leave the old interface
    run.t.qmp("device_add", driver="qemu64-x86_64-cpu", id="more",
              **{"socket-id": 2, "core-id": 0, "thread-id": 0})
    status = run.wait("claims all with a vCPU that is not known",
                      lambda s: not s["exact"], 5)
    if status:
        run.report.expect("state", status["state"], "active")
        run.report.true("no reason", status.get("reason"))
    run.t.qmp("device_del", id="more")
    port_out(run, "w", 0xCD8, 2)        # what a guest does, by ACPI
    port_out(run, "b", 0xCDC, 8)
    if run.wait_hold():
        run.run_switches(SOME)
        run.judge()


def port_out(run, size, port, value):
    run.t.qmp("human-monitor-command", command_line=f"o /{size} {port:#x} "
              f"{value:#x}")


def run_refuse(run):
    """Options that cannot be; each sentence names what is wrong"""
    run.boot()
    for options, words in (
            ({"mode": "sampled", "exact-ms": 5}, "exact-ms"),
            ({"mode": "sampled", "exact-limit": 5}, "exact-limit"),
            ({"mode": "exact", "exact-ms": 0}, "exact-ms is 0"),
            ({"mode": "exact", "exact-limit": 0}, "exact-limit is 0"),
            ({"mode": "precise"}, "precise")):
        try:
            run.t.qmp("windows-sched-trace-set", enable=True, **options)
            run.report.true(f"accepted: {options}", False)
        except QemuError as e:
            run.report.true(f"{options}: {e}", words in str(e))


def run_migrate(run):
    """The target's watch is its own; the source's is gone"""
    if not begin(run):
        return
    run.run_switches(SOME)
    path = os.path.join(run.t.vm.dir, "state")
    run.t.qmp("migrate", uri=f"file:{path}")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        info = run.t.qmp("query-migrate")
        if info.get("status") in ("completed", "failed"):
            break
        time.sleep(0.02)
    run.report.expect("migration", info.get("status"), "completed")
    # The guest stands still at its end; it goes on here.
    run.t.vm.cont()
    run.run_switches(SOME)
    run.judge()


def job(run, command, **arguments):
    run.t.qmp(command, **{"job-id": "job"}, **arguments)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        jobs = run.t.qmp("query-jobs")
        if jobs and jobs[0]["status"] == "concluded":
            run.t.qmp("job-dismiss", id="job")
            run.report.true(f"{command}: {jobs[0].get('error')}",
                            "error" not in jobs[0])
            return
        time.sleep(0.02)
    run.report.true(f"{command} does not end", False)


def add_disk(run):
    path = os.path.join(run.t.vm.dir, "disk")
    with open(path, "wb"):
        pass
    run.t.qmp("blockdev-add", driver="file", node_name="file", filename=path)
    job(run, "blockdev-create", options={"driver": "qcow2", "file": "file",
                                         "size": 1 << 28})
    run.t.qmp("blockdev-add", driver="qcow2", node_name="disk", file="file")


def run_snapshot(run):
    """What is loaded is another kernel: nothing of the last one stays"""
    if not begin(run):
        return
    add_disk(run)
    run.t.vm.stop()
    job(run, "snapshot-save", tag="one", vmstate="disk", devices=["disk"])
    run.judge()
    run.t.reset()
    run.boot()
    if not run.wait_hold():
        return
    run.run_switches(SOME)
    run.judge()
    job(run, "snapshot-load", tag="one", vmstate="disk", devices=["disk"])
    run.go_on()
    if run.wait_hold():
        run.run_switches(SOME)
        run.judge()


def run_lies(run):
    """
    CurrentThread written by others and KPCRs that come and go: nothing is
    claimed that is not so, and an honest guest is traced again
    """
    run.boot()
    run.on()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        status = run.t.status()
        run.report.true("a state without a reason", status["exact"]
                        or status.get("reason"))
        run.t.page()
        run.t.alive()
        time.sleep(0.01)
    run.t.reset()
    run.case.lies = ""
    run.boot()
    if run.wait_hold():
        run.run_switches(SOME)
        run.judge()


def run_degraded(run):
    """Data breakpoints that do not fire: told of at once, sampling goes on"""
    run.boot()
    run.t.begin_story(run.row)
    run.on()
    claimed = time.monotonic()
    while True:
        run.t.pump()
        status = run.t.status()
        if status["exact"]:
            claimed = time.monotonic()
        if status["state"] == "degraded":
            break
        if time.monotonic() - claimed > 20:
            run.report.true("neither exact nor degraded: "
                            f"{status.get('reason')}", False)
            return
        if status["exact"] and run.t.truth.head > SOME * 100:
            break
        time.sleep(0.001)
    if status["exact"]:
        run.report.note("fires")
        run.run_switches(SOME)
        run.judge()
        return
    run.report.true(f"reason: {status.get('reason')}",
                    NO_FIRE in status.get("reason", ""))
    run.report.expect("exact", status["exact"], False)
    seen = status["recorded"]
    run.wait("sampling does not go on",
             lambda s: s["recorded"] > seen + 20, 20)
    run.t.page()
    run.report.true("a poll or exit records what is sampled", {
        e["origin"] for e in run.t.entries} <= {"poll", "exit"})
    late_by(run)


def late_by(run):
    """
    From the first switch that was not told of to the first sample: a bound
    for how long exact mode was claimed wrongly.  Measured, not judged.
    """
    entries, story = run.t.entries, run.t.end_story()
    delays = []
    for vcpu, cpu in enumerate(story.cpus):
        mine = [e["timestamp-ns"] for e in entries if e["vcpu"] == vcpu]
        # The first entry says who ran when the watch began.
        after = [b for b in cpu.begin if mine and b > mine[0]]
        if len(mine) > 1 and after:
            delays.append((mine[1] - after[0]) / 1e6)
    if delays:
        run.rows.append(("degraded", run.case.accel, run.case.cpus,
                         run.case.poll_hz, min(delays)))


KINDS = {"each": run_each, "reset": run_reset, "stop": run_stop,
         "burst": run_burst, "limit": run_limit, "toggle": run_toggle,
         "plug": run_plug, "refuse": run_refuse, "migrate": run_migrate,
         "snapshot": run_snapshot, "lies": run_lies,
         "degraded": run_degraded, "gdb": gdbrun.run_gdb}


def run_case(options, case):
    """(failures, compared, measurements, seconds)"""
    run, began = None, time.monotonic()
    failures = []
    try:
        run = ExactRun(options, case)
        KINDS[case.kind](run)
        run.t.quit()
    except (QemuError, StoryError, ClockError, Fault, OSError, KeyError,
            ValueError, IndexError) as e:
        failures = [f"{type(e).__name__}: {e}"]
    finally:
        if run:
            failures = list(dict.fromkeys(run.report.failures)) + failures
            failures += run.t.sanitizer_lines() if failures else []
            run.t.close()
    return (failures, run.report.compared if run else 0,
            run.rows if run else [], time.monotonic() - began)
