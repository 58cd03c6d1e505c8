# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which guests check-sched boots and how each is traced.  The guests' own
# choices (KDBG, KVA shadow, pages, code forms) are made by check-guest's
# plan; what is done with a case is said in kinds.py.

import dataclasses
import itertools

import plan
import rows

NO_TABLE = ("kdbg", "code", "structure")
POLL = (1000, 20000, 1000, 0, 5000)     # 0: at exits alone; KVM only
CLASSIC = {"kpcr-current-prcb": 384, "prcb-current-thread": 8,
           "kthread-apc-process": 544, "kthread-client-id": 2168,
           "kthread-state": 812, "ethread-thread-name": 2160,
           "eprocess-image-file-name": 1448}
KVAS = "x_kprcb_kernel_directory_table_base"


@dataclasses.dataclass
class Case:
    """A guest, and how it is traced"""
    name: str
    group: str
    kind: str
    accel: str
    config: str
    row: rows.Row = None
    cpus: int = 1
    machine: str = "pc"
    cpu: str = "qemu64,-pni"
    kdbg: str = "encoded"
    ram_mib: int = 64
    extra: tuple = ()
    poll_hz: int = 1000
    before_boot: bool = False           # turned on before the first instruction
    seconds: float = 0.0                # 0: as asked for on the command line
    sources: tuple = ()
    overrides: dict = None
    auto_detect: bool = None
    other_file: bool = False            # not the row's PE identity
    skip: tuple = ()                    # what entries say on the user's word
    again: str = ""                     # parameters of the boot after a reset
    again_row: rows.Row = None
    again_kdbg: str = "encoded"
    lies: str = ""
    rom: str = ""
    filters: bool = False               # compare filtered queries too
    outside: bool = False               # looked at from outside of QEMU
    strange: str = ""                   # which strange kernel it is


def guest(row, accel, cpus, number, **more):
    """A case whose guest is what check-guest's plan makes of @number"""
    fixed = {k: more.pop(k) for k in ("kdbg", "kvas", "pages", "levels")
             if k in more}
    w = plan.world(row, accel, cpus, number, **fixed)
    group, kind = more.pop("group"), more.pop("kind", "trace")
    name = more.pop("name", group)
    hz = more.pop("poll_hz", POLL[number % 5])
    if accel == "tcg" and not hz:
        hz = 1000
    config = w.config + more.pop("config", "") + "\n"
    if not hz:                          # nobody looks but at exits
        config += "exit-percent=50\n"
    more.setdefault("before_boot", number % 2 == 0)
    return Case(f"{name}/{w.name}/{hz}hz", group, kind, accel, config, row,
                cpus, w.machine, w.cpu, w.kdbg, poll_hz=hz, **more)




def quick_rows(every, accels):
    """Each row under each accelerator; everything else varies along"""
    out = []
    for a, accel in enumerate(accels):
        for i, row in enumerate(every):
            number = i * 7 + a * 5
            out.append(guest(row, accel, (1, 2, 4)[(i + a) % 3], number,
                             kdbg=plan.KDBG[(i + 2 * a) % 4],
                             kvas=(i + a) % 2 == 0, group="rows",
                             filters=i % 9 == 0))
    return out


def full_rows(every, accels):
    out, number = [], 0
    for accel, row, kdbg, cpus in itertools.product(
            accels, every, ("plain", "encoded", "absent"), (1, 2, 4)):
        for kvas in (False, True) if row.has(KVAS) else (False,):
            out.append(guest(row, accel, cpus, number, kdbg=kdbg, kvas=kvas,
                             group="rows", filters=number % 50 == 0))
            number += 1
    return out


