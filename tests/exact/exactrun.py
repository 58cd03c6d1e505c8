# SPDX-License-Identifier: GPL-2.0-or-later
#
# One guest in exact mode: turn it on, wait until it holds, stop and hold the
# entries against the guest's own account.  What is done meanwhile is in
# exactkinds.py.

import time

import exactjudge
import traced
from guestram import Space

HOLD_S, SWITCHES_S = 120, 240
ATTRIBUTES = ("kthread-client-id", "kthread-state", "kthread-wait-reason")


class ExactRun:
    def __init__(self, options, case):
        self.options, self.case = options, case
        self.t = traced.Traced(options, case)
        self.report = self.t.report
        self.row = case.row
        self.at_hold, self.young = [], 0
        self.accounts = []
        self.rows = []              # measurements, for the table

    def on(self, **more):
        more = {"mode": "exact", "exact-limit": 100_000_000, **more}
        self.t.trace_on(**more)

    def wait(self, what, wanted, limit):
        """The first status that is @wanted; a failure after the limit"""
        end = time.monotonic() + limit * self.t.slow
        while True:
            status = self.t.status()
            if wanted(status):
                return status
            self.t.alive()
            if time.monotonic() > end:
                self.report.true(f"{what}: {status['state']}, exact "
                                 f"{status['exact']}, "
                                 f"{status.get('reason')}", False)
                return None
            time.sleep(0.003)

    def wait_hold(self):
        """Until exact mode holds; from then on each switch must be there"""
        status = self.wait("exact mode does not hold",
                           lambda s: s["exact"], HOLD_S)
        if not status:
            return False
        truth = self.t.truth
        self.at_hold = [truth.cpu(i)["begin"] for i in range(truth.shape()[3])]
        self.young = status["recorded"]
        return True

    def wait_fields(self):
        """Ids and states are known from the entries after this"""
        def known(status):
            have = {o["name"] for o in status["offsets"] if "value" in o}
            return all(a in have for a in ATTRIBUTES)
        status = self.wait("offsets are not known", known, 10)
        self.young = status["recorded"] + 20 if status else 1 << 62

    def boot(self):
        self.t.wait_boot(10)
        self.t.space = Space(self.t.ram, self.t.truth.root,
                             5 if self.t.truth.flags & 2 else 4)

    def run_switches(self, n):
        """Until the guest has switched so often; exact all the while"""
        start = self.t.truth.head
        end = time.monotonic() + SWITCHES_S * self.t.slow
        began, status = time.monotonic(), None
        while self.t.truth.head - start < n:
            status = self.t.status()
            if not self.still_exact(status):
                return 0
            self.t.alive()
            if time.monotonic() > end:
                self.report.true(f"only {self.t.truth.head - start} of {n} "
                                 "switches in time", False)
                break
            time.sleep(0.01)
        return (self.t.truth.head - start) / (time.monotonic() - began)

    def still_exact(self, status):
        good = status["exact"] and status["state"] == "active"
        self.report.true(f"exact mode ended: {status['state']}, "
                         f"{status.get('reason')}", good)
        return good

    def settle(self):
        """Stop, and take all entries and records"""
        self.t.vm.stop()
        self.t.page()
        self.t.records = self.t.truth.switches()

    def judge(self, rate=0):
        """All of it, against the guest's own account"""
        self.settle()
        status = self.t.status()
        self.still_exact(status)
        account = exactjudge.judge_all(self.t, self.row, self.t.entries,
                                       self.at_hold,
                                       status["overwritten"], self.young)
        for text in account.faults[:6]:
            self.report.true(text, False)
        self.report.compared += account.caught
        self.report.true("no switch in all the time", account.truth)
        cost = sum(v["cost-ns"] for v in status["vcpus"])
        hits = sum(v["samples-exact"] for v in status["vcpus"])
        self.rows.append({
            "kind": self.case.kind, "accel": self.case.accel,
            "cpus": self.case.cpus, "caught": account.caught,
            "truth": account.truth, "identified": account.identified,
            "states": account.states, "rate": round(rate),
            "cost": round(cost / hits) if hits else 0})
        return account

    def go_on(self):
        """Judged so far; the next account begins here"""
        self.t.entries = []
        self.t.vm.cont()
