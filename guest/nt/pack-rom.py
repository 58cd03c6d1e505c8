#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the ROM: the linked kernel's sections, PE headers, the export
# directory, the two decoy images, and the reset code with the table of what
# is copied where.  Refuses an image with relocations: its base is chosen at
# boot.  What the headers leave open is filled in by image.c.

import re
import struct
import sys
import zlib

import exports

PE_AT = 0x100
ROM_TOP = 1 << 32
RDATA_END_ALIGN = 8


def numbers(path):
    out = {}
    for line in open(path, encoding="utf-8"):
        m = re.match(r"#define (\w+)\s+(0x[0-9a-f]+|\d+)\b", line)
        if m:
            out[m[1]] = int(m[2], 0)
    return out


class Elf:
    def __init__(self, path):
        self.raw = open(path, "rb").read()
        shoff, = struct.unpack_from("<Q", self.raw, 0x28)
        entsize, count, strndx = struct.unpack_from("<HHH", self.raw, 0x3A)
        heads = [struct.unpack_from("<IIQQQQIIQQ", self.raw,
                                    shoff + i * entsize)
                 for i in range(count)]
        names = heads[strndx]
        self.sections = {}
        for h in heads:
            self.sections[self.text(names[4] + h[0])] = h
        self.symbols = {}
        self.read_symbols(heads)

    def text(self, at):
        return self.raw[at:self.raw.index(b"\0", at)].decode()

    def read_symbols(self, heads):
        table = self.sections[".symtab"]
        strings = heads[table[6]][4]
        for at in range(table[4], table[4] + table[5], 24):
            name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", self.raw,
                                                         at)
            self.symbols[self.text(strings + name)] = value

    def data(self, name):
        h = self.sections[name]
        return h[3], (b"" if h[1] == 8 else self.raw[h[4]:h[4] + h[5]]), h[5]


def check_relocations(elf):
    for name, head in elf.sections.items():
        if name.startswith(".rel") and head[5]:
            raise SystemExit(f"{name}: the image must not need relocation")
    if ".got" in elf.sections and elf.sections[".got"][5]:
        raise SystemExit("the image must not have a GOT")


def export_directory(rva, name, table):
    """table: name -> RVA or forwarder string.  Returns the bytes."""
    names = sorted(table)
    count = len(names)
    funcs = rva + 40
    ptrs = funcs + count * 4
    ords = ptrs + count * 4
    at = ords + count * 2
    strings = bytearray(name.encode() + b"\0")
    name_rva, name_ptrs, addrs = at, [], []
    for n in names:
        name_ptrs.append(at + len(strings))
        strings += n.encode() + b"\0"
    for n in names:
        if isinstance(table[n], str):
            addrs.append(at + len(strings))
            strings += table[n].encode() + b"\0"
        else:
            addrs.append(table[n])
    head = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, name_rva, 1, count, count,
                       funcs, ptrs, ords)
    return (head + struct.pack(f"<{count}I", *addrs)
            + struct.pack(f"<{count}I", *name_ptrs)
            + struct.pack(f"<{count}H", *range(count)) + bytes(strings))


def debug_directory(rva):
    rsds = (b"RSDS" + bytes(range(0x10, 0x20)) + struct.pack("<I", 1)
            + b"ntkrnlmp.pdb\0")
    head = struct.pack("<IIHHIIII", 0, 0, 0, 0, 2, len(rsds), rva + 28,
                       rva + 28)
    return head + rsds


def pe_header(sections, dirs, entry, dll=False):
    """sections: (name, rva, size, flags); dirs: index -> (rva, size)"""
    out = bytearray(0x1000)
    out[0:2] = b"MZ"
    struct.pack_into("<I", out, 0x3C, PE_AT)
    stub = b"\x0e\x1f\xba\x0e\x00 vmscope NT test guest image"
    out[0x40:0x40 + len(stub)] = stub
    flags = 0x2022 if dll else 0x0022
    struct.pack_into("<4sHHIIIHH", out, PE_AT, b"PE\0\0", 0x8664,
                     len(sections), 0, 0, 0, 240, flags)
    opt = PE_AT + 24
    end = sections[-1][1] + sections[-1][2]
    struct.pack_into("<HBBIIIII", out, opt, 0x20B, 14, 20, 0xE0000, 0x70000,
                     0, entry, sections[0][1])
    struct.pack_into("<QIIHHHHHHIIIIHHQQQQII", out, opt + 24,
                     0x140000000, 0x1000, 0x200, 10, 0, 10, 0, 10, 0, 0, end,
                     0x400, 0, 1, 0x4160, 0x80000, 0x2000, 0x100000, 0x1000,
                     0, 16)
    for index, (rva, size) in dirs.items():
        struct.pack_into("<II", out, opt + 112 + index * 8, rva, size)
    raw = 0x400
    for i, (name, rva, size, sflags) in enumerate(sections):
        struct.pack_into("<8sIIIIIIHHI", out, opt + 240 + i * 40,
                         name.encode(), size, rva, size, raw, 0, 0, 0, 0,
                         sflags)
        raw += size
    return bytes(out)


CODE, RDATA, DATA, DISCARD = 0x68000020, 0x48000040, 0xC8000040, 0x62000020


