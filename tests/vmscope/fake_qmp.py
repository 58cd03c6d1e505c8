"""A QEMU that is none: QMP on a unix socket, with answers made up here.

Time in it passes only when the status of a trace is asked for, by a fixed
step, so that what a tool prints does not depend on how fast the host is.
Everything wrong that a peer can do is a mode of it.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import bisect
import json
import os
import socket
import threading
import time

GREETING = {'QMP': {'version': {'qemu': {'micro': 2, 'minor': 0, 'major': 10},
                                'package': 'fake'},
                    'capabilities': ['oob']}}
SECOND = 1000000000


class CommandError(Exception):
    """What a command is refused with."""

    def __init__(self, text, kind='GenericError'):
        super().__init__(text)
        self.kind = kind


def thread(pid, tid, image, name='', priority=8):
    """A thread of the guest, as entries show it; @image may be bytes."""
    raw = image if isinstance(image, bytes) else image.encode()
    image = raw.decode('utf-8', 'backslashreplace')
    return {'thread-pointer': 0xffffc00000000000 + tid * 0x1000,
            'process-pointer': 0xffffd00000000000 + pid * 0x1000,
            'unique-process-id': pid, 'unique-thread-id': tid,
            'process-image': image,
            **({} if raw.isascii() else {'process-image-bytes': raw.hex()}),
            **({'thread-name': name} if name else {}),
            'kthread-state': 2, 'state-name': 'Running',
            'priority': priority}


def idle(vcpu):
    return {'thread-pointer': 0xfffff80000010000 + vcpu * 0x1000,
            'unique-process-id': 0, 'unique-thread-id': 0,
            'process-image': 'Idle', 'priority': 0, 'idle': True}


class Ring:
    """Entries with numbers and times; a ring of so many."""

    def __init__(self, entries=65536):
        self.entries = entries
        self.bytes = None   # an answer's, at most: then it holds fewer
        self.list = []
        self.late = {}      # seq: ns that its time is before its turn

    def add(self, time_ns, **members):
        self.list.append({'seq': len(self.list) + 1,
                          'timestamp-ns': time_ns, **members})

    def recorded(self, now_ns):
        """How many there are by then; times go up."""
        return bisect.bisect_right(self.list, now_ns,
                                   key=lambda entry: entry['timestamp-ns'])

    def overwritten(self, now_ns):
        return max(0, self.recorded(now_ns) - self.entries)

    def query(self, now_ns, arguments, matches):
        there = [entry for entry in self.list[self.overwritten(now_ns):
                                              self.recorded(now_ns)]
                 if matches(entry, arguments)]
        most = arguments.get('max-entries', 1000)
        if 'after' in arguments:
            there = [entry for entry in there
                     if entry['seq'] > arguments['after']][:most]
        else:
            there = there[-most:]
        return self.by_time(self.fitting(there, 'after' in arguments))

    def fitting(self, entries, from_oldest):
        """As many as fit, one at least."""
        if not self.bytes:
            return entries
        left, n = self.bytes, 0
        for entry in entries if from_oldest else reversed(entries):
            left -= len(json.dumps(entry))
            if left < 0 and n:
                break
            n += 1
        return entries[:n] if from_oldest else entries[len(entries) - n:]

    def by_time(self, entries):
        """As QEMU answers: by time, which need not be by number."""
        if not self.late:
            return entries
        return sorted(({**entry, 'timestamp-ns': entry['timestamp-ns'] -
                        self.late.get(entry['seq'], 0)}
                       for entry in entries),
                      key=lambda entry: entry['timestamp-ns'])


OFFSETS = [
    {'name': 'prcb-current-thread', 'value': 8, 'source': 'code',
     'agreed-by': ['code', 'table', 'kdbg'], 'standing': 'confirmed'},
    {'name': 'ethread-thread-name', 'value': 0x610, 'source': 'table',
     'agreed-by': ['table'], 'standing': 'unconfirmed',
     'doubt': 'no thread has a name yet'},
    {'name': 'kthread-wait-time', 'agreed-by': [], 'standing': 'unknown',
     'doubt': 'no source has it'},
]


class World:
    """What the fake QEMU knows.  Tests change it before they start."""

    def __init__(self):
        self.now_ns = 100 * SECOND
        self.step_ns = SECOND
        self.sched = Ring()
        self.irqs = Ring()
        self.sched_on = True
        self.irq_on = True
        self.lines_refused = 0
        self.state = 'active'
        self.reason = None
        self.name = 'win11'
        self.poll_hz = 1000
        self.n_vcpus = 2
        self.offsets = OFFSETS
        self.kvm = True
        self.extra_status = {}
        self.vcpu_members = {}
        # Commands this QEMU does not have.
        self.missing = {'query-windows-cpu-time', 'query-windows-waits',
                        'query-windows-interrupts',
                        'query-windows-processes',
                        'query-windows-thread-time'}
        self.processes = []     # of query-windows-processes
        self.interrupts = []    # of query-windows-interrupts
        self.objects = {}       # path: {name: (type, value)}
        self.vhost = set()      # paths of virtio devices that have it
        self.sample_rates = []  # the same of samples
        self.thread_rates = {}  # of each KTHREAD: (user, kernel) a second
        self.tick_rates = []    # of each vCPU: name: ticks in a second
        self.waits = []
        self.ring_file = None   # of the scheduler trace
        self.slow = 0           # seconds that an answer with entries takes
        self.largest = 0        # bytes of an answer
        self.log = []           # (command, arguments) as they came

    def clock(self):
        return {'monotonic-ns': self.now_ns,
                'realtime-ns': 1795400000 * SECOND + self.now_ns,
                'tsc': self.now_ns * 2}

    def vcpu(self, index):
        return {'vcpu': index, 'present': True, 'known': True,
                'kpcr': 0xfffff80000000000 + index * 0x10000, 'number': index,
                'samples': 90210, 'samples-exit': 210, 'samples-poll': 90000,
                'samples-exact': 0, 'switches': 4000, 'missed': 12,
                'read-faults': 0, 'implausible': 0, 'torn': 3,
                'cost-ns': 52000, 'longest-ns': 1800, **self.vcpu_members}

    def sched_status(self):
        self.now_ns += self.step_ns
        status = {'state': self.state if self.sched_on else 'disabled',
                  'mode': 'sampled', 'exact': False, 'poll-hz': self.poll_hz,
                  'offsets': [], 'vcpus': [], 'entries': self.sched.entries,
                  'recorded': self.sched.recorded(self.now_ns),
                  'overwritten': self.sched.overwritten(self.now_ns),
                  'clock': self.clock()}
        if self.reason:
            status['reason'] = self.reason
        if self.ring_file:
            status['ring-file'] = self.ring_file
        if self.sched_on and self.state in ('active', 'degraded'):
            status.update({
                'windows-build': 26100, 'windows-version': '10.0',
                'kernel-base': 0xfffff80312a00000,
                'kernel-file': {'timestamp': 0x6f1e2d3c, 'size': 21430272,
                                'version': '10.0.26100.1', 'exact': True},
                'offsets': self.offsets,
                'detection': {'attempts': 3, 'kernels': 1,
                              'last-ns': 12345678, 'reads': 4567,
                              'longest-vcpu-ns': 2100, 'kdbg': 'encoded',
                              'accessors': 7, 'kva-shadow': True,
                              'levels': 4, 'threads': 120, 'processes': 40},
                'vcpus': [self.vcpu(i) for i in range(self.n_vcpus)]})
        status.update(self.extra_status)
        return status

    def irq_status(self):
        self.now_ns += self.step_ns
        return {'enabled': self.irq_on, 'entries': self.irqs.entries,
                'recorded': self.irqs.recorded(self.now_ns),
                'overwritten': self.irqs.overwritten(self.now_ns),
                'lines': 3, 'lines-refused': self.lines_refused,
                'text': False, 'text-lost': 0, 'backtrace': 0,
                'msi': True, 'changes-only': False, 'clock': self.clock(),
                'load-base': 0x55fe0ec00000, 'build-id': '6c1f2e'}

    # Commands: the name with "_" for "-".

    def query_windows_sched_trace(self, arguments):
        def matches(entry, wanted):
            return all(entry.get(member) == wanted[key]
                       for key, member in (
                           ('filter-vcpu', 'vcpu'),
                           ('filter-pid', 'unique-process-id'),
                           ('filter-tid', 'unique-thread-id'))
                       if key in wanted)
        return self.sched.query(self.now_ns, arguments, matches)

    def query_windows_sched_trace_status(self, _):
        return self.sched_status()

    def query_windows_cpu_time(self, _):
        names = ('user', 'kernel', 'dpc', 'interrupt', 'idle', 'interrupts',
                 'dpcs', 'clock-interrupts')
        seconds = self.now_ns / SECOND
        return {'monotonic-ns': self.now_ns, 'ticks': int(seconds * 64),
                'tick-ns': 15625000,
                'vcpus': [{'vcpu': i, 'in-dpc': False,
                           **{name: int(rates.get(name, 0) * seconds) %
                              (1 << 32) for name in names},
                           **self.samples(i, seconds)}
                          for i, rates in enumerate(self.tick_rates)]}

    def samples(self, vcpu, seconds):
        if vcpu >= len(self.sample_rates):
            return {}
        return {f'samples-{name}': int(self.sample_rates[vcpu].get(name, 0) *
                                       seconds)
                for name in ('thread', 'dpc', 'interrupt', 'idle')}

    def query_windows_thread_time(self, arguments):
        seconds = self.now_ns / SECOND
        who = {entry['thread-pointer']: entry for entry in self.sched.list}
        found = []
        for number in arguments['threads']:
            thread = number % (1 << 64)         # above 2^63 it comes negative
            entry = who.get(thread, {})
            if thread in self.thread_rates and 'unique-thread-id' in entry:
                user, kernel = self.thread_rates[thread]
                found.append({'thread-pointer': thread,
                              'unique-process-id': entry['unique-process-id'],
                              'unique-thread-id': entry['unique-thread-id'],
                              'user': int(user * seconds) % (1 << 32),
                              'kernel': int(kernel * seconds) % (1 << 32)})
        return {'monotonic-ns': self.now_ns, 'tick-ns': 15625000,
                'threads': found}

    def query_windows_processes(self, _):
        return {'processes': self.processes}

    def query_windows_waits(self, arguments):
        if not self.waits:
            raise CommandError('there is no process '
                               f'{arguments["unique-process-id"]} in the '
                               "guest's list of processes")
        return self.waits

    def query_windows_interrupts(self, _):
        return {'interrupts': self.interrupts}

    def qom_list(self, arguments):
        if arguments['path'] not in self.objects:
            raise CommandError('no such object')
        return [{'name': name, 'type': kind} for name, (kind, _) in
                self.objects[arguments['path']].items()]

    def qom_get(self, arguments):
        try:
            return self.objects[arguments['path']][arguments['property']][1]
        except KeyError:
            raise CommandError('no such property') from None

    def x_query_virtio_status(self, arguments):
        if arguments['path'] in self.vhost:
            return {'name': 'virtio-net', 'vhost-started': True,
                    'vhost-dev': {}}
        return {'name': 'virtio-net', 'vhost-started': False}

    def query_irq_log(self, arguments):
        def matches(entry, wanted):
            return all(entry.get(member) == wanted[key]
                       for key, member in (('filter-line', 'irq-line'),
                                           ('filter-tid', 'host-tid'),
                                           ('filter-path', 'path'),
                                           ('filter-kind', 'kind'))
                       if key in wanted)
        return self.irqs.query(self.now_ns, arguments, matches)

    def query_irq_log_status(self, _):
        return self.irq_status()

    def windows_sched_trace_set(self, arguments):
        self.sched_on = arguments['enable']
        self.poll_hz = arguments.get('poll-hz', self.poll_hz)
        return {}

    def irq_log_set(self, arguments):
        self.irq_on = arguments['enable']
        return {}

    def query_name(self, _):
        return {'name': self.name} if self.name else {}

    def query_version(self, _):
        return GREETING['QMP']['version']

    def query_kvm(self, _):
        return {'enabled': self.kvm, 'present': True}

    def query_status(self, _):
        return {'running': True, 'status': 'running'}

    def query_cpus_fast(self, _):
        return [{'cpu-index': i, 'thread-id': 1000 + i, 'target': 'x86_64',
                 'qom-path': f'/machine/unattached/device[{i}]'}
                for i in range(self.n_vcpus)]

    def query_commands(self, _):
        return [{'name': name.replace('_', '-')} for name in dir(self)
                if name.startswith(('query_', 'windows_', 'irq_log'))
                and name.replace('_', '-') not in self.missing]

    def run(self, name, arguments):
        self.log.append((name, arguments))
        if self.slow and name in ('query-irq-log',
                                  'query-windows-sched-trace'):
            time.sleep(self.slow)
        function = getattr(self, name.replace('-', '_'), None)
        if name in self.missing or not function:
            raise CommandError(f'The command {name} has not been found',
                               'CommandNotFound')
        return function(arguments)

    def asked(self, name):
        """Arguments of each call of a command."""
        return [arguments for command, arguments in self.log
                if command == name]


class FakeQmp:
    """Serves a World on a socket, one client after the other.

    mode says what is wrong with it:
      ''             nothing
      'silent'       no greeting, as when somebody else is connected
      'chatter'      text instead of QMP, as of -monitor
      'close'        closes before it greets
      ('hang', N)    does not answer the Nth command any more
      ('die', N)     closes instead of answering the Nth command
      ('half', N)    closes in the middle of that answer
      ('junk', N)    answers with broken JSON
      'pretty'       JSON over many lines, in pieces of 7 bytes
      'events'       events between all answers
      'endless'      events without end and no answer
    """

    def __init__(self, path, world=None, mode='', listener=None):
        """@listener: a bound socket of any kind, instead of one at @path."""
        self.path = path
        self.world = world or World()
        self.mode = mode
        self.errors = []
        self.answered = 0
        self._ended = threading.Event()
        self._listener = listener or socket.socket(socket.AF_UNIX)
        if not listener:
            self._listener.bind(path)
        self._listener.listen(5)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._ended.is_set():
                client.close()
                return
            try:
                self._greet(client)
            except OSError:
                pass
            except Exception as error:      # seen by the test's end
                self.errors.append(error)
            client.close()

    def _greet(self, client):
        if self.mode == 'silent':
            self._ended.wait()
        elif self.mode == 'chatter':
            client.sendall(b"QEMU 10.0.2 monitor - type 'help' for more\r\n"
                           b'(qemu) ')
            self._ended.wait()
        elif self.mode != 'close':
            self._send(client, GREETING)
            self._talk(client)

    def _talk(self, client):
        buffer = b''
        while True:
            data = client.recv(65536)
            if not data:
                return
            buffer += data
            while b'}' in buffer:
                try:
                    request, used = json.JSONDecoder().raw_decode(
                        buffer.decode())
                except ValueError:
                    break       # not all of it is here
                buffer = buffer.decode()[used:].lstrip().encode()
                if not self._answer(client, request):
                    return

    def _answer(self, client, request):
        """False when the connection ends."""
        name = request.get('execute') or request.get('exec-oob')
        if name != 'qmp_capabilities':
            self.answered += 1
        what, number = (self.mode if isinstance(self.mode, tuple)
                        else (self.mode, 0))
        if number and number == self.answered:
            return self._fail(client, what)
        if what == 'endless':
            while not self._ended.is_set():
                self._send(client, self._event())
        if what == 'events':
            self._send(client, self._event())
        self._send(client, self._result(name, request))
        return True

    def _result(self, name, request):
        answer = {'id': request['id']} if 'id' in request else {}
        if name == 'qmp_capabilities':
            return {'return': {}, **answer}
        try:
            return {'return': self.world.run(name,
                                             request.get('arguments', {})),
                    **answer}
        except CommandError as error:
            return {'error': {'class': error.kind, 'desc': str(error)},
                    **answer}

    @staticmethod
    def _event():
        return {'event': 'RTC_CHANGE', 'data': {'offset': 1},
                'timestamp': {'seconds': 1, 'microseconds': 2}}

    def _fail(self, client, what):
        if what == 'hang':
            self._ended.wait()
        elif what == 'half':
            client.sendall(b'{"return": [{"seq": 1, "timestamp-ns": 2')
        elif what == 'junk':
            client.sendall(b'{"return": [1, 2,, ], "id": 3}\r\n')
            self._ended.wait()
        return False

    def _send(self, client, message):
        if self.mode == 'pretty':
            text = json.dumps(message, indent=4).encode() + b'\n'
            for start in range(0, len(text), 7):
                client.sendall(text[start:start + 7])
        else:
            data = json.dumps(message).encode() + b'\r\n'
            self.world.largest = max(self.world.largest, len(data))
            client.sendall(data)

    def close(self):
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        if os.path.exists(self.path):
            os.unlink(self.path)
