"""A whole machine for a test: started, talked to, and surely ended.

Talks QMP (also out-of-band) and QEMU's qtest protocol over unix sockets in a
folder that is removed afterwards.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import contextlib
import functools
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(TOP, 'tests', 'lib'))
from qemu import Qemu  # noqa: E402
from qmp import Qmp, QmpError  # noqa: E402,F401
from runner import Skip, full  # noqa: E402,F401

BUILD = os.environ.get('VMSCOPE_BUILD', os.path.join(TOP, 'build'))
QEMU = os.environ.get('VMSCOPE_QEMU',
                      os.path.join(BUILD, 'qemu-system-x86_64'))
ANALYZE = os.environ.get(
    'IRQLOG_ANALYZE', os.path.join(BUILD, 'core', 'tools', 'irqlog-analyze',
                                   'irqlog-analyze'))

_machines = []
_folders = []


def folder():
    """A new folder, gone after the test."""
    path = tempfile.mkdtemp(prefix='vmscope-vm-')
    _folders.append(path)
    return path


def clean_up():
    """End what the test started; fails if a sanitizer had something to say."""
    reports = []
    for machine in _machines:
        machine.stop()
        reports += machine.qemu.sanitizer_lines()
    _machines.clear()
    for path in _folders:
        shutil.rmtree(path, ignore_errors=True)
    _folders.clear()
    if reports:
        raise AssertionError('; '.join(reports[:5]))


class Qtest:
    """QEMU's protocol for driving devices without a guest."""

    def __init__(self, path):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._listener.settimeout(120)
        self._buffer = b''

    def accept(self):
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(120)
        self._listener.close()

    def command(self, text):
        self._socket.sendall(text.encode() + b'\n')
        while True:
            while b'\n' not in self._buffer:
                data = self._socket.recv(65536)
                if not data:
                    raise QmpError('QEMU closed the qtest socket')
                self._buffer += data
            line, self._buffer = self._buffer.split(b'\n', 1)
            words = line.decode().split()
            if words[0] == 'IRQ':
                continue
            if words[0] != 'OK':
                raise QmpError(f'qtest: {text}: {line.decode()}')
            return words[1:]

    def outl(self, port, value):
        self.command(f'outl {port:#x} {value:#x}')

    def inl(self, port):
        return int(self.command(f'inl {port:#x}')[0], 16)

    def writel(self, address, value):
        self.command(f'writel {address:#x} {value:#x}')

    def readl(self, address):
        return int(self.command(f'readl {address:#x}')[0], 16)

    def pci_write(self, slot, offset, value):
        self.outl(0xcf8, 0x80000000 | slot << 11 | offset)
        self.outl(0xcfc, value)

    def pci_read(self, slot, offset):
        self.outl(0xcf8, 0x80000000 | slot << 11 | offset)
        return self.inl(0xcfc)


class Machine:
    """One QEMU.  TCG unless the arguments name an accelerator."""

    def __init__(self, *arguments, qtest=False, oob=False, monitors=1,
                 pass_fds=(), qemu=None):
        self.folder = folder()
        _machines.append(self)
        self.qmps = []
        command = [qemu or QEMU, '-display', 'none', '-nodefaults',
                   '-no-user-config']
        if '-accel' not in arguments:
            command += ['-accel', 'qtest' if qtest else 'tcg']
        sockets = [self.path(f'qmp{i}') for i in range(monitors)]
        for path in sockets:
            command += ['-qmp', f'unix:{path},server=on,wait=off']
        if qtest:
            self.qtest = Qtest(self.path('qtest'))
            command += ['-qtest', f'unix:{self.path("qtest")}']
        self.qemu = Qemu(command + list(arguments), self.path('stderr'),
                         pass_fds=pass_fds)
        self.process = self.qemu.process
        if qtest:
            self.qtest.accept()
        for path in sockets:
            self.qmps.append(self.qemu.qmp(path, oob=oob))

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def pid(self):
        return self.qemu.pid

    def cmd(self, name, _monitor=0, **arguments):
        """A QMP command; in arguments, underscores stand for dashes."""
        return self.qmps[_monitor].command(
            name,
            {key.replace('_', '-'): value for key, value in arguments.items()})

    def hmp(self, line):
        return self.cmd('human-monitor-command', command_line=line)

    def refused(self, name, **arguments):
        """What a command says that must not succeed."""
        try:
            self.cmd(name, **arguments)
        except QmpError as error:
            return str(error)
        raise AssertionError(f'{name} {arguments} was accepted')

    def stderr(self):
        return self.qemu.messages()

    def kill(self):
        self.qemu.kill()

    def quit(self):
        """An orderly end; returns the exit code."""
        self.cmd('quit')
        return self.process.wait(120)

    def stop(self):
        self.qemu.stop()


def read_all(machine, **filters):
    """Every event in the ring, by paging."""
    entries = []
    after = 0
    while True:
        page = machine.cmd('query-irq-log', after=after, max_entries=50000,
                           **filters)
        if not page:
            return entries
        entries += page
        after = max(entry['seq'] for entry in page)


@contextlib.contextmanager
def blocked_main_loop(machine):
    """QEMU's main loop waits in open() meanwhile; takes monitors 0 and 1."""
    fifo = machine.path('fifo')
    os.mkfifo(fifo)
    blocked = threading.Thread(target=lambda: machine.cmd(
        'pmemsave', val=0, size=4096, filename=fifo))
    probe = threading.Thread(target=lambda: machine.cmd(
        'query-name', _monitor=1))
    blocked.start()
    try:
        time.sleep(0.3)
        probe.start()
        probe.join(1)
        assert probe.is_alive(), 'the main loop was not blocked'
        yield
    finally:
        with open(fifo, 'rb') as reader:
            reader.read()
        blocked.join(20)
        probe.join(20)
    assert not blocked.is_alive()


def analyze(*arguments):
    """Run irqlog-analyze; returns (exit code, stdout, stderr)."""
    done = subprocess.run([ANALYZE, *arguments], capture_output=True,
                          timeout=300, stdin=subprocess.DEVNULL)
    return (done.returncode, done.stdout.decode(errors='replace'),
            done.stderr.decode(errors='replace'))


@functools.lru_cache(None)
def has_option(name):
    """Was this QEMU built with a command line option (of those in groups)?"""
    machine = Machine('-M', 'none')
    options = {option['option']
               for option in machine.cmd('query-command-line-options')}
    machine.quit()
    return name in options


def wait_for(what, condition, seconds=120):
    """Poll until a condition holds; fails with its name."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {seconds} s for {what}')
        time.sleep(0.02)


def ring_header(path):
    """Fields of a ring file, by docs/formats/ring-v1.md alone."""
    with open(path, 'rb') as ring:
        data = ring.read(4096)
    names = ('magic version header_size content n_rings entries n_words '
             'slot_size tables_offset tables_size heads_offset slots_offset '
             'size pid').split()
    return dict(zip(names, struct.unpack_from('<8sIIIIQIIQQQQQI', data)))
