# SPDX-License-Identifier: GPL-2.0-or-later
#
# The real gdb beside exact mode, in different orders.  Both must work: gdb
# stops where it was told to, and no switch is lost.

import os
import re
import select
import shutil
import subprocess
import time

from qemurun import QemuError

SWITCH_STORED = 0x800198    # in the ground truth's header
ANSWER_S = 40
SOME = 300
FAR = 0x1000000


class GdbError(Exception):
    pass


class RealGdb:
    """gdb on a pipe, a command at a time"""

    def __init__(self, path, home):
        env = dict(os.environ, HOME=home, LC_ALL="C", TERM="dumb")
        self.proc = subprocess.Popen(
            ["gdb", "-nx", "-q"], stdin=subprocess.PIPE, env=env, cwd=home,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.n = 0
        for text in ("set pagination off", "set confirm off",
                     "set breakpoint always-inserted on",
                     "set debuginfod enabled off",
                     "set tcp connect-timeout 20"):
            self.command(text)
        self.path = path

    def command(self, text):
        self.n += 1
        mark = f"<<{self.n}>>"
        self.proc.stdin.write(f"{text}\necho \\n{mark}\\n\n".encode())
        self.proc.stdin.flush()
        out, end = "", time.monotonic() + ANSWER_S
        while mark not in out:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.proc.stdout], [], [],
                                        max(0, left))
            if not ready:
                raise GdbError(f"no answer to '{text}' in {ANSWER_S} s: "
                               + out[-300:])
            data = os.read(self.proc.stdout.fileno(), 65536)
            if not data:
                raise GdbError(f"gdb ended at '{text}': {out[-300:]}")
            out += data.decode("latin-1")
        return out.split(mark)[0]

    def attach(self):
        return self.command(f"target remote {self.path}")

    def rip(self):
        found = re.search(r"= (0x[0-9a-f]+)", self.command("p/x $rip"))
        return int(found[1], 16) if found else 0

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()


class Steps:
    """What an order is made of; each says in the report what was wrong"""

    def __init__(self, run, gdb, after_store):
        self.run, self.gdb = run, gdb
        self.at = after_store
        self.count = 0

    def on(self):
        self.run.on()

    def off(self):
        self.run.t.trace_off()

    def hold(self):
        self.run.wait_hold()

    def armed(self):
        """The machine stands still, so nothing can speak against it"""
        self.run.wait("not armed", lambda s: s["exact"], 20)

    def attach(self):
        out = self.gdb.attach()
        self.run.report.true(f"gdb does not attach: {out[-200:]}",
                             self.gdb.rip())

    def hbreak(self):
        # Only the first is where the guest ever comes by.
        out = self.gdb.command(f"hbreak *{self.at + self.count * FAR:#x}")
        self.count += 1
        self.run.report.true(f"hbreak: {out.strip()[-200:]}",
                             "assisted breakpoint" in out
                             and "Could not insert" not in out)

    def refused(self):
        """gdb has all four; the status says so"""
        self.run.wait("no word of the debugger",
                      lambda s: "debugger" in s.get("reason", ""), 20)

    def watch(self):
        """gdb's own watchpoint, on what is watched"""
        t = self.run.t
        at = t.truth.cpu(0)["prcb"] + self.run.row["kprcb_current_thread"]
        out = self.gdb.command(f"watch *(unsigned long *){at:#x}")
        self.run.report.true(f"watch: {out.strip()[-200:]}",
                             "Hardware watchpoint" in out)

    def changes(self):
        for _ in range(3):
            out = self.gdb.command("continue")
            self.run.report.true(f"watchpoint: {out.strip()[-200:]}",
                                 "New value" in out)

    def one_too_many(self):
        """The fourth is refused while one is ours"""
        out = self.gdb.command(f"hbreak *{self.at + 9 * FAR:#x}")
        self.run.report.true(f"fourth hbreak: {out.strip()[-200:]}",
                             re.search("(?i)could not insert|too many", out))
        self.gdb.command("delete $bpnum")

    def hit(self):
        """Stops at the instruction behind the store"""
        for _ in range(3):
            out = self.gdb.command("continue")
            rip = self.gdb.rip()
            self.run.report.true(f"stopped at {rip:#x}, not at "
                                 f"{self.at:#x}: {out.strip()[-200:]}",
                                 rip == self.at)

    def step(self):
        before = self.gdb.rip()
        self.gdb.command("stepi")
        after = self.gdb.rip()
        self.run.report.true(f"stepi from {before:#x} to {after:#x}",
                             before != after)

    def delete(self):
        self.gdb.command("delete")
        self.count = 0

    def detach(self):
        self.gdb.command("detach")
        self.run.t.vm.cont()

    def go(self):
        """Run for a while without gdb in the way"""
        truth = self.run.t.truth
        start, end = truth.head, time.monotonic() + 60
        while truth.head < start + SOME and time.monotonic() < end:
            time.sleep(0.01)
        self.run.report.true("the guest does not go on",
                             truth.head >= start + SOME)


