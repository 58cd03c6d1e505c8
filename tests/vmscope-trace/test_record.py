"""vmscope record: everything the rings held is in the file, or is counted.

The rings are made up and written by make-ring, as fast as it is asked to.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import glob
import os
import random
import signal
import struct
import subprocess
import sys
import time

from rig import (Ring, Running, Skip, VMSCOPE, at_end, check, counts,
                 folder, report, rows, same, vmscope, wait_for)


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


def test_200000_a_second():
    """At 200,000 events a second the figures add up."""
    path = target()
    record_all(Ring(events=600000, entries=262144, rate=200000), path)
    found = counts(path)
    same(sum(found.values()), 600000, f'events and lost ones of {found}')


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


def test_killed():
    """SIGKILL at any moment: the file is readable up to its last piece."""
    generator = random.Random(9)
    ring = Ring(events=10000000, rate=100000)
    ring.go()
    for _ in range(8):
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
    path = target()
    result = vmscope('record', *ring.inputs, '-o', path, '--', 'no-such-prog',
                     code=1)
    check("cannot run 'no-such-prog'" in result.err, result.err)


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
    with open(pid, encoding='ascii') as file:
        number = int(file.read())
    check(not os.path.exists(f'/proc/{number}'), 'the command is still there')


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
            (['-o', 't'], 'give --qmp PATH, --libvirt DOMAIN, or ring files'),
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
