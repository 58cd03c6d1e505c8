"""What the tests of record, report and export share.

Made-up recordings and rings (make-trace, make-ring), runs of vmscope, and a
reader of recordings that is independent of it as far as CSV goes: figures are
computed here once more, from the events.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, '..', '..'))
BUILD = os.environ.get('VMSCOPE_BUILD', os.path.join(TOP, 'build'))
VMSCOPE = os.environ.get(
    'VMSCOPE', os.path.join(BUILD, 'core', 'tools', 'vmscope', 'vmscope'))
# make-trace and make-ring come from the same build as vmscope
PROGRAMS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(VMSCOPE)))), 'tests', 'vmscope-trace')
QEMU = os.environ.get('VMSCOPE_QEMU',
                      os.path.join(BUILD, 'qemu-system-x86_64'))
ROM = os.environ.get('VMSCOPE_ROM', os.path.join(BUILD, 'guest', 'nt.rom'))

_closers = []


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f'{what}: {found!r}, not {wanted!r}')


def wait_for(what, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {seconds} s for {what}')
        time.sleep(0.01)


def folder():
    path = tempfile.mkdtemp(prefix='vmscope-trace-')
    _closers.append(lambda: shutil.rmtree(path, ignore_errors=True))
    return path


def at_end(function):
    _closers.append(function)


def clean_up():
    """All of it, even when something cannot be ended."""
    failed = None
    while _closers:
        try:
            _closers.pop()()
        except Exception as error:
            failed = error
    if failed:
        raise failed


def environment(**more):
    plain = {key: value for key, value in os.environ.items()
             if not key.startswith('LC_') and key not in
             ('LANG', 'LANGUAGE', 'NO_COLOR')}
    return {**plain, 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', **more}


class Result:
    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err


def vmscope(*arguments, timeout=300, code=0, raw=False, **popen):
    """Run it to its end; code is what its exit code must be, None any."""
    done = subprocess.run([VMSCOPE, *arguments], capture_output=True,
                          timeout=timeout, stdin=subprocess.DEVNULL,
                          env=environment(), **popen)
    err = done.stderr.decode(errors='replace')
    if done.returncode < 0 or 'Sanitizer' in err or 'runtime error' in err:
        raise AssertionError(f'vmscope {arguments}: {done.returncode}\n{err}')
    if code is not None and done.returncode != code:
        raise AssertionError(f'vmscope {arguments}: exit code '
                             f'{done.returncode}, not {code}\n{err}')
    return Result(done.returncode, done.stdout if raw else
                  done.stdout.decode(), err)


class Running:
    """A vmscope that goes on; its messages are kept in a file."""

    def __init__(self, *arguments, **popen):
        self._errors = os.path.join(folder(), 'stderr')
        with open(self._errors, 'wb') as errors:
            self.process = subprocess.Popen(
                [VMSCOPE, *arguments], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=errors, env=environment(),
                **popen)
        at_end(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def signal(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def end(self, code=0, seconds=120):
        """Wait for its end; returns its messages."""
        try:
            found = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError('vmscope does not end') from None
        if code is not None:
            same(found, code, f'exit code ({self.messages()})')
        return self.messages()

    def messages(self):
        with open(self._errors, encoding='utf-8', errors='replace') as file:
            return file.read()

    def anonymous_kib(self):
        """Memory of its own, without what it maps of rings."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as file:
            for line in file:
                if line.startswith('RssAnon:'):
                    return int(line.split()[1])
        return 0


def make_trace(path, **options):
    subprocess.run([os.path.join(PROGRAMS, 'make-trace'), path] +
                   [f'{key}={value}' for key, value in options.items()],
                   check=True, timeout=120)
    return path


def script_trace(path, *lines):
    """A recording of the events that the lines say: see script.c."""
    subprocess.run([os.path.join(PROGRAMS, 'make-trace'), path, 'script=1'],
                   input='\n'.join(lines) + '\n', check=True, timeout=120,
                   text=True)
    return path


