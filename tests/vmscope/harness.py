"""Runs of vmscope for tests: against a fake QEMU, on a terminal, by a pipe.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from fake_qmp import FakeQmp

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.append(os.path.join(TOP, 'tests', 'lib'))
from runner import Skip, full  # noqa: E402,F401
sys.path.append(os.path.join(TOP, 'tests', 'harness'))
BUILD = os.environ.get('VMSCOPE_BUILD', os.path.join(TOP, 'build'))
VMSCOPE = os.environ.get(
    'VMSCOPE', os.path.join(BUILD, 'core', 'tools', 'vmscope', 'vmscope'))
QEMU = os.environ.get('VMSCOPE_QEMU',
                      os.path.join(BUILD, 'qemu-system-x86_64'))
EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        'expected')

SANITIZER = re.compile(r'runtime error:|Sanitizer')

_closers = []


def folder():
    path = tempfile.mkdtemp(prefix='vmscope-test-')
    _closers.append(lambda: shutil.rmtree(path, ignore_errors=True))
    return path


def at_end(function):
    """Call it when the test has ended, before what was given earlier."""
    _closers.append(lambda: function() and None)


def clean_up():
    """End what the test started; fails if a fake QEMU had an error."""
    errors = []
    while _closers:
        errors += _closers.pop()() or []
    if errors:
        raise AssertionError(f'the fake QEMU failed: {errors[0]!r}')


def fake(world=None, mode='', listener=None):
    """A fake QEMU; its socket is at .path, or the one given."""
    qemu = FakeQmp(os.path.join(folder(), 'qmp'), world, mode, listener)

    def close():
        qemu.close()
        return qemu.errors
    _closers.append(close)
    return qemu


def environment(**more):
    plain = {key: value for key, value in os.environ.items()
             if not key.startswith('LC_') and
             key not in ('LANG', 'LANGUAGE', 'NO_COLOR', 'COLUMNS',
                         'LINES')}
    return {**plain, 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', **more}


class Result:
    def __init__(self, code, out, err, seconds):
        self.code = code
        self.out = out
        self.err = err
        self.seconds = seconds

    def objects(self):
        """The JSON objects on its lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def vmscope(*arguments, timeout=300, env=None, **popen):
    """Run it to its end."""
    started = time.monotonic()
    done = subprocess.run([VMSCOPE, *arguments], capture_output=True,
                          timeout=timeout, stdin=subprocess.DEVNULL,
                          env=environment(**(env or {})), **popen)
    err = done.stderr.decode()
    if SANITIZER.search(err):
        raise AssertionError(f'{arguments}: {err}')
    return Result(done.returncode, done.stdout.decode(), err,
                  time.monotonic() - started)


def interruptible():
    """A shell's background job ignores SIGINT, and its children would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments, env=None):
    """Start it; the test ends it, or the end of the test does."""
    process = subprocess.Popen([VMSCOPE, *arguments], text=True,
                               stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               preexec_fn=interruptible,
                               env=environment(**(env or {})))

    def end():
        if process.poll() is None:
            process.kill()
        process.communicate()
    _closers.append(end)
    return process


def wait_for(what, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {seconds} s for {what}')
        time.sleep(0.02)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f'{what}: {found!r}, not {wanted!r}')


HIDDEN = [
    (re.compile(r'/\S*/vmscope-test-\w+'), '/folder'),
    (re.compile(r'^-- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$', re.M), '-- (time)'),
]


def golden(name, text):
    """Compare with expected/NAME; UPDATE=1 writes it instead."""
    path = os.path.join(EXPECTED, name)
    for pattern, instead in HIDDEN:
        text = pattern.sub(instead, text)
    if os.environ.get('UPDATE'):
        os.makedirs(EXPECTED, exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
    with open(path, encoding='utf-8') as file:
        wanted = file.read()
    if text != wanted:
        sys.stdout.writelines(
            '  ' + line for line in difflib.unified_diff(
                wanted.splitlines(True), text.splitlines(True),
                f'expected/{name}', 'found'))
        raise AssertionError(f'{name} is different')


class Terminal:
    """vmscope in a terminal of its own, by tmux."""

    def __init__(self, *arguments, columns=80, rows=24, env=None):
        if not shutil.which('tmux'):
            raise Skip('tmux is not installed')
        self._socket = os.path.join(folder(), 'tmux')
        self._code = os.path.join(folder(), 'code')
        self.last = ''
        words = ['env', *(f'{key}={value}'
                          for key, value in (env or {}).items()),
                 VMSCOPE, *arguments]
        shell = ' '.join(f"'{word}'" for word in words)
        self._tmux('-f', '/dev/null', 'new-session', '-d', '-x', str(columns),
                   '-y', str(rows), f'{shell}; echo "$?" > {self._code}.new; '
                   f'mv {self._code}.new {self._code}; sleep 600')
        self._tmux('set-option', '-g', 'status', 'off')
        self._tmux('set-option', '-g', 'escape-time', '0')
        # the status line of the start took a row
        self.resize(columns, rows)
        _closers.append(self.close)

    def _tmux(self, *arguments):
        done = subprocess.run(['tmux', '-S', self._socket, *arguments],
                              capture_output=True, timeout=30,
                              env=environment())
        if done.returncode:
            raise AssertionError(f'tmux: {done.stderr.decode()}')
        return done.stdout.decode()

    def screen(self):
        self.last = self._tmux('capture-pane', '-p')
        return self.last

    def colours(self):
        """The screen with its escape sequences."""
        return self._tmux('capture-pane', '-p', '-e')

    def keys(self, *keys):
        for key in keys:
            self._tmux('send-keys', key)

    def type(self, text):
        self._tmux('send-keys', '-l', text)

    def resize(self, columns, rows):
        self._tmux('resize-window', '-x', str(columns), '-y', str(rows))

    def wait(self, text, seconds=120):
        """Until the screen has it; returns the screen."""
        try:
            wait_for(f'"{text}"', lambda: text in self.screen(), seconds)
        except AssertionError as error:
            raise AssertionError(f'{error} on:\n{self.last}') from None
        return self.last

    def wait_gone(self, text, seconds=120):
        wait_for(f'"{text}" to go', lambda: text not in self.screen(),
                 seconds)
        return self.last

    def exit_code(self):
        """Wait until it has ended."""
        wait_for('the end of vmscope', lambda: os.path.exists(self._code))
        with open(self._code, encoding='ascii') as file:
            return int(file.read())

    def process(self):
        """The pid of vmscope."""
        shell = int(self._tmux('display-message', '-p', '#{pane_pid}'))
        with open(f'/proc/{shell}/task/{shell}/children',
                  encoding='ascii') as file:
            return int(file.read().split()[0])    # env has become it

    def close(self):
        subprocess.run(['tmux', '-S', self._socket, 'kill-server'],
                       capture_output=True, timeout=30, check=False)