def kernel_header(n, edata, debug, elf):
    sections = [
        (".rdata", n["RVA_RDATA"], 0x5F000, RDATA),
        (".edata", n["RVA_EDATA"], 0x20000, RDATA),
        (".pdata", 0x80000, 0x180000, RDATA),
        (".text", n["RVA_TEXT"], 0xE0000, CODE),
        ("POOLCODE", n["RVA_POOLCODE"], 0x10000, CODE),
        ("INITKDBG", n["RVA_INITKDBG"], 0x10000, CODE),
        ("PAGE", n["RVA_PAGE"], 0x130000, CODE),
        ("KVASCODE", n["RVA_KVASCODE"], 0x10000, CODE),
        ("PAGEKD", 0x440000, 0x40000, CODE),
        (".data", n["RVA_DATA"], 0x70000, DATA),
        ("ALMOSTRO", n["RVA_ALMOSTRO"], 0x20000, DATA),
        ("INIT", n["RVA_INIT"], 0x30000, DISCARD),
        (".reloc", n["RVA_RSRC"], 0xA9000, RDATA),
    ]
    dirs = {0: (n["RVA_EDATA"], edata), 6: (debug, 28)}
    return pe_header(sections, dirs, elf.symbols["boot_entry"])


def kernel_exports(n, elf):
    table = {}
    area = elf.symbols["accessor_area"]
    for i, name in enumerate(exports.ACCESSORS):
        table[name] = area + i * 64
    for name, symbol in exports.DATA.items():
        table[name] = elf.symbols[symbol]
    table.update(exports.FORWARDERS)
    for i, name in enumerate(exports.filler_names()):
        table[name] = n["RVA_PAGE"] + i * 0x60
    return table


def decoy_image(module, table, code):
    edata = export_directory(0x2000, module, table)
    head = pe_header([(".text", 0x1000, 0x1000, CODE),
                      (".edata", 0x2000, 0x2000, RDATA)],
                     {0: (0x2000, len(edata))}, 0x1000, dll=True)
    image = bytearray(0x4000)
    image[:0x1000] = head
    image[0x1000:0x1000 + len(code)] = code
    image[0x2000:0x2000 + len(edata)] = edata
    return bytes(image)


def decoys():
    """hal.dll below the kernel; a driver with the kernel's export names"""
    hal = {f"Hal{v}{w}": 0x1000 + 16 * i for i, (v, w) in enumerate(
        (a, b) for a in exports.VERBS[:8] for b in exports.NOUNS[:6])}
    wrong = b""
    table = {}
    for i, name in enumerate(exports.ACCESSORS):
        table[name] = 0x1000 + len(wrong)
        # mov rax, [rcx + a wrong offset]; ret
        wrong += b"\x48\x8b\x81" + struct.pack("<I", 0x111 * (i + 1)) + b"\xc3"
    return (decoy_image("HAL.dll", hal, b"\xc3" * 0x400),
            decoy_image("lookalike.sys", table, wrong))


def trimmed(data):
    """Without trailing zeros, padded to 8 bytes"""
    data = data.rstrip(b"\0")
    return data + bytes(-len(data) % 8)


def pieces(n, elf):
    image = n["IMAGE_PHYS"]
    out = []
    for name in (".rdata", ".text", "INITKDBG", "KVASCODE", ".data"):
        rva, data, _ = elf.data(name)
        out.append((trimmed(data), image + rva))
    edata = export_directory(n["RVA_EDATA"], "ntoskrnl.exe",
                             kernel_exports(n, elf))
    debug = n["RVA_EDATA"] + (len(edata) + 15 & ~15)
    blob = edata.ljust(debug - n["RVA_EDATA"], b"\0") + debug_directory(debug)
    if len(blob) > 0x20000 or elf.data("KVASCODE")[2] > 0x1000:
        raise SystemExit("a section outgrew its place")
    out.append((trimmed(blob), image + n["RVA_EDATA"]))
    out.append((trimmed(kernel_header(n, len(edata), debug, elf)), image))
    hal, driver = decoys()
    for data, base in ((hal, n["HAL_PHYS"]), (driver, n["DRIVER_PHYS"])):
        for page in range(0, len(data), 0x1000):
            part = trimmed(data[page:page + 0x1000])
            if part:
                out.append((part, base + page))
    return out


def main():
    elf_path, reset_path, phys, rom_path, map_path = sys.argv[1:6]
    n = numbers(phys)
    elf, reset = Elf(elf_path), Elf(reset_path)
    check_relocations(elf)
    parts = pieces(n, elf)
    total = sum(len(d) for d, _ in parts)
    size = 0x20000 if total <= 0x20000 - 0x1000 else 0x40000
    rom = bytearray(size)
    at, table = 0, b""
    for data, to in parts:
        rom[at:at + len(data)] = data
        table += struct.pack("<III", ROM_TOP - size + at, to, len(data) // 8)
        at += len(data)
    bss, _, bss_size = elf.data(".bss")
    table += struct.pack("<III", 0, n["IMAGE_PHYS"] + bss, (bss_size + 7) // 8)
    table += struct.pack("<III", 0, n["IMAGE_PHYS"]
                         + elf.symbols["boot_entry"], 0)
    for name in (".reset", ".vector"):
        va, data, _ = reset.data(name)
        rom[va - (ROM_TOP - size):va - (ROM_TOP - size) + len(data)] = data
    if len(table) > 12 * 16 or at > size - 0x1000:
        raise SystemExit("the ROM is full")
    where = reset.symbols["copy_table"] - (ROM_TOP - size)
    rom[where:where + len(table)] = table
    open(rom_path, "wb").write(rom)
    with open(map_path, "w", encoding="utf-8") as f:
        for name, value in sorted(elf.symbols.items(), key=lambda s: s[1]):
            if name:
                f.write(f"{value:#x} {name}\n")
    print(f"{rom_path}: {size // 1024} KiB, {at} bytes used, "
          f"crc {zlib.crc32(rom):08x}")


if __name__ == "__main__":
    main()
