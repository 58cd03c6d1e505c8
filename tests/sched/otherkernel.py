# SPDX-License-Identifier: GPL-2.0-or-later
#
# ROMs that begin with something that is no Windows: firmware that finds
# nothing to boot, and a 64-bit kernel with Linux' addresses, which gives way
# to the NT guest after a flag in RAM and a reset.

import os
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = 0x20000
AT, VECTOR = -0xC00, -0x10      # from the end, which is that of 4 GiB
RAM_FLAG, FLAG_NT = 0x600, b"NT"


def empty_firmware(path):
    """A ROM that halts in real mode"""
    rom = bytearray(b"\xf4" * SIZE)
    rom[VECTOR:VECTOR + 4] = b"\xfa\xf4\xeb\xfd"        # cli; 1: hlt; jmp 1b
    with open(path, "wb") as f:
        f.write(rom)


def assembled(scratch):
    """The bytes of other-kernel.S, or OSError"""
    obj, out = (os.path.join(scratch, n) for n in ("other.o", "other.bin"))
    for command in (["gcc", "-c", "-o", obj, f"{HERE}/other-kernel.S"],
                    ["ld", "--no-warn-rwx-segments", "-Ttext=0xfffff400",
                     "-e", "start16", "--oformat=binary", "-o", out, obj]):
        subprocess.run(command, check=True, timeout=60,
                       stdin=subprocess.DEVNULL)
    with open(out, "rb") as f:
        return f.read()


def in_front(nt_rom, path, scratch):
    """The NT guest's ROM, with the other kernel at its reset vector"""
    with open(nt_rom, "rb") as f:
        rom = bytearray(f.read())
    code = assembled(scratch)
    room = rom[AT:VECTOR]
    if any(room) or len(code) > len(room):
        raise ValueError("no room for another kernel in the ROM")
    if rom[VECTOR:VECTOR + 3] != b"\xe9" + struct.pack(
            "<H", (0xF000 - 0xFFF3) & 0xFFFF):
        raise ValueError("the ROM's vector does not lead where it should")
    rom[AT:AT + len(code)] = code
    rom[VECTOR:VECTOR + 3] = b"\xe9" + struct.pack(
        "<H", (0xF400 - 0xFFF3) & 0xFFFF)
    with open(path, "wb") as f:
        f.write(rom)
