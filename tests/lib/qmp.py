"""A small QMP client: one QEMU, one unix socket, answers within a bound.

The only client of tests, demo and benches, with the standard library alone.
It leaves to others: starting QEMU (qemu.py), and what is asked.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import socket
import time


class QmpError(Exception):
    """A command QEMU refused, or no answer in time."""


def connect(path, process, timeout=120):
    """Connect to a unix socket that this QEMU is about to open."""
    deadline = time.monotonic() + timeout
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
        if process.poll() is not None:
            raise QmpError('QEMU ended at once')
        if time.monotonic() > deadline:
            raise QmpError(f'QEMU did not open {path} in {timeout} s')
        time.sleep(0.01)


class Qmp:
    """One connection; events are kept in `events` in the order they came."""

    def __init__(self, path, process, timeout=120, oob=False):
        self.events = []
        self._buffer = b''
        self._numbered = 0
        self._socket = connect(path, process, timeout)
        self._read('the greeting', lambda answer: 'QMP' in answer, timeout)
        self.command('qmp_capabilities', {'enable': ['oob']} if oob else None)

    def _message(self, timeout):
        """The next message, or None when none came in time."""
        deadline = time.monotonic() + timeout
        while b'\n' not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(1 << 20)
            except socket.timeout:
                return None
            except OSError as error:
                raise QmpError(f'QEMU hung up ({error})') from error
            if not data:
                raise QmpError('QEMU hung up')
            self._buffer += data
        line, self._buffer = self._buffer.split(b'\n', 1)
        return json.loads(line)

    def _read(self, what, wanted, timeout):
        deadline = time.monotonic() + timeout
        while True:
            answer = self._message(max(0, deadline - time.monotonic()))
            if answer is None:
                raise QmpError(f'no answer to {what} within {timeout} s')
            if wanted(answer):
                return answer
            if 'event' in answer:
                self.events.append(answer)

    def out_of_band(self, name, arguments=None, timeout=120):
        """The same for a command that does not wait for QEMU's main loop."""
        return self.command(name, arguments, timeout, 'exec-oob')

    def command(self, name, arguments=None, timeout=120, execute='execute'):
        """Run a command; returns what it returns."""
        self._numbered += 1
        request = {execute: name, 'id': self._numbered}
        if arguments:
            request['arguments'] = arguments
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(json.dumps(request).encode() + b'\n')
        except OSError as error:
            raise QmpError(f'QEMU hung up ({error})') from error
        answer = self._read(
            name, lambda a: a.get('id') == request['id'], timeout)
        if 'error' in answer:
            raise QmpError(f"{name}: {answer['error']['desc']}")
        return answer['return']

    def newest(self, name, count):
        """The newest entries that a query has, by paging, oldest first."""
        entries = []
        last = self.command(name, {'max-entries': 1})
        last = last[0]['seq'] if last else 0
        after = max(0, last - count)
        while after < last:
            page = self.command(name, {'after': after, 'max-entries': 1000})
            if not page:
                break
            entries += [entry for entry in page if entry['seq'] <= last]
            after = max(entry['seq'] for entry in page)
        return entries

    def has(self, name):
        """Does this QEMU know the command?"""
        return any(c['name'] == name for c in self.command('query-commands'))

    def poll_events(self, seconds):
        """Collect events for a while; returns all seen so far."""
        message = self._message(seconds)
        while message is not None:
            if 'event' in message:
                self.events.append(message)
            message = self._message(0)
        return self.events

    def close(self):
        self._socket.close()
