# SPDX-License-Identifier: GPL-2.0-or-later
#
# What must hold in a stopped guest: every column of the CSV against the
# ground truth, found from the registers by a walk of our own.  The image,
# its exports and the KDBG block are image_checks.py's.

import bisect

from guestram import Fault, Space
from truth import PROCESS, THREAD

USER_TEB, USER_PEB, USER_CODE = 0x7FE20000, 0x7FE10000, 0x7FE00000
CREATE_TIME = 0x01DB0A0000000000
RUNNING, STANDBY, TERMINATED, WAITING, READY = 2, 3, 4, 5, 1


class Report:
    """Failures and what was compared"""

    def __init__(self):
        self.failures = []
        self.compared = 0
        self.columns = set()
        self.notes = {}
        self.boot_ms = self.rate = None

    def note(self, what, count=1):
        self.notes[what] = self.notes.get(what, 0) + count

    def expect(self, what, got, want):
        self.compared += 1
        if got != want:
            shown = [hex(v) if isinstance(v, int) else repr(v)
                     for v in (got, want)]
            self.failures.append(f"{what}: {shown[0]}, wanted {shown[1]}")

    def true(self, what, ok):
        self.compared += 1
        if not ok:
            self.failures.append(what)


def kernel_address(va):
    return bool(va >> 63)


def is_kpcr(space, row, va):
    """The Self test of discovery section g.3"""
    try:
        return (kernel_address(va)
                and space.u64(va + row["kpcr_self"]) == va
                and space.u64(va + row["kpcr_current_prcb"])
                == va + row["kpcr_prcb"])
    except Fault:
        return False


def kernel_space(ram, row, regs):
    """A usable kernel root from one vCPU's registers; None in a window"""
    levels = 5 if regs["cr4"] >> 12 & 1 else 4
    live = Space(ram, regs["cr3"], levels)
    if live.mapped(0xFFFFF78000000000):
        return live
    for gs in (regs["gs_base"], regs["k_gs_base"]):
        if not kernel_address(gs):
            continue
        at = gs + row["kpcr_prcb"] + row["x_kprcb_kernel_directory_table_base"]
        try:
            space = Space(ram, live.u64(at), levels)
        except Fault:
            continue
        if is_kpcr(space, row, gs):
            return space
    return None


class World:
    """A stopped guest: RAM, registers, truth, row, and the report"""

    def __init__(self, ram, truth, row, regs, report):
        self.ram, self.truth, self.row = ram, truth, row
        self.regs, self.report = regs, report
        self.space = next((s for s in (kernel_space(ram, row, r)
                                       for r in regs) if s), None)
        self.objects = {o.address: o for o in truth.objects() if o.live}

    def get(self, obj, col, size=8):
        self.report.columns.add(col)
        return self.space.num(obj + self.row[col], size)

    def same(self, obj, col, want, size=8, who=""):
        if self.row.has(col):
            self.report.expect(f"{who} {col}", self.get(obj, col, size), want)


def kvas(world):
    return bool(world.truth.flags & 1)


