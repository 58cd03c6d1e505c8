# SPDX-License-Identifier: GPL-2.0-or-later
#
# One NT test guest with the scheduler trace: boot, turn on, wait for a state,
# page through the entries while the truth is recorded, end.  Bounds every
# wait.  What an answer should be is left to others.

import json
import os
import subprocess
import time

import checks
import offsets
import qemurun
from guestram import Ram
from story import Recorder, StoryError
from truth import BASE, Truth

BOOT_S, STATE_S, ANSWER_S = 60, 60, 60     # beyond that it hangs
FIT_S = 10
PAGE = 20000
LOOKS = ("samples-exit", "samples-poll", "samples-exact")


SERVED = ("windows-sched-trace-set", "query-windows-sched-trace",
          "query-windows-sched-trace-status")


class Outside:
    """The trace's commands, of a QEMU that is looked at from outside"""

    def __init__(self, program, path, words):
        self.proc = subprocess.Popen(
            [program, path, *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, encoding="utf-8")

    def qmp(self, execute, **arguments):
        self.proc.stdin.write(json.dumps({"execute": execute,
                                          "arguments": arguments}) + "\n")
        self.proc.stdin.flush()
        line = self.proc.stdout.readline()
        if not line:
            raise qemurun.QemuError("attach-answer ended "
                                    f"({self.proc.wait(10)})")
        answer = json.loads(line)
        if "error" in answer:
            raise qemurun.QemuError(answer["error"]["desc"])
        return unsigned(answer["return"])

    def close(self):
        self.proc.stdin.close()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.proc.stdout.close()


def unsigned(value):
    """Addresses come as the negative numbers with the same 64 bits"""
    if isinstance(value, dict):
        return {k: unsigned(v) for k, v in value.items()}
    if isinstance(value, list):
        return [unsigned(v) for v in value]
    if type(value) is int and value < -(1 << 31):
        return value + (1 << 64)
    return value


class Traced:
    def __init__(self, options, case):
        self.options, self.case = options, case
        self.slow = 6 if "asan" in os.path.basename(options.qemu) else 1
        self.report = checks.Report()
        extra = list(case.extra)
        if case.before_boot:
            extra.append("-S")
        self.again = None
        if case.again:
            self.again = f"{options.scratch}/again-{os.getpid()}"
            with open(self.again, "w", encoding="utf-8") as f:
                f.write(case.again)
            extra += ["-fw_cfg",
                      f"name=opt/vmscope/nt-config-again,file={self.again}"]
        self.outside, self.second = None, None
        if getattr(options, "attach", None):
            self.second = f"{options.scratch}/qmp-{os.getpid()}"
            extra += ["-qmp", f"unix:{self.second},server=on,wait=off"]
        self.vm = qemurun.Vm(options.qemu, case.rom or options.rom,
                             case.config, case.accel, case.cpus,
                             case.machine, case.cpu, case.ram_mib, extra)
        self.ram = self.truth = self.recorder = None
        self.slowest = ("", 0.0)
        self.entries = []
        self.after = 0
        self.first_switch = None            # host s, as far as we saw

    # QMP

    def qmp(self, command, **arguments):
        """A command with dashes in its arguments; how long it took"""
        start = time.monotonic()
        answer = self.asked(command).qmp(command, **{k.replace("_", "-"): v for k, v in
                                         arguments.items()})
        took = time.monotonic() - start
        if took > self.slowest[1]:
            self.slowest = (command, took)
        return answer

    def asked(self, command):
        """Who answers that: QEMU, or a program beside it"""
        if not self.second or command not in SERVED:
            return self.vm
        if not self.outside:
            self.vm.qmp("query-name")       # it is up then
            blind = "blind" in self.options.attach_words
            self.outside = Outside(
                self.options.attach,
                f"pid={self.vm.proc.pid}" if blind else self.second,
                [w for w in self.options.attach_words if w != "blind"])
        return self.outside

    def trace_on(self, **more):
        arguments = {"enable": True, "poll-hz": self.case.poll_hz, **more}
        if self.case.sources:
            arguments["sources"] = list(self.case.sources)
        if self.case.overrides is not None:
            arguments["overrides"] = self.case.overrides
        if self.case.auto_detect is not None:
            arguments["auto-detect"] = self.case.auto_detect
        self.qmp("windows-sched-trace-set", **arguments)

    def trace_off(self):
        self.qmp("windows-sched-trace-set", enable=False)

    def status(self):
        before = time.monotonic_ns()
        status = self.qmp("query-windows-sched-trace-status")
        now = status["clock"]["monotonic-ns"]
        self.report.true("the status' clock is not between question and "
                         "answer", before <= now <= time.monotonic_ns())
        return status

    def wait_state(self, wanted, limit=STATE_S, more=None):
        """
        The first status with such a state (and @more); the last one after
        the limit.  Offsets with values must be right in each.
        """
        end = time.monotonic() + limit * self.slow
        while True:
            status = self.status()
            self.watch_values(status)
            if status["state"] in wanted and (not more or more(status)):
                return status
            if time.monotonic() > end:
                return status
            self.alive()
            self.pump()
            time.sleep(0.005)

    def watch_values(self, status):
        """Never a wrong offset, not for a moment"""
        if self.case.row and not self.case.lies and self.open_ram() \
                and self.truth.ready() \
                and status.get("kernel-base") == self.truth.image_va \
                and "offsets" in status:
            for text in offsets.wrong_values(status, self.case.row,
                                             self.case.overrides):
                self.report.true(text, False)

    def alive(self):
        if self.vm.proc.poll() is not None:
            raise qemurun.QemuError(f"QEMU ended ({self.vm.proc.poll()}): "
                                    + self.vm.why()[-600:])

    # The guest

    def open_ram(self):
        if self.ram is None and os.path.exists(self.vm.ram_path) \
                and os.path.getsize(self.vm.ram_path):
            self.ram = Ram(self.vm.ram_path, self.vm.below_4g)
            self.truth = Truth(self.ram)
        return self.ram

    def wait_boot(self, switches=1):
        """Until the guest has switched that often"""
        end = time.monotonic() + BOOT_S * self.slow
        while time.monotonic() < end:
            self.alive()
            if self.open_ram() and self.truth.ready():
                head = self.truth.head
                if head and self.first_switch is None:
                    self.first_switch = time.monotonic()
                if head >= switches and self.truth.all_online():
                    return
            time.sleep(0.002)
        raise qemurun.QemuError("no switches: " + self.vm.why()[-600:])

    def reset(self):
        """A reset, with the old truth wiped; entries until then are gone"""
        self.vm.stop()
        self.ram.map[BASE:BASE + 8] = bytes(8)
        self.vm.qmp("system_reset")
        # The helper thread drops the old kernel as soon as it has a core.
        status = self.wait_state({"waiting", "detecting", "unsupported"}, 10)
        self.report.true(f"{status['state']} after a reset, while stopped",
                         status["state"] not in ("active", "degraded"))
        self.report.expect("exact after a reset, while stopped",
                           status.get("exact", False), False)
        self.page()
        self.entries, self.recorder = [], None
        self.first_switch = None
        self.vm.cont()

    # Entries

    def page(self):
        """Entries since the last page"""
        until = self.qmp("query-windows-sched-trace-status")["recorded"]
        while self.after < until:
            got = self.qmp("query-windows-sched-trace", after=self.after,
                           max_entries=PAGE)
            if not got:
                return
            times = [e["timestamp-ns"] for e in got]
            self.report.true("a page is not in order of time",
                             times == sorted(times))
            # Two vCPUs may take number and time in different orders.
            self.entries += sorted(got, key=lambda e: e["seq"])
            self.after = max(e["seq"] for e in got)

    def begin_story(self, row):
        """From here on the truth is recorded, by pump()"""
        self.recorder = Recorder(self.ram, self.truth, row)
        self.recorder.watch_clock(0.01)

    def pump(self):
        if self.recorder:
            self.recorder.pump()

    def follow(self, seconds):
        """Entries and truth side by side, for so long"""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.alive()
            self.page()
            self.pump()
            self.recorder.watch_clock(0.005)
            time.sleep(0.02)

    def fit_clock(self):
        """Enough to tell the guest's clock by; a stopped guest gives none"""
        end = time.monotonic() + FIT_S * self.slow
        self.pump()
        while not self.recorder.fit.enough() and time.monotonic() < end:
            self.recorder.watch_clock(0.01)
            self.recorder.drain()
            self.recorder.settle_clock()

    def end_story(self):
        """The whole Story, to beyond the last page"""
        self.fit_clock()
        recorder, self.recorder = self.recorder, None
        return recorder.close()

    def ring(self, **filters):
        """All that is in the ring, in order of time"""
        entries, after = [], 0
        while True:
            got = self.qmp("query-windows-sched-trace", max_entries=PAGE,
                           after=after, **filters)
            if not got:
                return sorted(entries, key=lambda e: (e["timestamp-ns"],
                                                      e["seq"]))
            entries += got
            after = max(e["seq"] for e in got)

    # The end

    def errors(self):
        return self.vm.qemu.messages()

    def sanitizer_lines(self):
        return ["sanitizer: " + line
                for line in self.vm.qemu.sanitizer_lines()]

    def quit(self):
        """An orderly end, and what a sanitizer has to say"""
        code = self.vm.proc.poll()
        if code is None:
            try:
                self.vm.qmp("quit")
            except (qemurun.QemuError, OSError, ValueError):
                pass
            code = self.vm.wait(15 * self.slow)
        self.report.expect("exit status of QEMU", code, 0)
        for line in self.sanitizer_lines():
            self.report.true(line, False)
        name, took = self.slowest
        self.report.true(f"QMP: {name} took {took:.1f} s",
                         took <= ANSWER_S * self.slow)

    def close(self):
        if self.outside:
            self.outside.close()
        self.vm.close()
        if self.second and os.path.exists(self.second):
            os.unlink(self.second)
        if self.ram:
            self.ram.close()
        if self.again:
            os.unlink(self.again)


def looks(status):
    return sum(v[k] for v in status["vcpus"] for k in LOOKS)


__all__ = ["Traced", "StoryError", "looks"]
