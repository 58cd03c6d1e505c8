# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel image as foreign tools see it: pages gathered by our walk, then
# objdump reads headers, exports and code (pefile too, where installed).  And
# the KDBG block, decoded by known plaintext, by its keys, and by the guest's
# own decoder's operands.

import re
import struct
import subprocess
import tempfile

from guestram import Fault

KDBG_TAG = 0x4742444B
M64 = (1 << 64) - 1
DATA_RVA, DATA_SIZE, INITKDBG_RVA = 0x480000, 0x70000, 0x2F0000


def gather(w):
    """The image's bytes and how many pages were there"""
    base, size = w.truth.image_va, w.truth.image_size
    out, present = bytearray(size), 0
    for rva in range(0, size, 0x1000):
        try:
            out[rva:rva + 0x1000] = w.space.read(base + rva, 0x1000)
            present += 1
        except Fault:
            pass
    return out, present


def as_file(image):
    """Sections' file offsets set to their RVAs, as unmapping tools do"""
    out = bytearray(image)
    pe, = struct.unpack_from("<I", out, 0x3C)
    count, = struct.unpack_from("<H", out, pe + 6)
    for i in range(count):
        at = pe + 24 + 240 + i * 40
        size, rva = struct.unpack_from("<II", out, at + 8)
        struct.pack_into("<II", out, at + 16, size, rva)
    return bytes(out)


def objdump(args, data):
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        return subprocess.run(["objdump", *args, f.name], check=True,
                              capture_output=True, text=True,
                              errors="replace").stdout


def exports_by_objdump(data, base):
    """name -> RVA, and the headers' text"""
    text = objdump(["-p"], data)
    addresses = [int(m[1], 16) for m in re.finditer(
        r"^\t\[\s*\d+\] \+base\[\s*\d+\] +([0-9a-f]+) (?:Export|Forwarder)",
        text, re.M)]
    names = {}
    for m in re.finditer(r"^\t\[\s*(\d+)\] (?:\+base\[\s*\d+\] +[0-9a-f]+ )?"
                         r"(\S+)$", text, re.M):
        names[m[2]] = addresses[int(m[1])]
    return names, text


def exports_by_pefile(data):
    try:
        import pefile
    except ImportError:
        return None
    pe = pefile.PE(data=data, fast_load=True)
    pe.parse_data_directories([pefile.DIRECTORY_ENTRY[
        "IMAGE_DIRECTORY_ENTRY_EXPORT"]])
    return {s.name.decode(): s.address
            for s in pe.DIRECTORY_ENTRY_EXPORT.symbols}


# export: (what must stand in its code, in objdump's words).  %col% is the
# column's offset; %a+b% a sum; %sys% the SystemThread bit.
CUR = ["mov +%gs:%kpcr_prcb+kprcb_current_thread%,%rax"]


def of_rcx(col, extra=0):
    return [f"mov +%{col}{'+8' if extra else ''}%\\(%rcx\\),%rax"]


def of_current(col, extra=0):
    return CUR + [f"mov +%{col}{'+8' if extra else ''}%\\(%rax\\),%rax"]


