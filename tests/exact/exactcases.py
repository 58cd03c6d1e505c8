# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which guests check-exact boots and how often they switch.

import os
from importlib.machinery import SourceFileLoader

import plan

HERE = os.path.dirname(os.path.abspath(__file__))
sched_cases = SourceFileLoader("sched_cases", os.path.join(
    os.path.dirname(HERE), "sched", "cases.py")).load_module()
Case = sched_cases.Case
KVAS = sched_cases.KVAS

BUSY = " spin=1 threads=24 yield-percent=100 churn=off attach=off"


def guest(row, accel, cpus, number, switches, kind="each", **more):
    """A guest of @row that is traced for so many switches"""
    fixed = {k: more.pop(k) for k in ("kdbg", "kvas", "pages", "levels")
             if k in more}
    w = plan.world(row, accel, cpus, number, **fixed)
    config = w.config + more.pop("config", "")
    ram = 64
    if switches > 30000:
        entries = 1 << (2 * switches - 1).bit_length()
        config += f" ring-entries={entries}"
        ram = 128 + entries * 64 // (1 << 20)
    case = Case(f"{kind}/{w.name}", "exact", kind, accel, config + "\n", row,
                cpus, w.machine, w.cpu, w.kdbg, ram_mib=ram, **more)
    case.switches = switches
    return case


def named(name, row, accel, cpus, kind, config="", **more):
    case = Case(f"{kind}/{accel}/{name}", "exact", kind, accel,
                row.parameters() + " kdbg=encoded" + config + "\n", row,
                cpus, **more)
    case.switches = 0
    return case


def quick_each(every):
    by_build = {r.build: r for r in every}
    out = []
    for i, (build, cpus, switches, config) in enumerate((
            (7600, 1, 3000, ""), (10240, 4, 3000, ""), (17763, 2, 3000, ""),
            (19045, 1, 20000, BUSY), (22621, 4, 3000, ""),
            (26100, 2, 20000, BUSY), (26100, 4, 20000, BUSY),
            (26100, 1, 3000, ""))):
        out.append(guest(by_build[build], "tcg", cpus, i, switches,
                         config=config, kdbg="plain" if build < 9200
                         else "encoded", kvas=i % 2 == 0))
    return out


def full_each(every):
    """Each row with 1, 2 and 4 vCPUs; and a million switches together"""
    out = []
    for i, row in enumerate(every):
        for cpus in (1, 2, 4):
            for kvas in (False, True) if row.has(KVAS) else (False,):
                out.append(guest(row, "tcg", cpus, i + cpus, 3000, kvas=kvas,
                                 kdbg="plain" if row.build < 9200
                                 else "encoded"))
    for cpus in (1, 2, 4):
        for kvas in (False, True):
            out.append(guest(every[-1], "tcg", cpus, 0, 200_000, kvas=kvas,
                             config=BUSY, kdbg="encoded"))
    return out


def others(every, accels, options):
    """What exact mode does when something happens"""
    row = every[-1]
    out = []
    if "tcg" in accels and not options.stand_in:
        out += [named(kind, row, "tcg", 2, kind, config) for kind, config in (
            ("reset", ""), ("stop", ""), ("burst", ""), ("limit", BUSY),
            ("toggle", BUSY), ("plug", ""), ("gdb", ""), ("refuse", ""),
            ("migrate", ""), ("snapshot", ""))]
        for lies in ("current-wild", "self-flip+rewrite"):
            out.append(named(lies, row, "tcg", 2, "lies",
                             f" hostile={lies}", lies=lies,
                             again=row.parameters() + " kdbg=encoded"))
        one = named("one thread for all vCPUs", row, "tcg", 2, "each",
                    extra=("-icount", "shift=2,sleep=off"))
        early = named("on before the first instruction", row, "tcg", 4,
                      "each", before_boot=True)
        alone = named("not polled", row, "tcg", 2, "each", BUSY, poll_hz=0)
        for case in (one, early, alone):
            case.switches = 2000
            out.append(case)
        for case in out:
            if case.kind == "plug":
                case.extra = ("-smp", "2,sockets=4,maxcpus=4")
                case.machine = "q35"
    if "kvm" in accels:
        out.append(named("gdb", row, "kvm", 2, "gdb"))
        out += stand_in(every, options.full) if options.stand_in else [
            named("1 vCPU", row, "kvm", 1, "degraded"),
            named("2 vCPUs", row, "kvm", 2, "degraded"),
            named("exits alone", row, "kvm", 2, "degraded",
                  " exit-percent=50", poll_hz=0)]
    return out


def stand_in(every, full):
    """The way through KVM, with the test build"""
    row = every[-1]
    out = [guest(row, "kvm", cpus, cpus, 20000 if full else 1000,
                 config=BUSY, kvas=cpus == 2, kdbg="encoded")
           for cpus in (1, 2)]
    return out + [named(kind, row, "kvm", 2, kind)
                  for kind in ("reset", "stop", "burst")]


def cases(every, accels, options):
    out = []
    if "tcg" in accels and not options.stand_in:
        out += full_each(every) if options.full else quick_each(every)
    return out + others(every, accels, options)
