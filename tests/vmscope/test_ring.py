"""vmscope top on QEMU's ring file: the same figures, without asking for them.

The ring is written by make-ring; the fake QEMU knows what is in it.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import csv
import io
import os
import shutil
import subprocess

from fake_qmp import Ring, World
from harness import (VMSCOPE, Skip, at_end, check, fake, folder, same, start,
                     vmscope)
from real import Guest

MAKE_RING = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(VMSCOPE)))), 'tests', 'vmscope-trace', 'make-ring')
MS = 1000000


class Maker:
    """A program that writes a ring file, as a QEMU does; it goes on living."""

    def __init__(self, path, **options):
        if not os.access(MAKE_RING, os.X_OK):
            raise Skip('make-ring is not built')
        self.path = path
        self.process = subprocess.Popen(
            [MAKE_RING, f'sched={path}', 'stop=0', 'hold=100000',
             *(f'{key}={value}' for key, value in options.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        at_end(self.end)
        same(self.process.stdout.readline(), 'ready\n', 'make-ring')
        self.process.stdin.write('x')
        self.process.stdin.flush()
        same(self.process.stdout.readline(), 'done\n', 'make-ring')

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def events(self):
        """What is in it, oldest first."""
        out = os.path.join(folder(), 't.vms')
        same(vmscope('record', '--sched-ring', self.path, '-o', out,
                     '--duration', '1ms').code, 0, 'record')
        text = vmscope('export', '--format', 'csv', out).out
        return [row for row in csv.DictReader(io.StringIO(text))
                if row['event'] == 'switch']


# Those that make-ring's guest has, as Windows names them.
STATES = {'1': 'Ready', '5': 'Waiting'}
REASONS = {'0': 'Executive', '4': 'DelayExecution', '6': 'UserRequest',
           '13': 'WrUserRequest', '15': 'WrQueue', '37': 'WrAlertByThreadId',
           '39': 'WrPhysicalFault'}


def entry(row):
    """As query-windows-sched-trace has it."""
    found = {'vcpu': int(row['vcpu']), 'origin': row['origin'],
             'thread-pointer': int(row['thread_pointer'], 16),
             'process-image': row['process'], 'thread-name': row['thread'],
             'previous-state-name': STATES.get(row['old_state'], ''),
             'wait-reason-name': REASONS.get(row['old_wait_reason'], '')}
    for key, name in (('unique-process-id', 'pid'),
                      ('unique-thread-id', 'tid'), ('priority', 'priority'),
                      ('missed', 'missed')):
        if row[name]:
            found[key] = int(row[name])
    if row['idle'] == '1':
        found['idle'] = True
    if row['old_thread_pointer']:
        found['previous-thread-pointer'] = int(row['old_thread_pointer'], 16)
    return {key: value for key, value in found.items() if value != ''}


def world_of(rows, entries=65536):
    world = World()
    world.n_vcpus = 4
    world.sched = Ring(entries)
    for row in rows:
        world.sched.add(int(row['monotonic_ns']), **entry(row))
    times = [e['timestamp-ns'] for e in world.sched.list]
    world.step_ns = (times[-1] - times[0]) // 8
    world.now_ns = times[0] - world.step_ns // 2
    return world


def intervals(world, n=6, env=None):
    result = vmscope('top', '--json', '-n', str(n), '-d', '50ms', '--qmp',
                     fake(world).path, env=env)
    same((result.code, result.err), (0, ''), 'exit code and messages')
    return result.objects()


def pages(world):
    """Questions for entries, but for those at the beginning."""
    return [a for a in world.asked('query-windows-sched-trace')
            if 'after' in a]


def test_same_figures():
    """Interval by interval what answers would have said."""
    ring = Maker(os.path.join(folder(), 'sched.ring'), events=4000,
                 rate=4000)
    rows = ring.events()
    check(len(rows) > 2000, f'{len(rows)} switches')
    plain = intervals(world_of(rows))
    world = world_of(rows)
    world.ring_file = ring.path
    found = intervals(world)
    same(pages(world), [], 'questions')
    for one, two in zip(plain, found):
        same((one.pop('from-ring'), two.pop('from-ring')), (False, True),
             'where from')
        same(two, one, 'interval')
    check(sum(i['switches'] for i in found) > 1000, 'so few switches')


def test_losses():
    """The ring has gone round since the last look: what is gone is counted."""
    ring = Maker(os.path.join(folder(), 'sched.ring'), events=20000,
                 entries=1024)
    rows = ring.events()
    same(len(rows), 1024, 'in the ring')
    head = numbers_given_out(ring.path)
    check(head > 10000, head)
    world = world_of(rows)
    for number, event in enumerate(world.sched.list):
        event['seq'] = head - 1023 + number
    world.now_ns -= 3 * world.step_ns
    world.sched.list.insert(0, {**world.sched.list[0], 'seq': 10,
                                'timestamp-ns': world.now_ns - 1})
    world.sched.recorded = lambda now: ([
        e['seq'] for e in world.sched.list if e['timestamp-ns'] <= now])[-1]
    world.sched.overwritten = lambda now: 0
    world.sched.query = lambda now, arguments, matches: [
        e for e in world.sched.list if e['timestamp-ns'] <= now and
        matches(e, arguments)][-arguments['max-entries']:]
    world.ring_file = ring.path
    found = intervals(world, n=12)
    same(pages(world), [], 'questions')
    same(sum(i['switches'] for i in found), 1024, 'switches')
    same(sum(i['lost'] for i in found), head - 1024 - 10, 'lost')


def numbers_given_out(path):
    """From the file; docs/formats/ring-v1.md."""
    with open(path, 'rb') as file:
        header = file.read(80)
        file.seek(int.from_bytes(header[56:64], 'little'))
        return int.from_bytes(file.read(8), 'little')


def test_not_that_ring():
    """Another machine's file of that name, or none: answers are asked for."""
    place = folder()
    ring = Maker(os.path.join(place, 'sched.ring'), events=2000, rate=4000)
    rows = ring.events()
    other = Maker(os.path.join(place, 'other.ring'), events=2000, rate=4000)
    junk = os.path.join(place, 'junk')
    with open(junk, 'wb') as file:
        file.write(os.urandom(100000))
    os.mkfifo(os.path.join(place, 'fifo'))
    plain = intervals(world_of(rows))
    for path in (other.path, junk, os.path.join(place, 'fifo'), place,
                 '/nowhere/ring', os.path.basename(ring.path), '/dev/null'):
        world = world_of(rows)
        world.ring_file = path
        same(intervals(world), plain, path)
        check(pages(world), 'no questions')


