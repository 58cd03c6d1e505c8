"""The one place that starts a QEMU: for the tests, the demo and the benches.

A Qemu is a process of ours in a session of its own, so that ^C reaches only
us; what it says goes to a file.  Every wait has an end, and it is ended by its
pid, whatever state it is in.  It leaves to others: the command line, what is
asked by QMP (qmp.py), and what guest memory means.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re
import subprocess

from qmp import Qmp, connect

SANITIZER = re.compile(r'runtime error:|(Address|Thread|Leak)Sanitizer')

_running = []


class Qemu:
    """One QEMU; `process` is its subprocess.Popen."""

    def __init__(self, command, messages, **popen):
        """@messages: path of the file that gets what QEMU prints."""
        self._messages = messages
        self._clients = []
        with open(messages, 'wb') as sink:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True, **popen)
        _running.append(self)

    @property
    def pid(self):
        return self.process.pid

    def has_ended(self):
        return self.process.poll() is not None

    def qmp(self, path, **options):
        """A QMP connection, greeted; stop() closes it."""
        client = Qmp(path, self.process, **options)
        self._clients.append(client)
        return client

    def connect(self, path, timeout=120):
        """A plain connection to one of its sockets; stop() closes it."""
        client = connect(path, self.process, timeout)
        self._clients.append(client)
        return client

    def wait(self, seconds=120):
        """Its exit code, or None when it did not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def messages(self):
        """What it has printed so far."""
        try:
            with open(self._messages, encoding='utf-8',
                      errors='replace') as said:
                return said.read()
        except FileNotFoundError:
            return ''

    def sanitizer_lines(self):
        return [line for line in self.messages().splitlines()
                if SANITIZER.search(line)]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, patience=5):
        """End it, kindly first.  May be called again."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        if not self.has_ended():
            self.process.terminate()
            if self.wait(patience) is None:
                self.kill()
        if self in _running:
            _running.remove(self)


def stop_all():
    """End every QEMU that was started here and is still there."""
    for qemu in list(_running):
        qemu.stop()

