"""vmscope record: everything the rings held is in the file, or is counted.

The rings are made up and written by make-ring, as fast as it is asked to.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import fcntl
import glob
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time

from rig import (Ring, Running, Skip, VMSCOPE, at_end, check, counts,
                 fake_qemu, folder, full, report, rows, same, vmscope, wait_for)


def target(name='t.vms'):
    return os.path.join(folder(), name)


def record_all(ring, path, *options):
    """Record a ring from its first event to its stop; returns messages."""
    running = Running('record', *ring.inputs, '-o', path, *options)
    wait_for('the recording', lambda: os.path.exists(path) or glob.glob(
        path.replace('.vms', '.0001.vms')))
    ring.go()
    messages = running.end()
    ring.done()
    return messages


def test_everything():
    """With room in the rings nothing is lost, at full speed."""
    for entries in (65536,):
        path = target()
        said = record_all(Ring(events=60000, entries=entries), path)
        found = counts(path)
        same(found['switch'] + found['irq'], 60000, 'events')
        same(found['lost-switches'] + found['lost-irqs'], 0, 'lost')
        check('none lost' in said, said)
        same(report(path)['recording']['finished'], True, 'finished')


def mark_times(path):
    """Times of the marks of a recording, by docs/formats/trace-v1.md."""
    with open(path, 'rb') as file:
        data = file.read()
    at, found = 2048, []
    while at + 24 <= len(data):
        marker, kind, size = struct.unpack_from('<III', data, at)
        same(marker, 0x4b434d56, f'marker at {at}')
        if kind == 9:
            found.append(struct.unpack_from('<Q', data, at + 24)[0])
        at += 24 + size
    return found


def test_marks_of_an_old_ring():
    """What was read later did not go on until then."""
    ring = Ring(events=60000, entries=65536)
    ring.go()
    ring.done()
    time.sleep(1)
    path = target()
    vmscope('record', *ring.inputs, '-o', path)
    end = report(path)['end-ns']
    check(mark_times(path), 'marks')
    check(max(mark_times(path)) <= end, f'{mark_times(path)} after {end}')
    check(end < time.monotonic_ns() - 10**9, 'it ended long ago')


def test_one_kind_alone():
    for kind in ('switch', 'irq'):
        path = target()
        record_all(Ring(sched=kind == 'switch', irq=kind == 'irq',
                        events=10000), path)
        found = counts(path)
        check(found[kind] > 1000, f'{found}')
        check(found['irq' if kind == 'switch' else 'switch'] == 0, f'{found}')


def test_loss_is_counted():
    """Rings far too small: what is not there is counted, to the last one."""
    path = target()
    said = record_all(Ring(events=400000, entries=256), path)
    found = counts(path)
    same(sum(found.values()), 400000, f'events and lost ones of {found}')
    check(found['lost-switches'] > 0 and found['lost-irqs'] > 0, f'{found}')
    check('lost: use more --entries' in said, said)
    figures = report(path)
    same(figures['switches-lost'], found['lost-switches'], 'switches-lost')
    same(figures['interrupts-lost'], found['lost-irqs'], 'interrupts-lost')
    result = vmscope('report', path)
    check(' LOST' in result.out, 'the text tells of it')
    same(result.err, '', 'what the file does not tell of itself')


def figures_add_up(events):
    """At 200,000 events a second."""
    path = target()
    record_all(Ring(events=events, entries=262144, rate=200000), path)
    found = counts(path)
    same(sum(found.values()), events, f'events and lost ones of {found}')


def test_200000_a_second():
    figures_add_up(50000)


@full
def test_200000_a_second_for_long():
    figures_add_up(600000)


def test_memory_is_flat():
    """Memory does not grow with what was recorded."""
    ring = Ring(events=2000000, entries=65536, rate=400000)
    path = target()
    running = Running('record', *ring.inputs, '-o', path)
    wait_for('the recording', lambda: os.path.exists(path))
    ring.go()
    wait_for('the first MiB', lambda: os.path.getsize(path) > 1 << 20)
    early = running.anonymous_kib()
    wait_for('16 MiB', lambda: os.path.getsize(path) > 16 << 20)
    late = running.anonymous_kib()
    running.end()
    check(0 < early and late < early + 1024, f'{early} KiB, then {late} KiB')


def test_writer_killed():
    """QEMU dies: what its rings held is kept, and the recording ends."""
    path = target()
    ring = Ring(events=30000, stop=0, hold=100000)
    running = Running('record', *ring.inputs, '-o', path)
    wait_for('the recording', lambda: os.path.exists(path))
    ring.go()
    ring.done()
    ring.process.kill()
    running.end()
    found = counts(path)
    same(found['switch'] + found['irq'], 30000, 'events')
    same(report(path)['recording']['ended'], 'with QEMU', 'why it ended')


def test_writer_killed_at_work():
    path = target()
    ring = Ring(events=10000000, rate=100000)
    running = Running('record', *ring.inputs, '-o', path)
    wait_for('the recording', lambda: os.path.exists(path))
    ring.go()
    wait_for('some events', lambda: os.path.getsize(path) > 200000)
    ring.process.kill()
    running.end()
    found = counts(path)
    check(found['switch'] > 1000 and found['irq'] > 1000, f'{found}')
    # one that was being written when its writer died is lost, and counted
    check(found['lost-switches'] + found['lost-irqs'] <= 2, f'{found}')


def cut_while_recorded(left):
    """Records rings whose files are cut; returns the recording and messages."""
    path = target()
    ring = Ring(events=10000000, rate=50000)
    running = Running('record', *ring.inputs, '-o', path)
    wait_for('the recording', lambda: os.path.exists(path))
    ring.go()
    wait_for('some events', lambda: os.path.getsize(path) > 200000)
    # its writer maps the file and must not outlive it
    ring.process.send_signal(signal.SIGSTOP)
    os.truncate(ring.irq, left)
    said = running.end(1)
    ring.kill()
    return path, said


def test_ring_cut_short():
    """Cut while it is read: a sentence, and what was read is kept.

    It once ended by SIGBUS without a word.
    """
    for left in (0, 5000, 900000):
        path, said = cut_while_recorded(left)
        check('irq.ring: the ring file was cut short while it was read' in said
              and 'what was read of it is in the recording' in said, said)
        found = counts(path)
        check(found['switch'] > 1000 and found['irq'] > 1000, f'{found}')
        same(report(path)['recording']['ended'],
             'because the ring file was cut short', 'why it ended')


def test_dead_ring():
    """A ring whose writer is long dead is read all the same."""
    ring = Ring(events=5000, stop=0)
    ring.go()
    ring.done()
    ring.kill()
    path = target()
    vmscope('record', *ring.inputs, '-o', path)
    found = counts(path)
    same(found['switch'] + found['irq'], 5000, 'events')


def test_rings_of_two_processes():
    """They make no recording: which, and of whom, is said."""
    one, two = dead_ring(), dead_ring()
    other = dead_ring(base=0x55fe0fc00000)
    path = target()
    result = vmscope('record', '--sched-ring', one.sched, '--irq-ring',
                     two.irq, '-o', path, code=1)
    for words in (one.sched, two.irq, f'process {one.process.pid}',
                  f'process {two.process.pid}'):
        check(words in result.err, f'{words} in {result.err}')
    # a number that was used again: the program is elsewhere
    with open(one.irq, 'rb') as file:
        pid = file.read(84)[80:]
    same(struct.unpack('<I', pid)[0], one.process.pid, 'the process at 80')
    with open(other.irq, 'r+b') as file:
        file.seek(80)
        file.write(pid)
    result = vmscope('record', '--sched-ring', one.sched, '--irq-ring',
                     other.irq, '-o', path, code=1)
    check('another process' in result.err, result.err)
    check(not os.path.exists(path), 'a file was begun')


def test_switches_end_earlier():
    """Behind the end of its ring nobody is known to run."""
    ring = dead_ring(**{'irqs-after': 1500})
    path = target()
    said = vmscope('record', *ring.inputs, '-o', path).err
    found = re.search(r'the switches end ([\d.]+) s before', said)
    check(found and 1.5 <= float(found[1]) < 60, said)
    figures = report(path)
    length = figures['end-ns'] - figures['begin-ns']
    check(length > 1500000000, f'{length} ns long')
    for vcpu in figures['vcpus']:
        check(vcpu['unknown-ns'] >= 1490000000, f'{vcpu}')
    same(figures['switches-lost'], 0, 'lost')
    found = [row for row in rows(path) if row['event'].startswith('lost-')]
    same(found, [], 'losses in the export')
    for way in ('json', 'perfetto'):
        text = vmscope('export', '--format', way, path, raw=True).out
        check(b' lost' not in text, f'a loss in {way}')
    # both at once: the last thread ran until then
    ring = dead_ring()
    vmscope('record', *ring.inputs, '-o', path)
    figures = report(path)
    check(figures['unknown-ns'] < 100000000, f'{figures["unknown-ns"]}')


def test_interrupted():
    """SIGINT and SIGTERM at any moment: a finished file, exit code 0."""
    generator = random.Random(7)
    ring = Ring(events=10000000, rate=50000)
    ring.go()
    for number in range(12):
        path = target()
        running = Running('record', *ring.inputs, '-o', path)
        wait_for('the recording', lambda: os.path.exists(path))
        time.sleep(generator.random() * 0.2)
        running.signal(signal.SIGTERM if number % 3 == 0 else signal.SIGINT)
        running.end()
        same(report(path)['recording']['ended'], 'when asked to', 'why')


def test_interrupted_early():
    """Before the file is there, too: no crash, and 0 or 1."""
    generator = random.Random(8)
    ring = Ring(events=100)
    for _ in range(12):
        path = target()
        running = Running('record', *ring.inputs, '-o', path)
        time.sleep(generator.random() * 0.02)
        running.signal()
        running.end(code=None)
        check(running.process.returncode in (0, 1, -signal.SIGINT),
              f'exit code {running.process.returncode}')


def killed(times):
    """SIGKILL at any moment: the file is readable up to its last piece."""
    generator = random.Random(9)
    ring = Ring(events=10000000, rate=100000)
    ring.go()
    for _ in range(times):
        path = target()
        running = Running('record', *ring.inputs, '-o', path)
        wait_for('a piece', lambda: os.path.exists(path) and
                 os.path.getsize(path) > 4096)
        time.sleep(generator.random() * 0.6)
        running.kill()
        result = vmscope('report', '--json', path)
        check('was not finished' in result.err, result.err)
        sequence = [row['event'] for row in rows(path)]
        check(len(sequence) > 10, f'only {len(sequence)} events')


def test_killed():
    killed(2)


@full
def test_killed_often():
    killed(20)


def parts(path):
    return sorted(glob.glob(path.replace('.vms', '.*.vms')))


def test_rotation_by_size():
    path = target()
    record_all(Ring(events=300000, entries=262144, rate=300000), path,
               '--rotate-size', '512K')
    found = parts(path)
    check(len(found) > 4, f'{found}')
    total = 0
    for number, part in enumerate(found, 1):
        figures = report(part)
        same(figures['recording']['part'], number, 'part')
        total += figures['switches'] + figures['interrupts']
        check(os.path.getsize(part) < 3 << 20, 'size of a part')
        if number > 1:
            check(any(row['event'] == 'running' for row in rows(part)),
                  'a part says who was running when it began')
            # so that no time is unknown
            check(figures['unknown-ns'] <= 0.01 * (figures['busy-ns'] +
                                                  figures['idle-ns']),
                  f'{figures["unknown-ns"]} ns are unknown')
    same(total, 300000, 'events of all parts')


def test_rotation_keeps_the_newest():
    path = target()
    record_all(Ring(events=300000, entries=262144, rate=300000), path,
               '--rotate-size', '512K', '--keep', '2')
    found = parts(path)
    same(len(found), 2, 'parts')
    check('.0001.' not in found[0], f'{found}')


def test_rotation_by_time():
    path = target()
    record_all(Ring(events=100000, rate=50000), path, '--rotate-time', '400ms')
    found = parts(path)
    check(len(found) >= 3, f'{found}')
    same(sum(sum(counts(part).values()) for part in found), 100000, 'events')


def test_full_disk():
    """A disk that is full ends the recording; the file stays readable."""
    place = folder()
    if os.geteuid() != 0 or subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place],
            capture_output=True, check=False).returncode:
        raise Skip('a small disk cannot be mounted here')
    at_end(lambda: subprocess.run(['umount', '-l', place], check=False))
    path = os.path.join(place, 't.vms')
    ring = Ring(events=400000, entries=262144)
    running = Running('record', *ring.inputs, '-o', path)
    wait_for('the recording', lambda: os.path.exists(path))
    ring.go()
    said = running.end(1)
    check('No space left on device' in said and path in said, said)
    found = counts(path)
    check(found['switch'] > 1000 and found['irq'] > 1000, f'{found}')
    figures = report(path)
    check(figures['recording'].get('ended') in
          (None, 'because the file could not be written'), f'{figures}')


def test_older_file_is_kept():
    path = target()
    for text in ('first', 'second'):
        with open(path, 'w', encoding='ascii') as file:
            file.write(text)
        record_all(Ring(events=100), path)
        with open(path + '.old', encoding='ascii') as file:
            same(file.read(), text, 'the older file')


def test_command():
    """It records while a command runs, and ends with its exit code."""
    ring = Ring(events=100)
    for command, code in ((['true'], 0), (['false'], 1),
                          (['sh', '-c', 'exit 7'], 7),
                          (['sh', '-c', 'kill -9 $$'], 137)):
        path = target()
        vmscope('record', *ring.inputs, '-o', path, '--', *command, code=code)
        same(report(path)['recording']['ended'], 'with the command', 'why')


def test_command_that_is_none():
    """It is looked up first: older recordings stay, no file is begun."""
    ring = Ring(events=100)
    place = folder()
    path = os.path.join(place, 't.vms')
    plain = os.path.join(place, 'plain')
    for name in (path, path + '.old', plain):
        with open(name, 'w', encoding='ascii') as file:
            file.write(name)
    for command, code in (('no-such-prog', 127), ('', 127),
                          (f'{place}/no-such-prog', 127),
                          (f'{plain}/under-a-file', 127),
                          (plain, 126), (place, 126)):
        result = vmscope('record', *ring.inputs, '-o', path, '--', command,
                         code=code)
        check(f"cannot run '{command}'" in result.err, result.err)
        same(result.err.count('\n'), 1, f'lines of {result.err}')
        same(sorted(os.listdir(place)), ['plain', 't.vms', 't.vms.old'],
             'files')
        for name in (path, path + '.old'):
            with open(name, encoding='ascii') as file:
                same(file.read(), name, 'the older file')


def test_command_is_searched_for():
    """By PATH, as a shell does: the first that can be run."""
    ring = Ring(events=100)
    place = folder()
    for directory, mode in (('a', 0o644), ('b', 0o755)):
        os.mkdir(os.path.join(place, directory))
        name = os.path.join(place, directory, 'prog')
        with open(name, 'w', encoding='ascii') as file:
            file.write('#!/bin/sh\nexit 5\n')
        os.chmod(name, mode)
    for path, code in ((f'{place}/a:{place}/b', 5), (f'{place}/a', 126),
                       (f'/nowhere::{place}/b', 5), (':/nowhere', 127)):
        done = subprocess.run(
            [VMSCOPE, 'record', *ring.inputs, '-o', target(), '--', 'prog'],
            env={'PATH': path}, capture_output=True, timeout=60, check=False)
        same(done.returncode, code, f'PATH={path} ({done.stderr})')
    done = subprocess.run(
        [VMSCOPE, 'record', *ring.inputs, '-o', target(), '--', 'prog'],
        env={'PATH': ''}, cwd=f'{place}/b', capture_output=True, timeout=60,
        check=False)
    same(done.returncode, 5, f'an empty PATH is here ({done.stderr})')


def test_command_ends_with_it():
    ring = Ring(events=100)
    path = target()
    pid = os.path.join(folder(), 'pid')
    running = Running('record', *ring.inputs, '-o', path, '--', 'sh', '-c',
                      f'echo $$ > {pid}.new; mv {pid}.new {pid}; '
                      'exec sleep 1000')
    wait_for('the command', lambda: os.path.exists(pid))
    running.signal()
    running.end(code=None)
    # a number may be another's by now, so it is known by its words, too
    with open(pid, encoding='ascii') as file:
        number = int(file.read())
    try:
        with open(f'/proc/{number}/cmdline', 'rb') as file:
            words = file.read()
    except OSError:
        words = b''
    check(words != b'sleep\0001000\0', 'the command is still there')


def room_in(place):
    there = os.statvfs(place)
    return there.f_bavail * there.f_frsize


def test_rings_are_in_memory():
    """Where nobody says where: not on a disk, which QEMU would wait for."""
    if not os.access('/dev/shm', os.W_OK) or room_in('/dev/shm') < 300 << 20:
        raise Skip('there is no room in /dev/shm here')
    qemu = fake_qemu()
    qemu.world.sched_on = qemu.world.irq_on = False
    # it makes no ring, so this fails; but it was told where to
    vmscope('record', '--qmp', qemu.path, '-o', target(), code=1)
    path = qemu.world.asked('windows-sched-trace-set')[0]['ring-file']
    check(path.startswith('/dev/shm/vmscope-rings-'), path)
    check(not os.path.exists(os.path.dirname(path)), f'{path} is left')


def make_dead(place, name, ring=None):
    """What a recording that was killed leaves."""
    path = os.path.join(place, name)
    os.mkdir(path, 0o700)
    if ring:
        os.rename(ring.sched, os.path.join(path, 'sched.ring'))
        os.rename(ring.irq, os.path.join(path, 'irq.ring'))
    return path


def dead_ring(**options):
    ring = Ring(events=100, **options)
    ring.go()
    ring.done()
    ring.kill()
    return ring


def test_what_dead_ones_left():
    """The next recording removes it; what is in use or another's stays."""
    place = folder()
    for number, ring in enumerate((None, dead_ring(stop=0), dead_ring())):
        make_dead(place, f'vmscope-rings-dead0{number}', ring)
    os.mkfifo(os.path.join(make_dead(place, 'vmscope-rings-fifo00'),
                           'sched.ring'))
    stays = [make_dead(place, 'vmscope-rings-alive0', Ring(events=100)),
             make_dead(place, 'vmscope-ringsfiles'),
             make_dead(place, 'vmscope-rings-longer0')]
    stays.append(make_dead(place, 'vmscope-rings-inuse0', dead_ring()))
    lock = os.open(stays[-1], os.O_RDONLY)
    at_end(lambda: os.close(lock))
    fcntl.flock(lock, fcntl.LOCK_EX)
    stays.append(make_dead(place, 'vmscope-rings-mine00', dead_ring()))
    with open(os.path.join(stays[-1], 'notes'), 'w', encoding='ascii'):
        pass
    stays.append(os.path.join(place, 'vmscope-rings-link00'))
    os.symlink(stays[0], stays[-1])
    qemu = fake_qemu()
    qemu.world.sched_on = qemu.world.irq_on = False
    vmscope('record', '--qmp', qemu.path, '-o', target(), '--ring-dir', place,
            code=1)
    same(sorted(os.listdir(place)), sorted(os.path.basename(path)
                                           for path in stays), 'what stays')
    for path, names in zip(stays, (['irq.ring', 'sched.ring'], [], [],
                                   ['irq.ring', 'sched.ring'], ['notes'])):
        same(sorted(os.listdir(path)), names, path)