def unknown(every, accels, full):
    """What no table has: made-up rows, and the table taken away"""
    out = []
    for i in range(24 if full else 6):
        row = rows.made_up(every[(i * 7 + 35) % len(every)], i + 100)
        accel = accels[i % len(accels)]
        kdbg = ("encoded", "plain", "absent")[i // 2 % 3]
        out.append(guest(row, accel, 1 + i % 2, i * 5, kdbg=kdbg,
                         sources=NO_TABLE, group="made-up",
                         poll_hz=2000))
    chosen = every if full else every[::6] + [every[-1]]
    for i, row in enumerate(chosen):
        for kdbg in ("encoded", "absent"):
            accel = accels[i % len(accels)]
            # State is learned from looks between exits, if from nothing else.
            more = {"poll_hz": POLL[i % 3]} if kdbg == "absent" else {}
            out.append(guest(row, accel, 1 + i % 2, i * 3, kdbg=kdbg,
                             sources=NO_TABLE, group="no table", **more))
    return out


def builds(every, accels, full):
    """Enablement packages, builds nobody knows, five levels, large pages,
    image names that are no ASCII"""
    by_build = {r.build: r for r in every}
    out = []
    for i, (build, shown, other) in enumerate((
            (19041, 19045, False), (22621, 22631, False),
            (26100, 26200, False), (26100, 27999, True),
            (19045, 27999, True), (17763, 27999, True))):
        config = f"nt-build={shown}"
        if other:
            config += " timestamp=0x12345678 image-size=0x700000"
        out.append(guest(by_build[build], accels[i % len(accels)], 2, i,
                         config=config, other_file=other,
                         group="builds", name=f"build {shown}"))
    out.append(guest(by_build[19045], accels[0], 2, 3, group="builds",
                     config="idle-thread=alone zero-page=off",
                     name="idle threads in no list"))
    if "tcg" in accels:
        for i, row in enumerate(every if full else every[5::15]):
            out.append(guest(row, "tcg", 1 + i % 2, i, levels=5,
                             group="la57"))
    for i, row in enumerate(every if full else every[8::13]):
        out.append(guest(row, accels[i % len(accels)], 1 + i % 2, i,
                         pages="large", group="large pages"))
    for i, row in enumerate(every if full else every[10::25]):
        out.append(guest(row, accels[i % len(accels)], 1 + i % 2, i,
                         config="image-names=bytes processes=8",
                         group="image names"))
    return out


def overrides(every, accels):
    by_build = {r.build: r for r in every}
    row = by_build[19045]
    classic = dict(overrides=CLASSIC, auto_detect=False)
    right = rows.Row(row.build, row.variant, row.index, row.version,
                     dict(row.cells))
    right.made_up = True
    right.cells.update(ethread_cid=0x878, kthread_state=0x32C,
                       ethread_thread_name=0x870, kthread_process=0xB8,
                       kthread_apcstate_process=0x220)
    base = {"kpcr-current-prcb": 0x20, "prcb-current-thread": 8}
    wild = {name: 0xFFFFFFFF for name in CLASSIC}
    odd = {name: 0xFFF1 + i for i, name in enumerate(CLASSIC)}
    same = {**base, "kthread-state": 0x220, "kthread-process": 0x220,
            "kthread-client-id": 0x220, "eprocess-image-file-name": 0x440,
            "eprocess-unique-process-id": 0x440}
    half = {"kthread-state": 0x185, "kthread-process": row["kthread_process"]}
    skip_state = ("kthread-state", "state-name")
    plans = (
        ("classic, wrong layout", "override", row, classic, ("*",)),
        ("classic, oldest", "override", every[0], classic, ("*",)),
        ("classic, newest", "override", every[-1], classic, ("*",)),
        ("classic, its layout", "override", right,
         dict(classic, config="attach=off"), ("idle",)),
        ("pointer 0x20", "override", row,
         dict(overrides=base, auto_detect=False), ("idle",)),
        ("block 0x180", "override", row, dict(
            overrides={**base, "kpcr-current-prcb": 0x180},
            auto_detect=False), ("idle",)),
        ("half", "override", row, dict(overrides=half), skip_state),
        ("all wild", "absurd", row, dict(overrides=wild,
                                         auto_detect=False), ("*",)),
        ("all odd", "absurd", row, dict(overrides=odd), ("*",)),
        ("no such PRCB", "absurd", row, dict(
            overrides={**base, "kpcr-current-prcb": 0x40},
            auto_detect=False), ("*",)),
        ("one place for all", "absurd", row, dict(
            overrides=same, auto_detect=False), ("*",)),
    )
    out = []
    for i, (name, kind, which, how, skip) in enumerate(plans):
        kdbg = "encoded" if which.build >= 9200 else "plain"
        out.append(guest(which, accels[i % len(accels)], 2, i * 5, kdbg=kdbg,
                         pages="small", group="overrides", kind=kind,
                         name=name, skip=skip, poll_hz=2000,
                         before_boot=False, **how))
    return out


def config_of(row, **more):
    text = row.parameters()
    return text + "".join(f" {k}={v}" for k, v in more.items())


def reboots(every, accels):
    """Another kernel after a reset; something else before the first"""
    by_build = {r.build: r for r in every}
    out = []
    pairs = ((19045, "encoded", 26100, "encoded"),
             (7600, "plain", 22621, "absent"),
             (26100, "absent", 7600, "plain"),
             (17763, "encoded", 17763, "encoded"))
    for i, (a, kdbg, b, then) in enumerate(pairs):
        for accel in accels:
            out.append(Case(
                f"reboot/{accel}/{a} to {b}", "reboot", "reboot", accel,
                config_of(by_build[a], kdbg=kdbg), by_build[a], 1 + i % 2,
                kdbg=kdbg, again=config_of(by_build[b], kdbg=then),
                again_row=by_build[b], again_kdbg=then, poll_hz=5000))
    for accel in accels:
        out.append(Case(f"firmware/{accel}", "before", "firmware", accel, "",
                        rom="firmware"))
        out.append(Case(f"other kernel first/{accel}", "before", "other",
                        accel, config_of(every[-1], kdbg="encoded"),
                        every[-1], 2, rom="other", poll_hz=5000))
    return out


def hostile(every, accels, full):
    """Each lie; after a reset the guest is honest"""
    row, names = every[-1], list(plan.LIES)
    lots = [(n,) for n in names]
    if full:
        lots += list(itertools.combinations(names, 2))
    out = []
    for i, lies in enumerate(lots):
        turns = accels if full and len(lies) == 1 else \
            (accels[-1 if i % 3 else 0],)
        for accel in turns:
            text = "+".join(lies)
            kdbg = "plain" if i % 2 or "kdbg-lies" in lies else "encoded"
            out.append(Case(
                f"hostile/{accel}/{text}", "hostile", "hostile", accel,
                config_of(row, kdbg=kdbg, hostile=text), row, 2, kdbg=kdbg,
                lies=text, again=config_of(row, kdbg="encoded"),
                again_row=row, poll_hz=(1000, 20000)[i % 2]))
    return out


def long_runs(every, accels, full):
    """Reuse of memory at its most, and shares of the switches seen"""
    row = every[-1]
    out = []
    for accel in accels:
        hz = (1000, 20000) if accel == "tcg" else (0, 1000, 20000)
        for poll in hz:
            out.append(guest(row, accel, 2, 0, kdbg="encoded", kvas=False,
                             pages="small", group="share", poll_hz=poll,
                             seconds=30 if full else 3))
    for i, cpus in enumerate((1, 2, 4) if full else (2,)):
        for accel in accels:
            out.append(guest(
                row, accel, cpus, i, kdbg="encoded", kvas=cpus == 2,
                pages="small", group="reuse", poll_hz=20000,
                config="spin=5000 threads=24 window=20" if accel == "tcg"
                else "threads=24", seconds=60 if full else 4))
    return out


# Machines as people set them up: name, machine, MiB of RAM, CPUs, more words
# ("kvm" or "tcg" in front: under that alone).  The first run every time, under
# TCG, where no vCPU is held up by a busy host.
MACHINES = (
    ("objects above 4 GiB", "q35", 6144, 2, ()),
    ("6 GiB below 1 GiB", "pc,max-ram-below-4g=1G", 6144, 1, ()),
    ("room for 255", "q35", 64, 3, ("-smp", "maxcpus=255")),
    ("6 GiB", "q35", 6144, 2, ()),
    ("6 GiB", "pc", 6144, 2, ()),
    ("objects above 4 GiB", "pc", 6144, 4, ()),
    ("64 vCPUs", "q35", 64, 64, ("tcg",)),
    ("64 vCPUs, objects above 4 GiB", "pc", 4096, 64, ("tcg",)),
    ("irqchip split", "q35,kernel-irqchip=split", 64, 2, ("kvm",)),
    ("odd size", "q35", 2049, 1, ()),
    ("odd size around the hole", "pc", 3585, 2, ()),
    ("6 GiB, hole at 3.5", "pc,max-ram-below-4g=3584M", 6144, 2, ()),
    ("dies", "q35", 64, 8, ("-smp", "sockets=2,dies=2,cores=2,threads=1")),
    ("8 of 64", "q35", 64, 8, ("-smp", "maxcpus=64")),
    ("locked memory", "q35", 64, 2, ("-overcommit", "mem-lock=on")),
    ("IOMMU, interrupts too", "q35,kernel-irqchip=split", 64, 2,
     ("kvm", "-device", "intel-iommu,intremap=on")),
    ("IOMMU", "q35", 64, 2, ("tcg", "-device", "intel-iommu")),
    ("balloon", "q35", 256, 2, ("-device", "virtio-balloon-pci")),
)
MACHINES_OF_EVERY_RUN = 3
# What the guest is told besides.  64 vCPUs share few CPUs of the host: their
# clocks tick seldom, or nothing else would run.
GUEST_OF_MACHINE = {"objects above 4 GiB": {"pool": "high"},
                    "64 vCPUs": {"tick-us": 200000}}


def machines(every, accels, full):
    out = []
    row = every[-1]
    chosen = MACHINES if full else MACHINES[:MACHINES_OF_EVERY_RUN]
    for name, machine, mib, cpus, words in chosen:
        alone = words[0] if words and words[0] in ("kvm", "tcg") else None
        wanted = [alone] if alone else accels if full else ["tcg"]
        more = {k: v for part, words_of in GUEST_OF_MACHINE.items()
                if part in name for k, v in words_of.items()}
        for accel in [a for a in accels if a in wanted]:
            out.append(Case(
                f"machine/{accel}/{machine.split(',')[0]}, {name}", "machine",
                "trace", accel, config_of(row, kdbg="encoded", **more), row,
                cpus, machine, ram_mib=mib, extra=words[1:] if alone else words,
                poll_hz=2000))
    return out


def cases(every, accels, full):
    out = full_rows(every, accels) if full else quick_rows(every, accels)
    out += unknown(every, accels, full) + builds(every, accels, full)
    out += overrides(every, accels) + reboots(every, accels)
    out += hostile(every, accels, full) + long_runs(every, accels, full)
    out += machines(every, accels, full)
    return out