class Ring:
    """A program that writes rings like a QEMU, once it is told to."""

    def __init__(self, sched=True, irq=True, **options):
        self.folder = folder()
        self.sched = os.path.join(self.folder, 'sched.ring')
        self.irq = os.path.join(self.folder, 'irq.ring')
        command = [os.path.join(PROGRAMS, 'make-ring')]
        command += [f'sched={self.sched}'] if sched else []
        command += [f'irq={self.irq}'] if irq else []
        command += [f'{key}={value}' for key, value in options.items()]
        self.inputs = []
        self.inputs += ['--sched-ring', self.sched] if sched else []
        self.inputs += ['--irq-ring', self.irq] if irq else []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        at_end(self.kill)
        same(self.process.stdout.readline(), 'ready\n', 'make-ring')

    def go(self):
        self.process.stdin.write('x')
        self.process.stdin.flush()

    def done(self):
        same(self.process.stdout.readline(), 'done\n', 'make-ring')

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def rows(path, *arguments, code=0):
    """The events of a recording, by vmscope export --format csv."""
    text = vmscope('export', '--format', 'csv', *arguments, path,
                   code=code).out
    return list(csv.DictReader(io.StringIO(text, newline='')))


def counts(path):
    """How many of each kind a recording has; lost ones by their count."""
    found = {'switch': 0, 'irq': 0, 'lost-switches': 0, 'lost-irqs': 0}
    for row in rows(path):
        if row['event'] in ('switch', 'irq'):
            found[row['event']] += 1
        elif row['event'].startswith('lost-'):
            found[row['event']] += int(row['count'])
    return found


def report(path, *arguments, code=0):
    """What vmscope report --json says of it."""
    return json.loads(vmscope('report', '--json', '--top', '0', *arguments,
                              path, code=code).out)


def programs_are_built():
    return all(os.access(path, os.X_OK) for path in
               (VMSCOPE, os.path.join(PROGRAMS, 'make-trace'),
                os.path.join(PROGRAMS, 'make-ring')))


sys.path.append(os.path.join(TOP, 'tests', 'harness'))
sys.path.append(os.path.join(TOP, 'tests', 'vmscope'))
from fake_qmp import FakeQmp  # noqa: E402


def fake_qemu(world=None):
    """A QEMU that is none; its socket is at .path, .world.log has commands."""
    qemu = FakeQmp(os.path.join(folder(), 'qmp'), world)
    at_end(qemu.close)
    return qemu


sys.path.insert(0, os.path.join(TOP, 'tests', 'lib'))
from qemu import Qemu  # noqa: E402
from runner import Skip, full  # noqa: E402,F401


class Guest:
    """A real QEMU with the NT test guest, or another command line."""

    def __init__(self, *arguments, config='build=26100'):
        if not os.access(QEMU, os.X_OK) or not os.path.exists(ROM):
            raise Skip(f'{QEMU} or {ROM} is not built')
        self.folder = folder()
        self.path = os.path.join(self.folder, 'qmp')
        self.qemu = Qemu(
            [QEMU, '-name', 'test guest', '-M', 'q35', '-accel', 'tcg',
             '-m', '64', '-nodefaults', '-no-user-config', '-vga', 'none',
             '-display', 'none', '-bios', ROM,
             '-fw_cfg', f'name=opt/vmscope/nt-config,string={config}',
             '-qmp', f'unix:{self.path},server=on,wait=off',
             '-qmp', f'unix:{self.path}.2,server=on,wait=off',
             *arguments], os.path.join(self.folder, 'stderr'))
        self.process = self.qemu.process
        at_end(self.stop)
        self.qmp = self.qemu.qmp(self.path + '.2')
        if not self.qmp.has('windows-sched-trace-set'):
            raise Skip(f'{QEMU} has no scheduler trace')

    def stop(self):
        self.qemu.stop()

    def is_on(self):
        """Which traces are on: of the scheduler, of interrupts."""
        sched = self.qmp.command('query-windows-sched-trace-status')
        irq = self.qmp.command('query-irq-log-status')
        return sched['state'] != 'disabled', irq['enabled']