def check_cpu(w, index):
    """KPCR, PRCB, CurrentThread.  True if a switch was under way"""
    row, regs, r = w.row, w.regs[index], w.report
    cpu = w.truth.cpu(index)
    places = [g for g in (regs["gs_base"], regs["k_gs_base"])
              if is_kpcr(w.space, row, g)]
    r.expect(f"cpu{index}: KPCRs found from GS bases", places, [cpu["kpcr"]])
    if places != [cpu["kpcr"]]:
        return True
    kpcr = places[0]
    prcb = kpcr + row["kpcr_prcb"]
    who = f"cpu{index}"
    r.columns.add("kpcr_prcb")
    w.same(kpcr, "kpcr_self", kpcr, who=who)
    w.same(kpcr, "kpcr_current_prcb", prcb, who=who)
    w.same(prcb, "kprcb_number", index, 4, who)
    w.same(prcb, "kprcb_idle_thread", cpu["idle"], who=who)
    w.same(prcb, "x_kprcb_nesting_level", 0, 1, who)
    w.same(prcb, "x_kprcb_dpc_routine_active", 0, 1, who)
    if row.has("x_kprcb_processor_state"):
        at = prcb + row["x_kprcb_processor_state"]
        r.columns.add("x_kprcb_processor_state")
        r.expect(f"{who} ProcessorState.Cr3",
                 w.space.u64(at + 0x10) & ~0xFFF, w.truth.root)
        r.expect(f"{who} ProcessorState.Cr4",
                 w.space.u64(at + 0x18), regs["cr4"])
    if row.has("x_kprcb_kernel_directory_table_base"):
        r.columns.add("x_kprcb_kernel_directory_table_base")
        want = w.truth.root | 2 if kvas(w) else 0
        r.expect(f"{who} KernelDirectoryTableBase", w.space.u64(
            prcb + row["x_kprcb_kernel_directory_table_base"]), want)
    r.expect(f"{who} IDT", regs["idt"], w.truth.idt)
    current = w.get(prcb, "kprcb_current_thread")
    under_way = cpu["begin"] != cpu["end"]
    if under_way:
        r.true(f"{who} CurrentThread {current:#x} is neither old nor new",
               current in (cpu["old"], cpu["new"]))
        r.note("stops inside a switch")
        note_disagreement(w, current)
    else:
        r.expect(f"{who} CurrentThread", current, cpu["new"])
        w.same(prcb, "x_kprcb_ke_context_switches",
               cpu["switches"] & 0xFFFFFFFF, 4, who)
    r.note("CurrentThread compared")
    return under_way


def note_disagreement(w, current):
    """Inside a switch: does CurrentThread's own State say Running?"""
    try:
        if w.get(current, "kthread_state", 1) != RUNNING:
            w.report.note("CurrentThread and State disagree")
    except Fault:
        pass


def check_running(w, index):
    """Quiet stop: the current thread and the registers fit each other"""
    row, regs, r = w.row, w.regs[index], w.report
    cpu = w.truth.cpu(index)
    prcb = cpu["kpcr"] + row["kpcr_prcb"]
    thread = w.space.u64(prcb + row["kprcb_current_thread"])
    o = w.objects.get(thread)
    r.true(f"cpu{index}: current thread is no live object", bool(o))
    if not o:
        return
    if o.idle:
        check_idle_state(w, o, w.get(thread, "kthread_state", 1),
                         f"cpu{index} current")
    else:
        w.same(thread, "kthread_state", RUNNING, 1, f"cpu{index} current")
    w.same(thread, "x_kthread_running", 1, 1, f"cpu{index} current")
    w.same(thread, "x_kthread_next_processor", index, 4, f"cpu{index}")
    nxt = w.get(prcb, "kprcb_next_thread")
    if nxt:
        w.same(nxt, "kthread_state", STANDBY, 1, f"cpu{index} NextThread")
        r.note("standby threads seen")
    if regs["cs"] & 3:
        r.note("vCPUs stopped in user mode")
        r.true(f"cpu{index}: user mode but a kernel thread", o.user)
        r.true(f"cpu{index}: user RSP {regs['rsp']:#x} not on its stack",
               on_user_stack(o, regs["rsp"]))
        r.expect(f"cpu{index}: user GS base", regs["gs_base"], o.teb)
    elif regs["gs_base"] == cpu["kpcr"]:
        check_kernel_stack(w, index, o, cpu)
    else:
        r.note("vCPUs stopped in a swapgs window")


def on_user_stack(o, rsp):
    stack = 0x7FE80000 + (o.teb - USER_TEB) // 0x2000 * 0x2000
    return o.user and stack <= rsp <= stack + 0x1000


def check_kernel_stack(w, index, o, cpu):
    """RSP fits the current thread, but for a few entry instructions"""
    rsp = w.regs[index]["rsp"]
    base = w.space.u64(o.address + w.row["kthread_stack_base"])
    limit = w.space.u64(o.address + w.row["kthread_stack_limit"])
    if limit <= rsp <= base:
        return
    # The shadow entry keeps the root in RSP until CR3 is loaded; a system
    # call comes and goes with the user's RSP; interrupts under KVA shadow
    # come on the transition stack.
    window = (rsp == w.truth.root | 2 or on_user_stack(o, rsp)
              or cpu["transition"] - 0x1000 <= rsp <= cpu["transition"])
    w.report.true(f"cpu{index}: kernel RSP {rsp:#x} not on the stack "
                  f"{limit:#x}..{base:#x}", window)
    w.report.note("vCPUs stopped between two stacks")