def test_duration():
    ring = Ring(events=100)
    path = target()
    vmscope('record', *ring.inputs, '-o', path, '--duration', '300ms')
    same(report(path)['recording']['ended'], 'after the time it was given',
         'why')


def test_help():
    """Of all three commands: complete, and within 80 columns."""
    for command, options in (
            ('record', ('--sched', '--irq', '--duration', '--rotate-size',
                        '--output', '--irq-ring', '--qmp', '--libvirt')),
            ('report', ('--json', '--html', '--since', '--top', '--window')),
            ('export', ('--format', 'perfetto', 'json', 'csv', '--until'))):
        result = vmscope(command, '--help')
        same(result.err, '', 'messages')
        wide = [line for line in result.out.splitlines() if len(line) > 80]
        check(not wide, f'{wide}')
        for word in options:
            check(word in result.out, f'{command}: no {word}')
        check('Examples:' in result.out and 'Exit status:' in result.out,
              result.out)


def test_wrong_usage():
    ring = Ring(events=1)
    for arguments, words in (
            ([], 'give -o FILE'),
            (['-o', 't'], 'give --qmp PATH, --libvirt DOMAIN, --pid PID, or '
                          'ring files'),
            (['-o', 't', '--qmp', 'x', '--irq-ring', 'y'], 'not both'),
            (['-o', 't', '--keep', '3', *ring.inputs], '--keep goes with'),
            (['-o', 't', '--duration', '5x', *ring.inputs], "'5x'"),
            (['-o', 't', '--rotate-size', '1', *ring.inputs], "'1'"),
            (['-o', 't', '--backtrace', '17', *ring.inputs], "'17'"),
            (['--frobnicate'], 'frobnicate')):
        result = vmscope('record', *arguments, code=2)
        check(words in result.err, f'{arguments}: {result.err}')
        check('vmscope record --help' in result.err, result.err)