ORDERS = (
    "on hold attach hbreak hit step delete detach go",
    "on hold attach detach attach hbreak hit step step detach go",
    "attach hbreak on hit step delete detach go",
    "attach on hbreak hit step detach go",
    "attach hbreak hit on hit off hit delete detach on go",
    "on hold attach hbreak hbreak hbreak hit step delete detach go",
    "attach on armed hbreak hbreak hbreak one_too_many hit step delete detach "
    "go",
    "attach hbreak hbreak hbreak hbreak on refused hit delete detach go",
)


# Only where gdb's data breakpoints fire.
TCG_ORDERS = (
    "on hold attach watch changes step delete detach go",
    "attach watch on changes changes hbreak step delete detach go",
)


def run_order(run, order, exact_works):
    """One order, on a guest that runs and is not traced"""
    t, report = run.t, run.report
    kvm = run.case.accel == "kvm"
    words = order.split()
    full = words.count("hbreak") > 3
    t.entries, run.young = [], 0
    gdb = RealGdb(t.vm.gdb_path, t.vm.dir)
    steps = Steps(run, gdb, t.ram.u64(SWITCH_STORED) + 1)
    before = len(report.failures)
    try:
        for word in words:
            if word == "hold" and not exact_works:
                continue
            if word in ("one_too_many", "refused") and not kvm:
                continue
            if word == "on":            # a new ring
                t.after = 0
            getattr(steps, word)()
    finally:
        gdb.close()
    status = t.status()
    if exact_works and not (kvm and full):
        if "hold" not in words:
            status = run.wait("exact mode does not hold",
                              lambda s: s["exact"], 30)
            run.at_hold = [t.truth.cpu(i)["begin"]
                           for i in range(run.case.cpus)]
            steps.go()
        if status:
            run.judge()
            t.vm.cont()
    t.trace_off()
    good = len(report.failures) == before
    run.orders.append((order, run.case.accel, "ok" if good else "WRONG"))


def once(run):
    """
    Watched once.  KVM's emulator leaves DR7 out of debug exits, and QEMU takes
    what stands there: where the guest is emulated, gdb's breakpoints alone
    end up in the guest.  Since a watch was set, DR7 is put right.
    """
    run.on()
    run.wait("neither exact nor degraded",
             lambda s: s["exact"] or s["state"] == "degraded", 20)
    run.t.trace_off()


def run_gdb(run):
    if not shutil.which("gdb"):
        run.report.note("skipped: no gdb")
        return
    run.boot()
    once(run)
    run.orders = []
    works = run.case.accel == "tcg" or run.options.stand_in
    try:
        for order in ORDERS + (TCG_ORDERS if run.case.accel == "tcg"
                               else ()):
            run_order(run, order, works)
    except GdbError as e:
        raise QemuError(str(e)) from None
