# SPDX-License-Identifier: GPL-2.0-or-later
#
# What each set of sources reaches on a layout that no table has: each source
# alone, each pair and all, with every accessor there and with each one absent.
# Found fields are measured, wrong ones are faults; long, so with --full or by
# name only.

import cases
import kinds
import offsets
import plan
import rows
import strange

SETS = (("kdbg",), ("code",), ("structure",), ("kdbg", "code"),
        ("kdbg", "structure"), ("code", "structure"),
        ("kdbg", "code", "structure"))
USED = 27               # the accessors behind these are told by nobody
EVERY = "all"
PATIENCE = 8            # seconds for a set that need not reach a kernel
FOLLOW = 3              # seconds in which fields are learned


def case(every, accel, sources, absent, names):
    row = rows.made_up(every[30], 4711)
    bit = 0 if absent == EVERY else 1 << names.index(absent)
    world = plan.world(row, accel, 1, 3, kdbg="encoded")
    text = (row.parameters() + f" kdbg=encoded nt-build=29000"
            f" timestamp=0x23456789 seed=17 mute={bit:#x}\n")
    return cases.Case(f"reach/{'+'.join(sources)}/{absent}", "reach", "reach",
                      accel, text, row, 1, world.machine, "qemu64,-pni",
                      "encoded", poll_hz=2000, sources=sources,
                      other_file=True, strange=absent)


def cases_of(every, accels):
    """@accels: the first of them is used, so that rows can be compared"""
    names = strange.accessor_names()
    return [case(every, accels[0], sources, absent, names)
            for sources in SETS
            for absent in (EVERY, *names[:USED])
            if absent == EVERY or "code" in sources]


def run(run_):
    t, case_, report = run_.traced, run_.case, run_.report
    kinds.start(run_)
    base = t.truth.image_va
    must = "structure" in case_.sources and len(case_.sources) == 3
    status = t.wait_state({"active"}, 60 if must else PATIENCE,
                          lambda s: s.get("kernel-base") == base)
    found = status["state"] == "active"
    report.true(f"{status['state']}: {status.get('reason')}",
                found or (not must and status.get("reason")))
    if found:
        t.follow(FOLLOW)
        status = t.status()
        t.page()
        t.watch_values(status)
        strange.judge_all(run_, status)
    run_.shown = status
    known = status.get("offsets", [])
    wrong = offsets.wrong_values({"offsets": known}, run_.row)
    report.true(f"wrong: {wrong}", not wrong)
    run_.measure("reach", sources="+".join(case_.sources),
                 absent=case_.strange, active=found, wrong=len(wrong),
                 reason=status.get("reason", ""),
                 fields=[o["name"] for o in known if "value" in o]
                 if found else [])