def test_impossible():
    """What cannot be done: exit code 1, and the name is in the sentence."""
    ring = Ring(events=1)
    place = folder()
    for arguments, words in (
            (['--irq-ring', '/nowhere/ring', '-o', target()], '/nowhere/ring'),
            (['--irq-ring', '/dev/null', '-o', target()], '/dev/null'),
            (['--irq-ring', ring.sched, '-o', target()], ring.sched),
            (['--sched-ring', ring.irq, '-o', target()], ring.irq),
            ([*ring.inputs, '-o', place], place),
            ([*ring.inputs, '-o', '/nowhere/t.vms'], '/nowhere/t.vms'),
            (['--qmp', '/nowhere/qmp', '-o', target()], '/nowhere/qmp')):
        result = vmscope('record', *arguments, code=1)
        check(words in result.err, f'{arguments}: {result.err}')


def test_newer_ring():
    """A ring of a later version is refused with a sentence."""
    ring = Ring(irq=False, events=1)
    with open(ring.sched, 'r+b') as file:
        data = file.read(16)
        version = struct.unpack_from('<I', data, 8)[0]
        check(0 < version < 10, f'the version is not at 8: {version}')
        file.seek(8)
        file.write(struct.pack('<I', version + 1))
    result = vmscope('record', *ring.inputs, '-o', target(), code=1)
    check('newer' in result.err or 'version' in result.err, result.err)