def walk(w, head, limit=256):
    """Entries of a LIST_ENTRY ring; both directions must agree"""
    out, at = [], w.space.u64(head)
    while at != head:
        out.append(at)
        if len(out) > limit:
            w.report.true(f"list at {head:#x} does not close", False)
            return out
        nxt = w.space.u64(at)
        w.report.expect("Flink->Blink", w.space.u64(nxt + 8), at)
        at = nxt
    return out


def check_lists(w):
    """Process list and both thread lists hold exactly the live objects"""
    row, r = w.row, w.report
    system = w.truth.system
    head = w.truth.process_head
    links = walk(w, head)
    w.report.columns |= {"eprocess_active_process_links",
                         "kprocess_thread_list_head",
                         "eprocess_thread_list_head",
                         "kthread_thread_list_entry",
                         "ethread_thread_list_entry"}
    found = [at - row["eprocess_active_process_links"] for at in links]
    want = {o.address for o in w.objects.values() if o.kind == PROCESS
            and o.address != w.truth.idle_process}
    r.expect("processes in the list", sorted(found), sorted(want))
    r.true("System is not the first process", found[:1] == [system])
    for process in found + [w.truth.idle_process]:
        kernel = [at - row["kthread_thread_list_entry"] for at in walk(
            w, process + row["kprocess_thread_list_head"])]
        executive = [at - row["ethread_thread_list_entry"] for at in walk(
            w, process + row["eprocess_thread_list_head"])]
        r.expect("the two thread lists", kernel, executive)
        want = {o.address for o in w.objects.values()
                if o.kind == THREAD and o.process == process
                and not o.unlinked}
        r.expect("threads of a process", sorted(kernel), sorted(want))
        w.same(process, "x_eprocess_active_threads", len(kernel), 4)
    return found


def check_path(w, o, who):
    """SeAuditProcessCreationInfo: a pointer to a string, its text behind it"""
    if not o.name:
        return
    r = w.report
    at = w.row["eprocess_image_file_name"] + (
        0xB0 if w.row.build < 9200 else 0x18)
    r.expect(f"{who} pointer to its path", w.space.u64(o.address + at), o.name)
    r.expect(f"{who} path length", w.space.u16(o.name), o.name_bytes)
    if not o.name_bytes:
        return
    r.expect(f"{who} path text", w.space.u64(o.name + 8), o.name + 16)
    text = w.space.read(o.text, o.name_bytes).decode("utf-16-le")
    r.true(f"{who} path {text!r}", text.startswith("\\Device\\"))
    r.note("paths compared")


def check_process(w, o):
    who, r = f"process {o.pid}", w.report
    a = o.address
    r.expect(f"{who} type", w.space.u8(a), 3)
    w.same(a, "eprocess_unique_process_id", o.pid, who=who)
    w.same(a, "eprocess_directory_table_base", o.dtb, who=who)
    w.same(a, "eprocess_user_directory_table_base", o.extra, who=who)
    w.same(a, "eprocess_inherited_from", o.tid, who=who)
    w.same(a, "eprocess_peb", o.teb, who=who)
    w.same(a, "x_eprocess_create_time", o.stack, who=who)
    check_path(w, o, who)
    w.same(a, "x_eprocess_flags3", (1 if o.minimal else 0)
           | (1 << 12 if o.system else 0), 4, who)
    w.same(a, "x_eprocess_section_base", USER_CODE if o.teb else 0, who=who)
    r.columns.add("eprocess_image_file_name")
    r.expect(f"{who} ImageFileName", w.space.read(
        a + w.row["eprocess_image_file_name"], 15), o.image[:15])
    r.true(f"{who}: id not divisible by 4", o.pid % 4 == 0)
    if o.system:
        r.expect("System's id", o.pid, 4)
        r.expect("System's name", o.image.rstrip(b"\0"), b"System")
    check_roots(w, o, who)