def test_ring_is_cut_short():
    """The file is lost on the way: answers go on where it ended."""
    place = folder()
    ring = Maker(os.path.join(place, 'sched.ring'), events=4000, rate=4000)
    rows = ring.events()
    copy = os.path.join(place, 'copy.ring')
    shutil.copy(ring.path, copy)
    plain = intervals(world_of(rows))
    world = world_of(rows)
    world.ring_file = copy
    answer = world.sched_status

    def status():
        if len(world.asked('query-windows-sched-trace-status')) == 5:
            os.truncate(copy, 100000)
        return answer()
    world.sched_status = status
    found = intervals(world)
    same([i.pop('from-ring') for i in found],
         [True, True, False, False, False, False], 'where from')
    for interval in plain:
        interval.pop('from-ring')
    same(found, plain, 'intervals')


def test_real_ring():
    """A trace that top turns on has a ring; nothing of it is left."""
    guest = Guest('build=26100 tick-us=500', 2)
    process = start('top', '--json', '-d', '300ms', '--qmp',
                    guest.sockets[0])
    lines = [process.stdout.readline() for _ in range(8)]
    path = guest.qmp('query-windows-sched-trace-status')['ring-file']
    check(os.path.exists(path), path)
    process.terminate()
    process.communicate(timeout=60)
    check(any('"from-ring": true' in line for line in lines), lines)
    check(not os.path.exists(os.path.dirname(path)), f'{path} is left')
    same(guest.state(), 'disabled', 'state afterwards')


def test_real_restart():
    """The trace is turned off and on by another: a fresh ring is followed."""
    guest = Guest('build=26100 tick-us=500', 2)
    path = os.path.join(folder(), 'sched.ring')
    guest.trace(**{'ring-file': path})
    process = start('top', '--json', '-d', '300ms', '--qmp',
                    guest.sockets[0])
    for _ in range(3):
        check('"from-ring": true' in process.stdout.readline(), 'first')
    guest.qmp('windows-sched-trace-set', enable=False)
    guest.trace(**{'ring-file': path})
    found = [process.stdout.readline() for _ in range(8)]
    process.terminate()
    process.communicate(timeout=60)
    check('"from-ring": true' in found[-1], found[-1][:300])
    check('"lost": 0' in found[-1], found[-1][:300])