def test_progress():
    """On a terminal figures are shown while it goes on, and are gone after."""
    ring = Ring(events=100000, rate=50000)
    path = target()
    ring.go()
    script = (f'import os, pty, sys\n'
              f'pid, fd = pty.fork()\n'
              f'if pid == 0:\n'
              f'    os.execvp(sys.argv[1], sys.argv[1:])\n'
              f'text = b""\n'
              f'while True:\n'
              f'    try:\n'
              f'        data = os.read(fd, 4096)\n'
              f'    except OSError:\n'
              f'        break\n'
              f'    if not data:\n'
              f'        break\n'
              f'    text += data\n'
              f'os.waitpid(pid, 0)\n'
              f'sys.stdout.buffer.write(text)\n')
    text = subprocess.run([sys.executable, '-c', script, VMSCOPE, 'record',
                           *ring.inputs, '-o', path], capture_output=True,
                          timeout=60, check=True).stdout.decode()
    shown = text.count(' switches, ')
    check(shown >= 2, f'{shown} times: {text!r}')
    check('\r\x1b[K' in text and text.endswith('\r\n'), f'{text!r}')
    # nothing of it without a terminal, or when it is not wanted
    said = vmscope('record', *ring.inputs, '-o', target(), '--quiet').err
    same(said, '', 'messages with --quiet')
