# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which guests check-guest boots: the rows and variants, the refusals, the
# lies and how each lie shows.  How a guest is checked is said elsewhere.

import dataclasses
import struct

import rows
from guestram import Fault

# Sizes no structure in memory states; compared in the row in force only.
NOT_IN_MEMORY = {"kthread_size", "x_kprocess_size"}
KDBG = ("encoded", "plain", "absent", "damaged")
FORMS = ("plain", "mixed", "thunk", "endbr", "hotpatch")


@dataclasses.dataclass
class Case:
    name: str
    kind: str
    accel: str
    config: str
    row: rows.Row = None
    cpus: int = 1
    machine: str = "pc"
    cpu: str = "qemu64,-pni"
    kdbg: str = "encoded"
    pages: str = "small"
    search: bool = False
    stops: int = 2
    switches: int = 60
    pause: float = 0.03
    lie: str = ""
    exit_status: int = 0
    says: str = ""
    extra: tuple = ()
    ram_mib: int = 64


def probe():
    return Case("probe", "refusal", "kvm", "max-switches=5 seed=1",
                exit_status=33, says="nt: ready")


def world(row, accel, cpus, number, **more):
    """A case; what it does not fix follows from @number"""
    kdbg = more.pop("kdbg", KDBG[number % 4])
    kvas = more.pop("kvas", number // 4 % 2 == 0) and row.has(
        "x_kprcb_kernel_directory_table_base")
    pages = more.pop("pages", "large" if number % 3 == 1 else "small")
    levels = more.pop("levels", 4)
    form = FORMS[number % 5]
    machine = ("pc", "q35")[number // 2 % 2]
    config = (f"{row.parameters()} kdbg={kdbg} pages={pages} form={form} "
              f"kvas={'on' if kvas else 'off'} levels={levels} "
              f"decoys={'off' if number % 7 == 3 else 'on'} "
              f"low-stub={'off' if number % 5 == 2 else 'on'}\n")
    name = (f"{accel}/{cpus}cpu/{row.label()}/{kdbg}"
            f"{'/kvas' if kvas else ''}{'/la57' if levels == 5 else ''}"
            f"/{pages}/{form}/{machine}")
    cpu = "qemu64,-pni,+la57" if levels == 5 else "qemu64,-pni"
    return Case(name, "world", accel, config, row, cpus, machine, cpu, kdbg,
                pages, search=number % 12 == 0, **more)


def quick(every, accel):
    """Each row with 1, 2 and 4 CPUs; the other choices vary along"""
    out, number = [], 0 if accel == "kvm" else 5
    for i, row in enumerate(every):
        for turn, cpus in enumerate((1, 2, 4)):
            # Every row once encoded and twice otherwise.
            kdbg = "encoded" if turn == i % 3 else KDBG[1 + number % 3]
            out.append(world(row, accel, cpus, number, kdbg=kdbg))
            number += 1
    return out


def product(every, accel):
    out, number = [], 0
    for row in every:
        shadow = row.has("x_kprcb_kernel_directory_table_base")
        for kdbg in KDBG:
            for kvas in (False, True) if shadow else (False,):
                for cpus in (1, 2, 4):
                    out.append(world(row, accel, cpus, number, kdbg=kdbg,
                                     kvas=kvas))
                    number += 1
    return out


def extras(every, accel, full):
    """Five levels, made-up rows, many CPUs, reset"""
    out = []
    newest = every[-1]
    if accel == "tcg":
        for i, row in enumerate(every if full else every[::6]):
            out.append(world(row, accel, 1 + i % 3, i, levels=5))
    for seed in range(20 if full else 3):
        row = rows.made_up(every[(seed * 7 + 35) % len(every)], seed)
        out.append(world(row, accel, 1 + seed % 2, seed * 5))
    if accel == "tcg":
        out.append(world(newest, accel, 8, 0, switches=200))
    row = newest.parameters()
    out.append(Case(f"{accel}/churn", "churn", accel,
                    f"{row} spin=5000", newest, 2))
    out.append(Case(f"{accel}/live", "live", accel, row, newest, 2))
    out.append(Case(f"{accel}/window", "window", accel,
                    f"{row} window=200", newest, 2))
    for cpus in (1, 2):
        out.append(Case(f"{accel}/rate/{cpus}cpu", "rate", accel,
                        "spin=1 threads=24 churn=off attach=off "
                        "yield-percent=100", newest, cpus, switches=10))
    out.append(Case(f"{accel}/reader", "reader", accel,
                    f"{newest.parameters()} ring-entries=256\n", newest,
                    cpus=2, switches=600))
    big = world(newest, accel, 2, 1, ram_mib=1024, kdbg="encoded")
    big.config += "ring-entries=1048576\n"
    big.name += "/1GiB"
    out.append(big)
    high = world(newest, accel, 2, 2, ram_mib=4096, kdbg="encoded")
    high.config += "pool=high\n"
    high.name += "/above 4GiB"
    out.append(high)
    again = world(newest, accel, 2, 0)
    again.kind, again.name = "reset", again.name + "/reset"
    out.append(again)
    return out


REFUSALS = (
    ("build=12345", 35, "no such build and variant"),
    ("build=28000", 35, "the CSV row of this build is not complete"),
    ("build=7600 kvas=on", 35, "this row has no KVA shadow"),
    ("colour=blue", 35, "not a number: 'colour=blue'"),
    ("colour=7", 35, "no such parameter: 'colour'"),
    ("kdbg=maybe", 35, "not one of the values of this key: 'kdbg=maybe'"),
    ("tick-us=5", 35, "value out of range: 'tick-us'"),
    ("row=99", 35, "row number too large"),
    ("levels=5", 37, "this CPU has no LA57"),
    ("hostile=list-loop+lame", 35, "no such name: 'lame'"),
    ("kthread_state=0x90", 35, "overlaps"),
    ("kthread_state=0xfff0", 35, "lies outside its structure"),
    ("kthread_state=absent", 35, "this column cannot be absent"),
    ("base=0x1000", 35, "base: not a place for the image"),
    ("seed", 35, "no value after 'seed'"),
    ("ring-entries=100", 35, "ring-entries: not a power of two"),
    ("ring-entries=131072", 37, "ring-entries: not enough RAM"),
    ("pool=high", 37, "pool=high: needs 4 GiB of RAM"),
)


def refusals(accel):
    return [Case(f"{accel}/refuse/{text}", "refusal", accel, text,
                 exit_status=status, says=says)
            for text, status, says in REFUSALS]


def lies(every, accel):
    return [Case(f"{accel}/lie/{name}", "lie", accel,
                 f"{every[-1].parameters()} kdbg=plain hostile={name}"
                 + " interrupts=on" * (name in LIES_ABOUT_INTERRUPTS),
                 every[-1], 2, lie=name, switches=40)
            for name in LIES]


def cases(every, accels, full):
    out = []
    for accel in accels:
        out += product(every, accel) if full else quick(every, accel)
        out += extras(every, accel, full)
    for accel in accels if full else accels[-1:]:
        out += refusals(accel) + lies(every, accel)
    return out


# How each lie shows: a function of the stopped world.

def links(w):
    """Flinks from the process list's head until it ends or repeats"""
    out, at = [], w.truth.process_head
    while len(out) < 64:
        try:
            at = w.space.u64(at)
        except Fault as e:
            return out, str(e)
        if at == w.truth.process_head:
            return out, "closed"
        if at in out:
            return out, "loop"
        out.append(at)
    return out, "long"


def mmio(w, va):
    try:
        return w.space.pa(va) >= w.ram.size
    except Fault:
        return False


def thread_loops(w):
    head = w.row["eprocess_thread_list_head"]
    for o in w.objects.values():
        if o.kind == 1:
            first = w.space.u64(o.address + head)
            if w.space.u64(first) == first and first != o.address + head:
                return True
    return False


def name_past_page(w, huge):
    for o in w.objects.values():
        if o.kind != 2:
            continue
        at = w.space.u64(o.address + w.row["ethread_thread_name"])
        if not at or at & 7 or not w.space.mapped(at):
            continue
        size, text = w.space.u16(at), w.space.u64(at + 8)
        if w.space.mapped(text) and not w.space.mapped(text + 0x1000):
            return size == 0xFFFF if huge else size == 0xFFD
    return False


def header32(w, off):
    return w.space.u32(w.truth.image_va + 0x118 + off)


def directory(w, off):
    base = w.truth.image_va
    return w.space.u32(base + header32(w, 112) + off)


def export_names_lie(w):
    base, size = w.truth.image_va, w.truth.image_size
    at = base + directory(w, 32)
    first = [w.space.u32(at + 4 * i) for i in range(4)]
    return first[0] == size - 3 and first[2] == 0xFFFFFFFE


def accessor_code(w):
    """The slots' code: where the export table's first accessor leads"""
    base = w.truth.image_va
    count, names = directory(w, 24), base + directory(w, 32)
    for i in range(count):
        name = w.space.read(base + w.space.u32(names + 4 * i), 16)
        if name.startswith(b"PsGetProcessId\0"):
            funcs = base + directory(w, 28)
            return base + w.space.u32(funcs + 4 * i)
    return base


def accessor_loops(w):
    at, seen = accessor_code(w), set()
    while at not in seen and w.space.u8(at) == 0xE9:
        seen.add(at)
        at += 5 + struct.unpack("<i", w.space.read(at + 1, 4))[0]
    return at in seen


def tables_loop(w):
    slot = 0x105
    root = w.ram.u64(w.truth.root + slot * 8)
    return root & ~0xFFF == w.truth.root


def self_flips(w):
    return any(w.space.u64(w.truth.cpu(i)["kpcr"] + w.row["kpcr_self"])
               != w.truth.cpu(i)["kpcr"] for i in range(len(w.regs)))


def wild_current(w):
    for i in range(len(w.regs)):
        at = w.truth.cpu(i)["prcb"] + w.row["kprcb_current_thread"]
        if w.space.u64(at) not in w.objects:
            return True
    return False


def ids_lie(w):
    cid = w.row["ethread_cid"]
    values = [w.space.u64(o.address + cid + n)
              for o in w.objects.values() if o.kind == 2 for n in (0, 8)]
    return (1 << 64) - 1 in values and 7 in values


def rewritten(w):
    return any(w.space.u64(o.address
                           + w.row["eprocess_unique_process_id"]) != o.pid
               for o in w.objects.values() if o.kind == 1)


def wild_roots(w):
    values = [w.space.u64(o.address
                          + w.row["eprocess_directory_table_base"])
              for o in w.objects.values() if o.kind == 1]
    return 0x7FFFFFFFFFFFF000 in values and 0xFEE00000 in values


# The newest row's; the second file of offsets is not read here.
INTERRUPT_TIME, WAIT_LIST, WAIT_COUNT, WAIT_BLOCK = 0x8650, 0xD0, 0x24B, 0x140


def times_lie(w):
    return any(w.space.u32(w.truth.cpu(i)["prcb"] + INTERRUPT_TIME)
               == 0xFFFFFFFF for i in range(len(w.regs)))


def waits_lie(w):
    for o in w.objects.values():
        if o.kind != 2 or not w.space.u64(o.address + WAIT_LIST):
            continue
        thing = w.space.u64(o.address + WAIT_BLOCK + 0x20)
        if w.space.u64(o.address + WAIT_LIST) != o.address + WAIT_BLOCK \
                or w.space.u8(o.address + WAIT_COUNT) == 255 \
                or thing == 0x8000123412341230 or mmio(w, thing) \
                or w.space.u64(thing + 0x28) == o.address:
            return True
    return False


# Where the newest row has its array of interrupt objects.
INTERRUPT_OBJECT = 0x3900


def slots(w):
    """(CPU, vector, what the array has there) of all that are claimed"""
    for cpu in range(len(w.regs)):
        array = w.truth.cpu(cpu)["prcb"] + INTERRUPT_OBJECT
        for vector in range(256):
            at = w.space.u64(array + vector * 8)
            if at:
                yield cpu, vector, at


def routine(w, at):
    return w.space.u64(at + 0x20) or w.space.u64(at + 0x18)


def ring_loops(w):
    """The shared vector's third object leads to the second, or nowhere"""
    for cpu, vector, at in slots(w):
        second = w.space.u64(at + 8)
        if vector == 0x81 and cpu == 0:
            return w.space.u64(w.space.u64(second)) == second
    return False


def wrong_object(w):
    return any(w.space.u32(at) & 0xFFFF == 19 for _, vector, at in slots(w)
               if vector == 0x71)


LIES_ABOUT_INTERRUPTS = {
    "interrupt-loop": ring_loops,
    "interrupt-wild": lambda w: any(
        routine(w, at) == 0x8000123412341230 for _, vector, at in slots(w)
        if vector == 0x91),
    "interrupt-type": wrong_object,
    "interrupt-array": lambda w: any(
        mmio(w, at) for _, vector, at in slots(w) if vector == 0xB1),
}


def last_link(w):
    return links(w)[0][-1]


LIES = {
    "list-loop": lambda w: links(w)[1] == "loop",
    "list-hole": lambda w: "not present" in links(w)[1],
    "list-mmio": lambda w: mmio(w, last_link(w)),
    "thread-list-loop": thread_loops,
    "name-overrun": lambda w: name_past_page(w, False),
    "name-huge": lambda w: name_past_page(w, True),
    "pe-wrap": lambda w: header32(w, 112) == 0xFFFFF000,
    "pe-sizes": lambda w: directory(w, 20) == 0xFFFFFFFF,
    "export-overrun": export_names_lie,
    "accessor-loop": accessor_loops,
    "accessor-runaway": lambda w: w.space.read(
        accessor_code(w), 48) == b"\x90" * 48,
    "pt-self": tables_loop,
    "rewrite": rewritten,
    "self-flip": self_flips,
    "kdbg-lies": lambda w: w.space.u64(w.truth.kdbg + 0x10)
    == 0xFFFFFFFF4742444B,
    "cid-lies": ids_lie,
    "current-wild": wild_current,
    "dtb-wild": wild_roots,
    "time-lies": times_lie,
    "wait-lies": waits_lie,
    **LIES_ABOUT_INTERRUPTS,
}
