"""top and irq against the QEMU that was built, with a guest that schedules.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re
import signal
import subprocess
import time

import harness
from harness import (Terminal, check, environment, same, start, vmscope,
                     wait_for)
from real import Guest
from test_image import hash_of
from test_irq import ANALYZE

QUERY = 'query-windows-sched-trace'
SLOW = 'build=26100 tick-us=20000 spin=4000000 yield-percent=0'


def top(guest, *more, socket=0, **kwargs):
    return vmscope('top', '-d', '500ms', '--qmp', guest.sockets[socket],
                   *more, **kwargs)


def all_entries(guest):
    entries, after = [], 0
    while True:
        page = guest.qmp(QUERY, **{'after': after, 'max-entries': 50000})
        if not page:
            return sorted(entries, key=lambda entry: entry['seq'])
        entries += page
        after = max(entry['seq'] for entry in page)


def shares_of(entries, begin, end):
    """Time of each thread on each vCPU in an interval, by hand."""
    run = {}
    for vcpu in {entry['vcpu'] for entry in entries}:
        mine = [e for e in entries if e['vcpu'] == vcpu]
        for entry, following in zip(mine, [*mine[1:], None]):
            since = max(entry['timestamp-ns'], begin)
            until = min(following['timestamp-ns'] if following else end, end)
            if until > since:
                key = (entry['thread-pointer'],
                       entry.get('unique-thread-id', 0))
                run[key] = run.get(key, 0) + until - since
    return run


def test_shares():
    """What top adds up is what its entries, added up by hand, come to."""
    guest = Guest(SLOW, 2)
    guest.trace(entries=262144)
    result = top(guest, '--json', '-n', '3')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    entries = all_entries(guest)
    same(entries[0]['seq'], 1, 'the ring was too small: first entry')
    for interval in result.objects():
        same(interval['lost'], 0, 'lost')
        end = interval['time-ns']
        wanted = shares_of(entries, end - interval['interval-ns'], end)
        found = {(t['thread-pointer'], t['unique-thread-id']): t['run-ns']
                 for t in interval['threads']}
        check(found, 'no threads')
        idle = sum(vcpu['idle-ns'] for vcpu in interval['vcpus'])
        for key, ns in found.items():
            same(ns, wanted.pop(key, 0), f'time of {key}')
        # the idle threads are left, and threads that begin at the very end
        same(sum(wanted.values()), idle, 'idle time')


def test_threads_are_the_guests():
    guest = Guest('build=22631 threads=40 processes=8', 2)
    result = top(guest, '--json', '-n', '2')
    same(result.code, 0, f'exit code ({result.err})')
    known = {(o.pid, o.tid) for o in guest.truth.objects() if o.kind == 2}
    seen = {(t['unique-process-id'], t['unique-thread-id'])
            for interval in result.objects() for t in interval['threads']}
    check(len(seen) > 10, f'only {len(seen)} threads')
    same(seen - known, set(), 'threads that the guest does not know')
    paths = {o.pid: o.name_hash for o in guest.truth.objects()
             if o.kind == 1 and o.name_bytes}
    told = {t['unique-process-id']: t['process-path']
            for interval in result.objects() for t in interval['threads']
            if t.get('process-path') and t['unique-process-id'] in paths}
    check(len(told) > 1, f'paths {told}')
    same({pid: hash_of(path) for pid, path in told.items()},
         {pid: paths[pid] for pid in told}, f'paths {told}')
    same(guest.state(), 'disabled', 'state afterwards')


def test_paths_in_a_recording():
    """What a recording says of paths is what the guest says, by its hashes."""
    guest = Guest('build=26100 processes=8 threads=24 churn=off tick-us=500 '
                  'spin=20000', 2)
    wanted = {o.pid: o.name_hash if o.name_bytes else None
              for o in guest.truth.objects() if o.kind == 1}
    path = os.path.join(harness.folder(), 't.vms')

    def recorded():
        vmscope('record', '--sched', '--duration', '3s', '-o', path,
                '--force', '--qmp', guest.sockets[0])
        out = vmscope('report', '--json', '--top', '0', path).out
        found = {p['pid']: p for p in json.loads(out)['processes']
                 if p.get('pid') in wanted}
        same({pid: hash_of(p['process-path']) if 'process-path' in p else None
              for pid, p in found.items()},
             {pid: wanted[pid] for pid in found}, f'paths {found}')
        return '한글.exe' in {p['image'] for p in found.values()}

    wait_for('the one in Korean in a recording', recorded, 600)


def test_eight_vcpus_and_churn():
    guest = Guest('build=26100 threads=48 processes=8 churn=on tick-us=500',
                  8)
    result = top(guest, '--json', '-n', '12', '--hz', '4000')
    same(result.code, 0, f'exit code ({result.err})')
    intervals = result.objects()
    # on a busy host it takes a while until all are seen
    while intervals and len(intervals[0]['vcpus']) < 8:
        intervals.pop(0)
    check(len(intervals) >= 2, f'{len(intervals)} intervals with all vCPUs')
    for interval in intervals:
        same(len(interval['vcpus']), 8, 'vCPUs')
        for vcpu in interval['vcpus']:
            check(vcpu['busy-ns'] + vcpu['idle-ns'] <=
                  interval['interval-ns'], vcpu)
        ran = sum(t['run-ns'] for t in interval['threads'])
        same(ran, sum(v['busy-ns'] for v in interval['vcpus']), 'time')


def test_two_clients():
    """Each on a socket of its own, while a third one turns it on."""
    guest = Guest('build=26100', 2)
    guest.trace()
    tools = [start('top', '--json', '-n', '6', '-d', '200ms', '--qmp',
                   guest.sockets[0]),
             start('irq', '--json', '-n', '200', '--qmp', guest.sockets[1])]
    for process in tools:
        out, err = process.communicate(timeout=120)
        same(process.returncode, 0, f'exit code ({err})')
        check(out, 'no output')
        for line in out.splitlines():
            json.loads(line)
    check(guest.state() != 'disabled', 'top turned off what it found on')


def test_two_clients_on_one_socket():
    guest = Guest('build=26100', 1)
    first = start('top', '--json', '-d', '200ms', '--qmp', guest.sockets[0])
    first.stdout.readline()
    second = top(guest, '--json', '-n', '1', '--timeout', '500ms')
    same(second.code, 1, 'exit code')
    check('serves one at a time' in second.err, second.err)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    same(first.returncode, 0, 'exit code of the first')
    same(top(guest, '--json', '-n', '1').code, 0, 'afterwards')


def test_turned_off_by_another():
    """It goes on, and says that the trace is off."""
    guest = Guest('build=26100', 1)
    guest.trace()
    process = start('top', '--json', '-d', '100ms', '--qmp',
                    guest.sockets[0])
    process.stdout.readline()
    guest.qmp('windows-sched-trace-set', enable=False)
    for _ in range(50):
        interval = json.loads(process.stdout.readline())
        if interval['state'] == 'disabled':
            break
    same(interval['state'], 'disabled', 'state')
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    same(process.returncode, 0, 'exit code')


def test_qemu_is_killed():
    for command in (['top', '--json', '-d', '100ms'],
                    ['irq', '--json', '-d', '100ms'],
                    ['irq', '--summary', '-d', '100ms']):
        guest = Guest('build=26100', 2)
        process = start(*command, '--qmp', guest.sockets[0])
        process.stdout.readline()
        guest.vm.proc.kill()
        _, err = process.communicate(timeout=120)
        same(process.returncode, 1, f'exit code of {command}: {err}')
        check('QEMU has ended' in err, err)
        harness.clean_up()


def test_qemu_hangs():
    guest = Guest('build=26100', 1)
    process = start('top', '--json', '-d', '100ms', '--timeout', '500ms',
                    '--qmp', guest.sockets[0])
    process.stdout.readline()
    guest.vm.proc.send_signal(signal.SIGSTOP)
    harness.at_end(lambda: guest.vm.proc.send_signal(signal.SIGCONT))
    _, err = process.communicate(timeout=120)
    same(process.returncode, 1, f'exit code ({err})')
    check('no answer within 0.5 s' in err, err)


def test_sigint_at_any_moment():
    """Whenever it comes, both traces are as they were before."""
    guest = Guest('build=26100', 1, sockets=1)
    for moment in range(16):
        for command in ('top', 'irq'):
            process = start(command, '--json', '-d', '50ms', '--qmp',
                            guest.sockets[0])
            time.sleep(moment * 0.012)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
            check(process.returncode in (0, -signal.SIGINT),
                  f'{process.returncode}: {err}')
            same((guest.state(), guest.qmp('query-irq-log-status')
                  ['enabled']), ('disabled', False), f'after {moment}: {err}')


def test_reset():
    """The guest boots again while top looks on."""
    guest = Guest('build=26100', 2)
    process = start('top', '--json', '-d', '200ms', '--qmp',
                    guest.sockets[0])
    process.stdout.readline()
    guest.qmp('system_reset')
    base = guest.truth.image_va
    bases = set()
    for _ in range(100):
        interval = json.loads(process.stdout.readline())
        status = guest.qmp('query-windows-sched-trace-status')
        bases.add(status.get('kernel-base'))
        if interval['state'] == 'active' and interval['threads'] and \
                guest.truth.ready() and guest.truth.image_va != base and \
                status.get('kernel-base') == guest.truth.image_va:
            break
    else:
        raise AssertionError(f'it is not seen again: {bases}')
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    same(process.returncode, 0, 'exit code')


def test_irq_text_is_read():
    guest = Guest('build=26100', 2)
    result = vmscope('irq', '--qmp', guest.sockets[0], '-n', '300')
    same(result.code, 0, f'exit code ({result.err})')
    if not os.access(ANALYZE, os.X_OK):
        raise harness.Skip('irqlog-analyze is not built')
    done = subprocess.run([ANALYZE, '--json'], input=result.out.encode(),
                          capture_output=True, timeout=120,
                          env=environment())
    same(done.returncode, 0, done.stderr)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    same(len(events), 300, 'events')
    check(any('caller-symbol' in event or 'caller' in str(event)
              for event in events), 'nobody called')


def test_irq_filters():
    """What a filter lets through is what fits it, and nothing is lost."""
    guest = Guest('build=26100', 2)
    every = [e for e in vmscope(
        'irq', '--json', '-n', '400', '--qmp', guest.sockets[0]).objects()
        if 'lost' not in e]
    line = every[-1]['irq-line']
    kind = every[-1]['kind']
    found = vmscope('irq', '--json', '-n', '30', '--duration', '20s',
                    '--line', str(line), '--kind', kind, '--qmp',
                    guest.sockets[0]).objects()
    check(found, 'nothing')
    for entry in found:
        same((entry['irq-line'], entry['kind']), (line, kind), 'entry')
    path = every[-1]['path']
    for entry in vmscope('irq', '--json', '-n', '30', '--path', path,
                         '--duration', '20s', '--qmp',
                         guest.sockets[0]).objects():
        same(entry['path'], path, 'path')


def test_irq_summary():
    guest = Guest('build=26100', 2)
    result = vmscope('irq', '--summary', '--json', '-n', '2', '-d', '500ms',
                     '--top', '0', '--qmp', guest.sockets[0])
    same(result.code, 0, f'exit code ({result.err})')
    for interval in result.objects():
        check(interval['events'], interval)
        same(sum(line['events'] + line.get('inner-events', 0)
                 for line in interval['lines']), interval['events'], 'events')


def test_kvm():
    """With KVM vCPUs are also looked at where they exit."""
    guest = Guest('build=26100', 2, accel='kvm')
    result = top(guest, '--json', '-n', '3', '--irq')
    same(result.code, 0, f'exit code ({result.err})')
    last = result.objects()[-1]
    check(last['threads'], last)
    known = {(o.pid, o.tid) for o in guest.truth.objects() if o.kind == 2}
    seen = {(t['unique-process-id'], t['unique-thread-id'])
            for t in last['threads']}
    same(seen - known, set(), 'threads that the guest does not know')


def test_screen():
    """A person at a terminal sees the guest's threads, and nothing stays."""
    guest = Guest('build=26100 threads=48', 2)
    terminal = Terminal('top', '-i', '-d', '200ms', '--qmp',
                        guest.sockets[0])
    terminal.wait('Windows build 26100')
    wait_for('threads', lambda: re.search(r'%CPU.*\n +[0-9]+ +[0-9]+ ',
                                          terminal.screen()))
    check(terminal.last.startswith('vmscope: nt'), terminal.last)
    for columns, rows in ((20, 6), (132, 50), (80, 24)):
        terminal.resize(columns, rows)
        terminal.wait('vmscope: nt')
    terminal.keys('q')
    same(terminal.exit_code(), 0, 'exit code')
    same(guest.state(), 'disabled', 'state')