ACCESSORS = {
    "PsGetProcessId": of_rcx("eprocess_unique_process_id"),
    "PsGetProcessImageFileName":
        ["lea +%eprocess_image_file_name%\\(%rcx\\),%rax"],
    "PsGetProcessInheritedFromUniqueProcessId":
        of_rcx("eprocess_inherited_from"),
    "PsGetProcessPeb": of_rcx("eprocess_peb"),
    "PsGetProcessSectionBaseAddress": of_rcx("x_eprocess_section_base"),
    "PsGetProcessCreateTimeQuadPart": of_rcx("x_eprocess_create_time"),
    "PsGetThreadId": of_rcx("ethread_cid", 8),
    "PsGetThreadProcessId": of_rcx("ethread_cid"),
    "PsGetThreadProcess": of_rcx("kthread_process"),
    "PsGetThreadTeb": of_rcx("kthread_teb"),
    "PsGetThreadWin32Thread": of_rcx("x_kthread_win32_thread"),
    "PsGetThreadCreateTime": of_rcx("x_ethread_create_time"),
    "PsIsThreadTerminating":
        ["mov +%x_ethread_cross_thread_flags%\\(%rcx\\),%eax",
         "and +\\$0x1,%al"],
    "PsIsSystemThread": ["mov +%x_kthread_misc_flags%\\(%rcx\\),%eax",
                         "shr +\\$%sys%,%eax", "and +\\$0x1,%al"],
    "KeQueryPriorityThread": ["lea +0x[0-9a-f]+\\(%rip\\),%rax",
                              "cmp +%rax,%kthread_process%\\(%rcx\\)",
                              "movsbl %kthread_priority%\\(%rcx\\),%eax"],
    "PsGetCurrentThread": CUR,
    "KeGetCurrentThread": CUR,
    "PsGetCurrentProcess": of_current("kthread_apcstate_process"),
    "IoGetCurrentProcess": of_current("kthread_apcstate_process"),
    "PsGetCurrentThreadProcess": of_current("kthread_process"),
    "PsGetCurrentThreadId": of_current("ethread_cid", 8),
    "PsGetCurrentThreadProcessId": of_current("ethread_cid"),
    "PsGetCurrentThreadStackBase": of_current("kthread_stack_base"),
    "PsGetCurrentThreadStackLimit": of_current("kthread_stack_limit"),
    "IoGetInitialStack": of_current("kthread_initial_stack"),
    "PsGetCurrentThreadTeb":
        ["mov +%gs:%kpcr_prcb+kprcb_current_thread%,%rcx",
         "testl +\\$%sysmask%,%x_kthread_misc_flags%\\(%rcx\\)",
         "cmpb +\\$0x1,%x_kthread_apc_state_index%\\(%rcx\\)",
         "mov +%kthread_teb%\\(%rcx\\),%rax"],
    "KeGetCurrentProcessorNumberEx":
        ["mov +%gs:%kpcr_current_prcb%,%rax",
         "mov +%kprcb_number%\\(%rax\\),%eax"],
    "KeBugCheckEx": ["mov +%gs:%kpcr_current_prcb%,%rcx",
                     "add +\\$%x_kprcb_processor_state%,%rcx"],
}


# Fields without a column, by the listing of the 19041 family; elsewhere 0.
LISTED = {
    "PsGetProcessExitStatus": ["mov +0x7d4\\(%rcx\\),%eax"],
    "PsGetProcessWow64Process": ["mov +0x580\\(%rcx\\),%rax",
                                 "test +%rax,%rax", "jne"],
    "KeQueryRuntimeThread": ["mov +0x2dc\\(%rcx\\),%eax",
                             "mov +%eax,\\(%rdx\\)",
                             "mov +0x28c\\(%rcx\\),%eax"],
    "PsGetCurrentThreadPreviousMode": CUR + ["mov +0x232\\(%rax\\),%al"],
    "KeAreApcsDisabled": CUR + ["cmpl +\\$0x0,0x1e4\\(%rax\\)",
                                "setne +%al"],
}


def wanted_code(row):
    """What each export's code must have in it, on this row"""
    listed = LISTED if 19041 <= row.build <= 19045 else {
        name: ["xor +%eax,%eax"] for name in LISTED}
    return {**ACCESSORS, **listed}


def pattern(row, text):
    def value(m):
        if m[1] in ("sys", "sysmask"):
            bit = 13 if row.build < 9200 else 12 if row.build < 14393 else 10
            return hex(1 << bit) if m[1] == "sysmask" else hex(bit)
        total = 0
        for part in m[1].split("+"):
            total += int(part) if part.isdigit() else row[part]
        return hex(total)
    return re.sub(r"%([a-z][a-z_0-9+]*)%", lambda m: value(m)
                  if m[1] not in ("gs:",) else m[0], text)


def code_of(image, rva):
    """64 bytes, or where a leading jmp rel32 leads"""
    if image[rva] == 0xE9:
        rva += 5 + struct.unpack_from("<i", image, rva + 1)[0]
    return bytes(image[rva:rva + 48])