def check_roots(w, o, who):
    """What the two roots translate, as KVA shadow has it"""
    r, levels = w.report, w.space.levels
    full = Space(w.ram, o.dtb, levels)
    r.true(f"{who}: kernel not in its root", full.mapped(w.truth.image_va))
    if not kvas(w):
        r.expect(f"{who} user root without KVA shadow", o.extra, 0)
        return
    r.expect(f"{who} DirectoryTableBase low bits", o.dtb & 0xFFF, 2)
    if o.elevated:
        r.expect(f"{who} elevated user root", o.extra, 1)
        return
    r.expect(f"{who} user root low bits", o.extra & 0xFFF, 1)
    user = Space(w.ram, o.extra, levels)
    lstar = w.truth.lstar
    r.true(f"{who}: user root shows the kernel",
           not user.mapped(w.truth.image_va) and user.mapped(lstar)
           and not user.mapped(w.truth.kuser))
    if o.teb:
        r.expect(f"{who} user page", user.pa(USER_PEB), full.pa(USER_PEB))


def check_name(w, o, who):
    r, row = w.report, w.row
    if not row.has("ethread_thread_name"):
        r.expect(f"{who} name on a row without the field", o.name, 0)
        return
    string = w.get(o.address, "ethread_thread_name")
    r.expect(f"{who} ThreadName", string, o.name)
    if not string:
        return
    r.note("thread names compared")
    r.expect(f"{who} name tag", w.space.read(string - 12, 4), b"ThNm")
    r.expect(f"{who} name length", w.space.u16(string), o.name_bytes)
    r.expect(f"{who} name room", w.space.u16(string + 2), o.name_bytes)
    r.expect(f"{who} name buffer", w.space.u64(string + 8), o.text)
    if o.unreadable:
        r.true(f"{who}: paged-out name is there",
               not w.space.mapped(o.text))
        r.note("unreadable names seen")
        return
    data = w.space.read(o.text, o.name_bytes)
    digest = 0x811C9DC5
    for byte in data if len(data) < 4096 else ():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    if len(data) < 4096:
        r.expect(f"{who} name hash", digest, o.name_hash)
    else:
        unit = "긴이름-long-🧵-".encode("utf-16-le")
        r.expect(f"{who} long name", data,
                 (unit * (len(data) // len(unit) + 1))[:len(data)])
        r.note("32,767-unit names seen")


def check_thread(w, o):
    row, r, a = w.row, w.report, o.address
    who = f"thread {o.tid}"
    r.expect(f"{who} type", w.space.u8(a), 6)
    w.same(a, "ethread_cid", o.pid, who=who)
    r.expect(f"{who} Cid.UniqueThread",
             w.space.u64(a + row["ethread_cid"] + 8), o.tid)
    w.same(a, "kthread_process", o.process, who=who)
    w.same(a, "kthread_teb", o.teb, who=who)
    base = o.stack
    limit = base - 6 * 0x1000
    w.same(a, "kthread_stack_base", base, who=who)
    w.same(a, "kthread_stack_limit", limit, who=who)
    w.same(a, "kthread_initial_stack", base - 0x10, who=who)
    r.true(f"{who} KernelStack", limit < w.get(a, "kthread_kernel_stack")
           < base)
    w.same(a, "ethread_start_address", o.extra, who=who)
    w.same(a, "ethread_win32_start_address", o.extra + (16 if o.user else 0),
           who=who)
    w.same(a, "x_ethread_create_time", 0 if o.idle else CREATE_TIME + o.serial,
           who=who)
    flags = (2 if o.user else 0x12) | (1 if o.unlinked else 0)
    w.same(a, "x_ethread_cross_thread_flags", flags, 4, who)
    w.same(a, "x_kthread_win32_thread", 0xFFFF900000000000 + o.serial * 0x1000
           if o.user else 0, who=who)
    w.same(a, "x_kthread_wait_irql", 2 if o.idle else 0, 1, who)
    build = row.build
    bit = 13 if build < 9200 else 12 if build < 14393 else 10
    w.same(a, "x_kthread_misc_flags", 0x100 if o.user else 1 << bit, 4, who)
    check_moving(w, o, who)
    check_name(w, o, who)


def check_idle_state(w, o, state, who):
    """Running, whoever runs, and Standby while somebody is to come"""
    prcb = next(c["kpcr"] for c in map(w.truth.cpu, range(len(w.regs)))
                if c["idle"] == o.address) + w.row["kpcr_prcb"]
    standby = w.get(prcb, "kprcb_next_thread") != 0
    w.report.expect(f"{who} State of an idle thread", state,
                    STANDBY if standby else RUNNING)


def check_moving(w, o, who):
    """Fields that change while the thread lives"""
    row, r, a = w.row, w.report, o.address
    cpus = len(w.regs)
    apc = w.get(a, "kthread_apcstate_process")
    index = w.get(a, "x_kthread_apc_state_index", 1)
    r.expect(f"{who} ApcStateIndex", index, 0 if apc == o.process else 1)
    if apc != o.process:
        r.note("attached threads seen")
        r.true(f"{who} attached to no live process", apc in w.objects)
    state = w.get(a, "kthread_state", 1)
    r.true(f"{who} state {state}", state in (READY, RUNNING, STANDBY,
                                             TERMINATED, WAITING))
    r.expect(f"{who} ended and State", state == TERMINATED, o.unlinked)
    on_cpu = any(c["new"] == a for c in map(w.truth.cpu, range(cpus)))
    r.expect(f"{who} Running", w.get(a, "x_kthread_running", 1),
             1 if on_cpu else 0)
    if o.idle:
        check_idle_state(w, o, state, who)
    else:
        r.expect(f"{who} State Running only on a CPU", state == RUNNING,
                 on_cpu)
    r.true(f"{who} priority", (0 if o.idle else w.get(
        a, "x_kthread_base_priority", 1)) <= w.get(a, "kthread_priority", 1)
        < 32)
    r.true(f"{who} next processor",
           w.get(a, "x_kthread_next_processor", 4) < cpus)
    r.true(f"{who} wait reason", w.get(a, "kthread_wait_reason", 1) <= 38)
    tick = w.space.u32(0xFFFFF78000000320)
    r.true(f"{who} wait time", w.get(a, "x_kthread_wait_time", 4) <= tick)
    r.true(f"{who} cycle time", w.get(a, "x_kthread_cycle_time")
           >= 1000 + o.serial)
    frame = w.get(a, "x_kthread_trap_frame")
    if frame:
        r.expect(f"{who} trap frame", frame, o.stack - 176)
        r.expect(f"{who} trap frame CS", w.space.u64(frame + 144), 0x33)


def check_quiet(w):
    """All of it; only when the guest's lock is free"""
    for index in range(len(w.regs)):
        check_running(w, index)
    check_lists(w)
    for o in w.objects.values():
        if o.kind == PROCESS and o.address != w.truth.idle_process:
            check_process(w, o)
        elif o.kind == THREAD:
            check_thread(w, o)
    check_scatter(w)
    check_shared_data(w)


def check_scatter(w):
    """Pages next to each other in the pool are not so in RAM"""
    near = total = split = 0
    for o in w.objects.values():
        if not w.truth.pool <= o.address < w.truth.pool + 0x1000000:
            continue
        size = w.row["ethread_size" if o.kind == THREAD else "eprocess_size"]
        first, last = o.address, o.address + size - 1
        if first >> 12 != last >> 12:
            split += 1
            total += 1
            near += (w.space.pa(last) >> 12) - (w.space.pa(first) >> 12) == 1
    w.report.true("no object lies in two frames", split > 0)
    w.report.true(f"{near} of {total} split objects lie in neighbouring "
                  "frames", near * 5 <= total)


def check_shared_data(w):
    r, s, base = w.report, w.space, 0xFFFFF78000000000
    build = w.truth.nt_build
    version = ((6, 1) if build < 9200 else (6, 2) if build < 9600
               else (6, 3) if build < 10000 else (10, 0))
    r.expect("KUSER version", (s.u32(base + 0x26C), s.u32(base + 0x270)),
             version)
    r.expect("KUSER build", s.u32(base + 0x260),
             build if build >= 10240 else 0)
    r.expect("KUSER processors", s.u32(base + 0x3C0), len(w.regs))


def check_row(w, columns):
    """The row the guest works with is the CSV's row, cell by cell"""
    for col, got in zip(columns, w.truth.row_in_force()):
        cell = w.row.cells[col]
        want = 0xFFFF if cell is None else 0xFFFE if cell == "" else cell
        w.report.expect(f"row in force: {col}", got, want)
    w.report.expect("columns", w.truth.columns, len(columns))


def check_ring(w):
    """The switch records tell one consistent story"""
    t, r = w.truth, w.report
    version, entries, _, cpus = t.shape()
    r.expect("truth version", version, 2)
    head = t.head
    records = t.switches()
    r.expect("overwritten records", t.overwritten, max(0, head - entries))
    r.expect("seq", [s.seq for s in records],
             list(range(head - len(records) + 1, head + 1)))
    last, counts, where = {}, {}, {}
    for s in records:
        old = last.get(s.cpu)
        if old:
            r.expect("a switch leaves the thread the last one chose",
                     (s.old, s.old_serial), (old.new, old.new_serial))
            r.true("time went back on a CPU", s.tsc >= old.tsc)
        r.true("a thread on two CPUs", where.get(s.new_serial, s.cpu)
               == s.cpu)
        where.pop(s.old_serial, None)
        where[s.new_serial] = s.cpu
        last[s.cpu] = s
        counts[s.new_serial] = counts.get(s.new_serial, 0) + 1
        r.note(f"reason {s.reason}")
    check_last(w, records, last)
    if head <= entries:
        for o in w.objects.values():
            if o.kind == THREAD:
                w.same(o.address, "kthread_context_switches",
                       counts.get(o.serial, 0), 4, f"thread {o.tid}")
        for i in range(cpus):
            r.expect(f"cpu{i} switches", t.cpu(i)["switches"],
                     sum(1 for s in records if s.cpu == i))
    r.note("switches recorded", head)
    return records


def check_last(w, records, last):
    """WaitReason and Priority against the newest record of each thread"""
    left = {s.old_serial: s for s in records}
    entered = {s.new_serial: s for s in records}
    for o in w.objects.values():
        if o.kind != THREAD or o.idle:
            continue
        out, into = left.get(o.serial), entered.get(o.serial)
        if into and (not out or into.seq > out.seq):
            w.same(o.address, "kthread_priority", into.new_priority, 1,
                   f"thread {o.tid} on a CPU")
        elif out:
            w.same(o.address, "kthread_wait_reason", out.wait_reason, 1,
                   f"thread {o.tid} off the CPUs")
    w.report.true("no record of some CPU", len(last) == len(w.regs)
                  or w.truth.head < 150 * len(w.regs))


def judge_samples(report, samples, truth, cpus):
    """
    What CurrentThread may have been, by the records alone: the thread of the
    last record before the sample, of one written meanwhile, or of the next
    one on that CPU, since a record follows its store.
    """
    per_cpu = [[] for _ in range(cpus)]
    for s in truth.switches():
        per_cpu[s.cpu].append(s)
    seqs = [[s.seq for s in records] for records in per_cpu]
    wrong = sure = early = 0
    threads = set()
    for cpu, before, value, after in samples:
        first = max(bisect.bisect_right(seqs[cpu], before) - 1, 0)
        last = bisect.bisect_right(seqs[cpu], after) + 1
        may = [s.new for s in per_cpu[cpu][first:last]]
        early += value != may[0] and before == after
        wrong += value not in may
        sure += before == after
        threads.add(value)
    report.expect(f"wrong ones of {len(samples)} samples", wrong, 0)
    report.true("samples of one thread only", len(threads) > 3)
    report.note("live samples that agree", len(samples) - wrong)
    report.note("live samples with no switch meanwhile", sure)
    report.note("live samples between a store and its record", early)
