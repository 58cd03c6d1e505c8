# SPDX-License-Identifier: GPL-2.0-or-later
#
# One QEMU with the NT test guest: its command line, stop, go on, registers
# by the gdb protocol, end; its sockets are in a directory of its own.  How a
# QEMU is started, asked and ended is tests/lib's; what guest memory means is
# left to others.

import os
import re
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
from qemu import Qemu                                       # noqa: E402
from qmp import QmpError as QemuError                       # noqa: E402

RUNNING = set()
MIB, GIB = 1 << 20, 1 << 30


def below_4g(machine, ram_mib):
    """
    Bytes of RAM below 4 GiB.
    Source: QEMU's hw/i386/pc_piix.c and pc_q35.c.
    """
    size = ram_mib * MIB
    said = re.search(r"max-ram-below-4g=(\d+)([MG])", machine)
    most = int(said[1]) * (GIB if said[2] == "G" else MIB) if said else None
    if machine.startswith("q35"):
        low = min(0x80000000 if size >= 0xB0000000 else 0xB0000000,
                  most or 4 * GIB)
    else:
        low = most or 0xE0000000
        if size >= low:
            low = min(low, 0xC0000000)
    return min(size, low)


def kill_all():
    for vm in list(RUNNING):
        vm.close()


class Gdb:
    """Just enough of the remote protocol to read registers"""

    def __init__(self, sock):
        self.sock = sock
        self.layout = None
        self.buf = b""

    def read_byte(self):
        if not self.buf:
            self.buf = self.sock.recv(65536)
            if not self.buf:
                raise QemuError("gdbstub closed")
        byte, self.buf = self.buf[:1], self.buf[1:]
        return byte

    def command(self, text):
        data = text.encode()
        self.sock.sendall(b"$" + data + b"#%02x" % (sum(data) & 255))
        while True:
            while self.read_byte() != b"$":
                pass
            out = b""
            while (byte := self.read_byte()) != b"#":
                out += byte
            self.read_byte()
            self.read_byte()
            self.sock.sendall(b"+")
            if not re.match(rb"[TSWX][0-9a-f]{2}", out) or text == "?":
                return out.decode("latin-1")

    def feature(self, name):
        out = ""
        while True:
            part = self.command(
                f"qXfer:features:read:{name}:{len(out):x},ffb")
            out += part[1:]
            if part[0] == "l":
                return out

    def load_layout(self):
        self.layout, at = {}, 0
        target = self.feature("target.xml")
        for name in re.findall(r'xi:include href="([^"]+)"', target):
            text = re.sub("<!--.*?-->", "", self.feature(name), flags=re.S)
            for reg in re.findall(r"<reg\s[^>]*>", text):
                bits = int(re.search(r'bitsize="(\d+)"', reg)[1])
                self.layout[re.search(r'name="([^"]+)"', reg)[1]] = (
                    at, bits // 8)
                at += bits // 8

    def registers(self, cpu):
        if self.layout is None:
            self.command("qSupported:xmlRegisters=i386")
            self.load_layout()
        self.command(f"Hg{cpu + 1:x}")
        raw = bytes.fromhex(self.command("g").replace("x", "0"))
        out = {}
        for name, (at, size) in self.layout.items():
            if size <= 8 and at + size <= len(raw):
                out[name] = int.from_bytes(raw[at:at + size], "little")
        return out


class Vm:
    def __init__(self, qemu, rom, config, accel="tcg", cpus=1, machine="pc",
                 cpu="qemu64,-pni", ram_mib=64, extra=()):
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="ntguest-", dir=shm)
        self.ram_path = os.path.join(self.dir, "ram")
        self.below_4g = below_4g(machine, ram_mib)
        self.console = os.path.join(self.dir, "debugcon")
        qmp, gdb = (os.path.join(self.dir, n) for n in ("qmp", "gdb"))
        with open(os.path.join(self.dir, "config"), "w",
                  encoding="utf-8") as f:
            f.write(config)
        args = [qemu, "-M", f"{machine},memory-backend=ram0,accel={accel}",
                "-cpu", cpu, "-m", str(ram_mib), "-smp", str(cpus),
                "-object", f"memory-backend-file,id=ram0,share=on,"
                f"mem-path={self.ram_path},size={ram_mib}M",
                "-nodefaults", "-vga", "none", "-display", "none",
                "-bios", rom, "-debugcon", f"file:{self.console}",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                "-fw_cfg", f"name=opt/vmscope/nt-config,"
                f"file={self.dir}/config",
                "-qmp", f"unix:{qmp},server=on,wait=off",
                "-gdb", f"unix:{gdb},server=on,wait=off", *extra]
        self.args = args
        self.started = time.monotonic()
        try:
            self.qemu = Qemu(args, os.path.join(self.dir, "stderr"))
        except OSError:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.proc = self.qemu.process
        RUNNING.add(self)
        self.gdb = None
        self.monitor = None
        self.qmp_path, self.gdb_path = qmp, gdb

    def qmp(self, execute, **arguments):
        try:
            if self.monitor is None:
                self.monitor = self.qemu.qmp(self.qmp_path)
            return self.monitor.command(execute, arguments)
        except QemuError as e:
            if self.qemu.has_ended():
                raise QemuError(f"{e}: {self.why()}") from None
            raise

    def stop(self):
        self.qmp("stop")

    def cont(self):
        self.qmp("cont")

    def registers(self, cpus):
        """Of each vCPU, of a stopped machine"""
        if self.gdb is None:
            self.gdb = Gdb(self.qemu.connect(self.gdb_path))
        regs = [self.gdb.registers(i) for i in range(cpus)]
        text = self.qmp("human-monitor-command",
                        **{"command-line": "info registers -a"})
        idts = re.findall(r"IDT=\s*([0-9a-f]+) ", text)
        for i in range(cpus):
            regs[i]["idt"] = int(idts[i], 16)
        return regs

    def wait(self, limit):
        return self.qemu.wait(limit)

    def text(self):
        try:
            with open(self.console, encoding="latin-1") as f:
                return f.read()
        except OSError:
            return ""

    def why(self):
        return (self.text() + self.qemu.messages()).strip()

    def close(self):
        RUNNING.discard(self)
        self.qemu.stop(2)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