def check_accessors(w, image, exports):
    r, row = w.report, w.row
    accessors = wanted_code(row)
    blob = b"".join(code_of(image, exports[n]) + b"\x90" * 16
                    for n in accessors)
    text = objdump(["-D", "-b", "binary", "-mi386:x86-64",
                    "--no-show-raw-insn"], blob)
    lines = {}
    for m in re.finditer(r"^\s*([0-9a-f]+):\s+(.*)$", text, re.M):
        lines.setdefault(int(m[1], 16) // 64, []).append(m[2].strip())
    for i, (name, wanted) in enumerate(accessors.items()):
        if name == "PsGetProcessSectionBaseAddress" and not row.has(
                "x_eprocess_section_base"):
            continue
        code = lines[i]
        end = next((n for n, c in enumerate(code) if c.startswith("ret")
                    and name != "KeQueryPriorityThread"), len(code))
        body = "\n".join(code[:end + 1])
        for want in wanted:
            exact = pattern(row, want)
            r.true(f"{name}: no '{exact}' in its code:\n{body}",
                   re.search(exact, body) is not None)
        if name == "KeBugCheckEx":
            continue
        r.true(f"{name}: no ret", any(c.startswith("ret") for c in code))
    check_idle_operand(w, image, exports)


def check_idle_operand(w, image, exports):
    """KeQueryPriorityThread's lea names the static idle process"""
    rva = exports["KeQueryPriorityThread"]
    code = code_of(image, rva)
    if image[rva] == 0xE9:
        rva += 5 + struct.unpack_from("<i", image, rva + 1)[0]
    at = code.index(b"\x48\x8d\x05")
    target = rva + at + 7 + struct.unpack_from("<i", code, at + 3)[0]
    w.report.expect("KeQueryPriorityThread's idle process",
                    w.truth.image_va + target, w.truth.idle_process)


def check_image(w, pages):
    """Headers, exports, data exports; @pages is large or small"""
    r, t, row = w.report, w.truth, w.row
    image, present = gather(w)
    total = len(image) // 0x1000
    r.expect("MZ", bytes(image[:2]), b"MZ")
    if pages == "small":
        r.true("all image pages are present", present < total * 0.9)
    data = as_file(image)
    exports, text = exports_by_objdump(data, t.image_va)
    r.true(f"only {len(exports)} exports", len(exports) > 2000)
    r.expect("names sorted as a loader needs", list(exports),
             sorted(exports))
    r.true("export name", "ntoskrnl.exe" in text)
    r.true("machine", re.search(r"pei-x86-64", text) is not None)
    size = int(re.search(r"SizeOfImage\s+([0-9a-f]+)", text)[1], 16)
    r.expect("SizeOfImage", size, t.image_size)
    if row.identity:
        at, = struct.unpack_from("<I", image, 0x3C)
        stamp, = struct.unpack_from("<I", image, at + 8)
        r.expect("published PE timestamp and size", (stamp, size),
                 row.identity)
        r.note("published PE identities compared")
    r.expect("ImageBase", int(re.search(
        r"ImageBase\s+([0-9a-f]+)", text)[1], 16), t.image_va)
    other = exports_by_pefile(data)
    if other is not None:
        r.expect("objdump's and pefile's exports agree",
                 {n: v & 0xFFFFFFFF for n, v in exports.items()}, other)
        r.note("images parsed by pefile too")
    check_accessors(w, image, exports)
    check_data_exports(w, exports)
    check_handlers(w)
    return image


def check_data_exports(w, exports):
    r, t, s = w.report, w.truth, w.space
    at = {n: t.image_va + v for n, v in exports.items()}
    r.expect("PsInitialSystemProcess", s.u64(at["PsInitialSystemProcess"]),
             t.system)
    r.expect("NtBuildNumber", s.u32(at["NtBuildNumber"]),
             0xF0000000 | t.nt_build)
    r.expect("NtBuildLab", s.read(at["NtBuildLab"], 5),
             b"%05d" % t.nt_build)
    r.expect("KeNumberProcessors", s.u8(at["KeNumberProcessors"]),
             len(w.regs))
    r.expect("KdDebuggerEnabled", s.u8(at["KdDebuggerEnabled"]), 0)
    r.expect("KdDebuggerNotPresent", s.u8(at["KdDebuggerNotPresent"]), 1)
    head = at["PsLoadedModuleList"]
    modules, entry = [], s.u64(head)
    while entry != head and len(modules) < 10:
        length, text = s.u16(entry + 0x58), s.u64(entry + 0x60)
        modules.append((s.read(text, length).decode("utf-16-le"),
                        s.u64(entry + 0x30), s.u32(entry + 0x40)))
        entry = s.u64(entry)
    want = [("ntoskrnl.exe", t.image_va, t.image_size)]
    if t.flags >> 5 & 1:
        want += [("hal.dll", t.decoy_below, 0x4000),
                 ("lookalike.sys", t.decoy_driver, 0x4000)]
    r.expect("PsLoadedModuleList", modules, want)


def check_handlers(w):
    """LSTAR and IDT[0] lie in the sections they should"""
    r, t, s = w.report, w.truth, w.space
    low = s.u64(t.idt)
    handler = (low & 0xFFFF | (low >> 48) << 16
               | (s.u64(t.idt + 8) & 0xFFFFFFFF) << 32)
    shadow = t.flags & 1
    low, size = ((0x430000, 0x10000) if shadow else (0x200000, 0xE0000))
    for what, va in (("LSTAR", t.lstar), ("IDT[0]", handler)):
        rva = va - t.image_va
        r.true(f"{what} at RVA {rva:#x}, not in its section",
               low <= rva < low + size)
    if shadow:
        check_shadow_code(w)


def check_shadow_code(w):
    """The handler's gs: displacement is where the kernel root stands"""
    code = w.space.read(w.truth.lstar, 64)
    text = objdump(["-D", "-b", "binary", "-mi386:x86-64",
                    "--no-show-raw-insn"], code)
    s = (w.row["kpcr_prcb"]
         + w.row["x_kprcb_kernel_directory_table_base"])
    for want in ("swapgs", f"mov +%rsp,%gs:{s + 16:#x}\\b",
                 f"mov +%gs:{s:#x},%rsp", f"btl +\\$0x1,%gs:{s + 24:#x}\\b",
                 "mov +%rsp,%cr3", f"mov +%gs:{s + 8:#x},%rsp"):
        w.report.true(f"shadow handler lacks '{want}'",
                      re.search(want, text) is not None)


def rol(v, n):
    n &= 63
    return (v << n | v >> (64 - n)) & M64 if n else v


def bswap(v):
    return int.from_bytes(v.to_bytes(8, "little"), "big")


def by_plaintext(words, base):
    """Discovery section b.5: the rotation that shows tag and size"""
    out = []
    for n in range(64):
        p = base ^ bswap(rol(words[3] ^ words[2], n))
        if p & 0xFFFFFFFF == KDBG_TAG and 0x2C8 <= p >> 32 <= 0x400:
            out.append([base ^ bswap(rol(words[3] ^ x, n)) for x in words])
    return out


def by_keys(words, never, always, flag):
    return [bswap(rol(x ^ never, never & 0xFF) ^ flag) ^ always
            for x in words]


def find_blocks(w, image):
    """Every plausible block in .data: plain, or by known plaintext"""
    base, found = w.truth.image_va, []
    data = bytes(image[DATA_RVA:DATA_RVA + DATA_SIZE])
    words = struct.unpack(f"<{DATA_SIZE // 8}Q", data)
    for i in range(len(words) - 128):
        if words[i + 2] & 0xFFFFFFFF == KDBG_TAG and words[i + 3] == base:
            found.append(base + DATA_RVA + i * 8)
        elif (words[i + 2] and words[i + 3]
              and by_plaintext(words[i:i + 4], base)):
            found.append(base + DATA_RVA + i * 8)
    return found


KDBG_FIELDS = {
    0x298: "x_kthread_next_processor", 0x29A: "kthread_teb",
    0x29C: "kthread_kernel_stack", 0x29E: "kthread_initial_stack",
    0x2A0: "kthread_apcstate_process", 0x2A2: "kthread_state",
    0x2A8: "eprocess_size", 0x2AA: "eprocess_peb",
    0x2AC: "eprocess_inherited_from",
    0x2AE: "eprocess_directory_table_base", 0x2B0: "x_kprcb_size",
    0x2B4: "kprcb_current_thread", 0x2BC: "x_kprcb_processor_state",
    0x2BE: "kprcb_number", 0x2C0: "ethread_size", 0x2E0: "x_kpcr_size",
    0x2E2: "kpcr_self", 0x2E4: "kpcr_current_prcb", 0x2E6: "kpcr_prcb",
}
KDBG_SIZES = ((26100, 0x3A0), (17763, 0x380), (14393, 0x368), (9200, 0x360),
              (0, 0x340))


def check_fields(w, plain):
    r, t = w.report, w.truth
    block = struct.pack(f"<{len(plain)}Q", *plain)
    size = plain[2] >> 32
    want = next(s for b, s in KDBG_SIZES if w.row.build >= b)
    r.expect("KDBG tag", plain[2] & 0xFFFFFFFF, KDBG_TAG)
    r.expect("KDBG size", size, want)
    r.expect("KDBG KernBase", plain[3], t.image_va)
    r.expect("KDBG PsActiveProcessHead", plain[0x50 // 8], t.process_head)
    array = plain[0x218 // 8]
    for i in range(len(w.regs)):
        r.expect("KiProcessorBlock", w.space.u64(array + i * 8),
                 t.cpu(i)["prcb"])
    for off, col in KDBG_FIELDS.items():
        r.columns.add(col)
        r.expect(f"KDBG {off:#x} {col}",
                 struct.unpack_from("<H", block, off)[0], w.row[col])
    if size >= 0x360:
        r.expect("KDBG StackLimit, StackBase",
                 struct.unpack_from("<II", block, 0x340),
                 (w.row["kthread_stack_limit"], w.row["kthread_stack_base"]))
        r.expect("KDBG IdleThread", struct.unpack_from("<H", block, 0x350)[0],
                 w.row["kprcb_idle_thread"])
        r.expect("KDBG WaitReason", struct.unpack_from("<H", block, 0x35C)[0],
                 w.row["kthread_wait_reason"])
    if size >= 0x368:
        r.expect("KDBG PteBase", plain[0x360 // 8], t.self_map)


def check_decoder(w):
    """Operands of the code around the flag test lead to block and keys"""
    code = w.space.read(w.truth.image_va + INITKDBG_RVA, 128)
    base = w.truth.image_va + INITKDBG_RVA
    r = w.report

    def operand(opcode, extra, start=0):
        at = code.index(opcode, start)
        end = at + len(opcode) + 4 + extra
        return base + end + struct.unpack_from("<i", code,
                                               at + len(opcode))[0]

    r.expect("flag operand", operand(b"\x80\x3d", 1), w.truth.encoded_flag)
    r.expect("block operand", operand(b"\x48\x8d\x15", 0), w.truth.kdbg)
    r.expect("KiWaitNever operand", w.space.u64(operand(b"\x4c\x8b\x15", 0)),
             w.truth.never)
    r.expect("KiWaitAlways operand", w.space.u64(operand(b"\x48\x33\x05", 0)),
             w.truth.always)


def check_kdbg(w, kind, image, search):
    r, t = w.report, w.truth
    if search:
        found = find_blocks(w, image)
        want = [t.kdbg] if kind in ("plain", "encoded") else []
        r.expect(f"KDBG blocks found by searching ({kind})", found, want)
        r.note("images searched for KDBG blocks")
    if kind == "absent":
        r.expect("KDBG absent", t.kdbg, 0)
        return
    words = [w.space.u64(t.kdbg + i) for i in range(0, 0x3C0, 8)]
    tagged = words[2] & 0xFFFFFFFF == KDBG_TAG
    r.expect("KDBG tag readable", tagged, kind == "plain")
    r.expect("KdpDataBlockEncoded", w.space.u8(t.encoded_flag),
             1 if kind == "encoded" else 0)
    if kind == "plain":
        check_fields(w, words)
    elif kind == "encoded":
        ways = by_plaintext(words, t.image_va)
        r.expect("ways to decode", len(ways), 1)
        if ways:
            n = (ways[0][2] >> 32) // 8
            check_fields(w, ways[0][:n] + [0] * (0x78 - n))
            keyed = by_keys(words, t.never, t.always, t.encoded_flag)
            r.expect("both decodings agree", ways[0][:n], keyed[:n])
        check_decoder(w)
        r.note("encoded blocks decoded")


def check_neighbours(w, image):
    """The things to trip over are there"""
    r, t, s = w.report, w.truth, w.space
    if not t.flags >> 5 & 1:
        return
    r.true("decoy not below the kernel", t.decoy_below < t.image_va)
    r.expect("decoy MZ", s.read(t.decoy_below, 2), b"MZ")
    below = s.read(t.decoy_below, 0x4000)
    r.true("decoy's export name", b"HAL.dll\0" in below)
    driver = as_file(s.read(t.decoy_driver, 0x4000))
    names, _ = exports_by_objdump(driver, 0)
    r.true("the driver exports the kernel's names",
           set(ACCESSORS) | set(LISTED) <= set(names))
    r.expect("stray tag", s.u32(t.stray_kdbg + 0x10), KDBG_TAG)
    r.true("stray KernBase", s.u64(t.stray_kdbg + 0x18) != t.image_va)
    r.expect("MZ inside the kernel", bytes(image[0x1F0000:0x1F0002]), b"MZ")


def check_low_stub(w):
    ram, t, r = w.ram, w.truth, w.report
    hits = [pa for pa in range(0x1000, 0x100000, 0x1000)
            if ram.u64(pa) & 0xFFFFFFFFFFFF00FF == 0x00000001000600E9]
    r.expect("low stubs", hits, [t.low_stub] if t.low_stub else [])
    for pa in hits:
        r.expect("low stub root", ram.u64(pa + 0xA0), t.root)
        r.true("low stub entry", ram.u64(pa + 0x70) & 0xFFFFF80000000003 ==
               0xFFFFF80000000000)
