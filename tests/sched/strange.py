# SPDX-License-Identifier: GPL-2.0-or-later
#
# Strange kernels: guests that no build of Windows is like, in layout and in
# what they do.  Which one a seed gives, and what is done with it.
#
# Nothing has to be found; but what is said to be found must be so at any
# moment, and each entry must name the thread that ran.

import random

import cases
import judge
import kinds
import offsets
import plan
import rows

# Seeds.  34: a thread may be the idle one for long before that is known.
QUICK, FULL = (*range(20), 34), range(500)
SETS = (("kdbg", "code", "structure"), ("kdbg", "structure"),
        ("code", "structure"), ("kdbg", "code", "table", "structure"),
        ("kdbg", "code"), ("structure",), ("code",), ("kdbg",))
FORMS = ("plain", "endbr", "thunk", "hotpatch", "mixed", "check",
         "checkjump", "frame")
SIZES = (0x2c8, 0x318, 0x340, 0x360, 0x368, 0x380, 0x3a0, 0x3a8)
IDLE_ACCESSORS = ("KeQueryPriorityThread",)
QUIET = "churn=off names=off realtime=off threads=2 user-percent=0"

# name: what it does, which accessors it lacks, and its parameters
KERNELS = {
    "constant bytes": ("impostors", (), "kdbg=absent"),
    "idle without owner": ("idle-alone+no-idle-field", IDLE_ACCESSORS, ""),
    "mostly idle": ("idle-alone+no-idle-field", IDLE_ACCESSORS, QUIET),
    "odd shared data": ("shared-data", (), ""),
    "no processor number": ("pointers", ("KeGetCurrentProcessorNumberEx",),
                            "kdbg=absent"),
    "late clock": ("early-clock", (), ""),
    "checked accessors": ("impostors", (), "form=check"),
    "jumping accessors": ("early-clock", (), "form=checkjump kdbg=absent"),
    "framed accessors": ("pointers", (), "form=frame kdbg=absent"),
    "no build": ("no-build+shared-data", (), ""),
    "another System": ("system-name", ("PsGetProcessImageFileName",), ""),
    "parked vCPU": ("parked", (), ""),
    "pointers": ("pointers+impostors", (), ""),
    "no owners told": ("impostors", (
        "PsGetThreadProcess", "PsGetCurrentThreadProcess",
        "KeQueryPriorityThread", "PsGetCurrentProcess",
        "IoGetCurrentProcess"), "kdbg=absent"),
    "no ids told": ("idle-alone", (
        "PsGetThreadId", "PsGetThreadProcessId", "PsGetProcessId",
        "PsGetCurrentThreadId", "PsGetCurrentThreadProcessId"), ""),
    "everything": ("impostors+idle-alone+no-idle-field+shared-data+"
                   "early-clock+no-build+system-name+pointers",
                   IDLE_ACCESSORS, "form=check"),
}


def accessor_names():
    """The guest's list, whose order its parameter `mute` counts by"""
    import importlib.util
    import os
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                        "..", "guest", "nt", "exports.py")
    spec = importlib.util.spec_from_file_location("exports", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ACCESSORS


def layout(every, rng, seed):
    """Made up, with objects of unusual sizes"""
    row = rows.made_up(every[rng.randrange(len(every))], 5000 + seed)
    row.cells["ethread_size"] = rng.randrange(0xC40, 0x1600) & ~7
    row.cells["eprocess_size"] = rng.randrange(0xB40, 0x1600) & ~7
    return row


def mute(names, rng, lacks):
    """A few more that are missing, here and there"""
    gone = set(lacks)
    if rng.random() < 0.5:
        gone |= set(rng.sample(names[:27], rng.randrange(1, 8)))
    return sum(1 << i for i, name in enumerate(names) if name in gone)


def case(every, accel, seed, names):
    rng = random.Random(seed)
    kernel = list(KERNELS)[seed % len(KERNELS)]
    odd, lacks, more = KERNELS[kernel]
    sources = SETS[(seed // len(KERNELS) + seed) % len(SETS)]
    row = layout(every, rng, seed)
    cpus = 2 if "parked" in odd else 1 + rng.randrange(2)
    given = dict(pair.split("=") for pair in more.split())
    given.setdefault("form", rng.choice(FORMS))
    given.setdefault("kdbg", rng.choice(("plain", "encoded", "absent")))
    given.setdefault("kdbg-size", hex(rng.choice(SIZES)))
    given["nt-build"] = str(rng.randrange(27000, 40000))
    given["timestamp"] = hex(rng.randrange(1, 1 << 31))
    given["seed"] = str(seed + 1)
    given["strange"] = odd
    given["mute"] = hex(mute(names, rng, lacks))
    world = plan.world(row, accel, cpus, seed, kdbg=given["kdbg"])
    text = row.parameters() + "".join(f" {k}={v}" for k, v in given.items())
    return cases.Case(
        f"strange/{seed}/{kernel}/{'+'.join(sources)}", "strange", "strange",
        accel, text + "\n", row, cpus, world.machine, "qemu64,-pni",
        given["kdbg"], poll_hz=2000, sources=sources, other_file=True,
        strange=kernel)


def cases_of(every, accels, seeds):
    names = accessor_names()
    return [case(every, accels[seed % len(accels)], seed, names)
            for seed in seeds]


def must_be_found(case_):
    """Two sources that lead to the running thread, and something to check by"""
    return "structure" in case_.sources and len(case_.sources) > 2


def run(run_):
    """Nothing wrong, however little is found"""
    t, case_, report = run_.traced, run_.case, run_.report
    kinds.start(run_)
    base = t.truth.image_va
    status = t.wait_state({"active"}, kinds_limit(case_),
                          lambda s: s.get("kernel-base") == base)
    found = status["state"] == "active"
    if not found:
        run_.measure("strange reasons", kernel=case_.strange,
                     reason=status.get("reason", ""))
    report.true(f"{status['state']}: {status.get('reason')}",
                found or not must_be_found(case_))
    report.true("not active, and no reason", found or status.get("reason"))
    if found:
        t.follow(case_.seconds or run_.options.seconds)
        status = t.status()
        t.page()
        t.watch_values(status)
        judge_all(run_, status)
        check_parked(report, case_, status)
    run_.shown = status
    known = status.get("offsets", [])
    values = [o for o in known if "value" in o]
    wrong = offsets.wrong_values({"offsets": known}, run_.row)
    run_.measure("strange", kernel=case_.strange,
                 sources="+".join(case_.sources), state=status["state"],
                 found=len(values) if found else 0, wrong=len(wrong),
                 entries=len(t.entries))


def kinds_limit(case_):
    """Who need not be found is not waited for"""
    return 60 if must_be_found(case_) else 4


def judge_all(run_, status):
    t, report = run_.traced, run_.report
    story = t.end_story()
    judging = judge.Judge(story, run_.case.skip, whole_from=1 << 60,
                          restarts=True)
    entries = kinds.within(story, t.entries)
    for entry in entries:
        judging.judge(entry)
    for text in judging.result.faults[:8]:
        report.true(text, False)
    report.compared += len(entries)
    kinds.measure_entries(run_, story, judging, status)


def check_parked(report, case_, status):
    """A vCPU that the guest never started has no kernel of its own"""
    if "parked" in case_.config:
        last = status["vcpus"][-1]
        report.true("the parked vCPU is known", not last["known"])
