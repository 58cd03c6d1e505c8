#!/usr/bin/env python3
"""Trace the threads of the NT test guest, and show who ran where.

Boots the guest (docs/guest.md) with both tracers on before its first
instruction, lets it run a while, prints a page and leaves sched.ring,
sched.json, sched-status.json and threads.txt in the output folder.  KVM if it
gets the guest to run, else TCG.

It leaves to others: building QEMU and guest (make), interrupts of a whole
operating system (demo.py).

SPDX-License-Identifier: GPL-2.0-or-later
"""

import argparse
import collections
import contextlib
import json
import os
import signal
import sys
import time
import unicodedata

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', '..', 'tests', 'lib'))
from qemu import Qemu  # noqa: E402
from qmp import QmpError  # noqa: E402

COLUMNS = 64            # of the timeline
WINDOW_NS = 128_000_000
LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
BUSIEST = 10


class DemoFailed(Exception):
    """This accelerator did not do; says why in a sentence."""


def say(text):
    print(f'vmscope: {text}', flush=True)


def qemu_arguments(args, accel, paths):
    return [
        args.qemu, '-M', 'q35', '-accel', accel, '-cpu', 'qemu64,-pni',
        '-smp', '2', '-m', '64', '-name', 'vmscope-demo', '-nodefaults',
        '-no-user-config', '-display', 'none', '-vga', 'none', '-S',
        '-bios', args.rom, '-debugcon', f"file:{paths['console']}",
        '-fw_cfg', 'name=opt/vmscope/nt-config,'
                   'string=build=26100 kdbg=encoded threads=6 processes=2',
        '-qmp', f"unix:{paths['qmp']},server=on,wait=off",
    ]


def wait_until_active(qmp, qemu, seconds):
    deadline = time.monotonic() + seconds
    while True:
        status = qmp.command('query-windows-sched-trace-status')
        if status['state'] in ('active', 'degraded') and \
                status['recorded'] > 50:
            return
        if qemu.has_ended():
            raise DemoFailed('QEMU ended')
        if time.monotonic() > deadline:
            raise DemoFailed(f"the trace is {status['state']} after "
                             f"{seconds} s: {status.get('reason', '-')}")
        time.sleep(0.05)


def run_once(args, accel, paths):
    """One boot; returns (entries, trace's status, IRQ log's status)."""
    for name in ('ring', 'qmp', 'console'):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(paths[name])
    qemu = Qemu(qemu_arguments(args, accel, paths), paths['errors'])
    try:
        qmp = qemu.qmp(paths['qmp'])
        qmp.command('irq-log-set', {'enable': True, 'text': False})
        qmp.command('windows-sched-trace-set', {
            'enable': True, 'poll-hz': args.hz, 'ring-file': paths['ring']})
        qmp.command('cont')
        wait_until_active(qmp, qemu, 20)
        time.sleep(args.seconds)
        status = qmp.command('query-windows-sched-trace-status')
        entries = qmp.newest('query-windows-sched-trace', 100000)
        irqs = qmp.command('query-irq-log-status')
        qmp.command('windows-sched-trace-set', {'enable': False})
        qmp.command('quit')
        qemu.wait()
        return entries, status, irqs
    except QmpError as error:
        raise DemoFailed(str(error)) from error
    finally:
        qemu.stop()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(paths['qmp'])


def run_somehow(args, paths):
    """KVM first, TCG when that fails; returns how, and what run_once does."""
    if args.accel in ('auto', 'kvm') and os.access('/dev/kvm',
                                                   os.R_OK | os.W_OK):
        try:
            return 'KVM', *run_once(args, 'kvm', paths)
        except DemoFailed as error:
            if args.accel == 'kvm':
                raise
            say(f'not under KVM: {error}')
    elif args.accel == 'kvm':
        raise DemoFailed('/dev/kvm cannot be opened')
    return 'TCG', *run_once(args, 'tcg', paths)


# --- what it says

def printable(text):
    """A guest's text, harmless on a terminal."""
    return ''.join(c if unicodedata.category(c)[0] != 'C' else '\ufffd'
                   for c in text)


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else
               0 if unicodedata.combining(c) else 1 for c in text)


def fit(text, columns):
    """Padded or cut to so many columns of a terminal."""
    while width(text) > columns:
        text = text[:-1]
    return text + ' ' * (columns - width(text))


def key_of(entry):
    return (entry.get('unique-process-id'), entry.get('unique-thread-id'),
            entry['vcpu'] if entry.get('idle') else None)


def runs(entries, end_ns):
    """(entry, from, to) for each stretch a thread was seen running."""
    last = {}
    for entry in entries:
        before = last.get(entry['vcpu'])
        if before:
            yield before, before['timestamp-ns'], entry['timestamp-ns']
        last[entry['vcpu']] = entry
    for entry in last.values():
        yield entry, entry['timestamp-ns'], end_ns


class Shares:
    """Who ran how long."""

    def __init__(self, entries, end_ns):
        self.time = collections.Counter()
        self.switches = collections.Counter()
        self.vcpus = collections.defaultdict(set)
        self.newest = {}
        self.total = 0
        for entry, begin, end in runs(entries, end_ns):
            key = key_of(entry)
            self.time[key] += end - begin
            self.total += end - begin
            self.switches[key] += 1
            self.vcpus[key].add(entry['vcpu'])
            self.newest[key] = entry

    def busiest(self):
        return sorted((key for key in self.time
                       if not self.newest[key].get('idle')),
                      key=lambda key: -self.time[key])

    def idle(self):
        return sum(ns for key, ns in self.time.items()
                   if self.newest[key].get('idle'))


def table(shares):
    rows = ['  share  switches  vCPUs     pid    tid prio  process          '
            'thread']
    for key in shares.busiest()[:BUSIEST]:
        entry = shares.newest[key]
        vcpus = ','.join(map(str, sorted(shares.vcpus[key])))
        rows.append(
            f'{100 * shares.time[key] / shares.total:6.1f}%'
            f'{shares.switches[key]:10,}  {vcpus:5} {key[0] or 0:7}'
            f"{key[1] or 0:7}{entry.get('priority', 0):5}  "
            f"{fit(printable(entry.get('process-image', '-')), 16)} "
            f"{fit(printable(entry.get('thread-name', '')), 15)}".rstrip())
    rows.append(f'{100 * shares.idle() / shares.total:6.1f}%  idle')
    return rows


def timeline(entries, end_ns, shares):
    begin_ns = end_ns - WINDOW_NS
    letters = {}
    for key in shares.busiest():
        if len(letters) < len(LETTERS):
            letters[key] = LETTERS[len(letters)]
    cells = collections.defaultdict(collections.Counter)
    step = WINDOW_NS // COLUMNS
    for entry, begin, end in runs(entries, end_ns):
        at = max(begin, begin_ns)
        letter = '.' if entry.get('idle') else letters.get(key_of(entry), '+')
        while at < end:
            column = (at - begin_ns) // step
            until = min(end, begin_ns + (column + 1) * step)
            cells[entry['vcpu'], column][letter] += until - at
            at = until
    rows = []
    shown = set()
    for vcpu in sorted({vcpu for vcpu, _ in cells}):
        lane = ''.join(max(cells[vcpu, c], key=cells[vcpu, c].get, default=' ')
                       for c in range(COLUMNS))
        shown |= set(lane)
        rows.append(f'  vCPU {vcpu}  {lane}')
    for key, letter in letters.items():
        if letter in shown:
            entry = shares.newest[key]
            name = printable(entry.get('thread-name', ''))
            rows.append(f'    {letter}  {key[0]}.{key[1]} '
                        f"{printable(entry.get('process-image', '-'))} {name}"
                        .rstrip())
    return rows


def seen(status):
    recorded = status['recorded']
    missed = sum(v.get('missed', 0) for v in status['vcpus'])
    text = f'{recorded:,} recorded'
    if any('missed' in v for v in status['vcpus']):
        share = 100 * recorded / (recorded + missed)
        text += f', {missed:,} more by the guest\'s own counter ({share:.1f} ' \
                '% seen)'
    return text


def page(how, entries, status, irqs):
    kernel = status['kernel-file']
    detection = status['detection']
    confirmed = sum(o['standing'] == 'confirmed' for o in status['offsets'])
    end_ns = status['clock']['monotonic-ns']
    shares = Shares(entries, end_ns)
    rate = len(entries) / ((end_ns - entries[0]['timestamp-ns']) / 1e9)
    rows = [
        'Windows threads, seen from outside',
        '----------------------------------',
        f'  guest       the NT test guest, 2 vCPUs, run by {how}',
        f"  kernel      build {status['windows-build']} at "
        f"{status['kernel-base']:#x}, file {kernel.get('version', '-')}",
        f"  found in    {detection['last-ns'] / 1e6:.1f} ms, "
        f"{detection['kdbg']} KDBG, {detection['accessors']} functions read",
        f"  offsets     {confirmed} of {len(status['offsets'])} borne out by "
        'live memory',
        f'  switches    {seen(status)}',
        f"  rate        {rate:,.0f} a second, looked at "
        f"{status['poll-hz']:,} times a second",
        f"  interrupts  {irqs['recorded']:,} raised in QEMU meanwhile "
        '(this guest has its clock in the CPU)',
        '', 'Who ran', '-------', *table(shares), '',
        f'The last {WINDOW_NS // 1_000_000} ms, '
        f'{WINDOW_NS // COLUMNS / 1e6:.0f} ms a column, . is idle',
        '------------------------------------------------',
        *timeline(entries, end_ns, shares),
    ]
    return '\n'.join(rows)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--qemu', required=True)
    parser.add_argument('--rom', required=True)
    parser.add_argument('--out', required=True, metavar='FOLDER')
    parser.add_argument('--accel', choices=['auto', 'kvm', 'tcg'],
                        default='auto')
    parser.add_argument('--hz', type=int, default=5000, metavar='N')
    parser.add_argument('--seconds', type=float, default=4, metavar='S')
    return parser.parse_args()


def main():
    args = parse_arguments()
    out = os.path.abspath(args.out)
    args.qemu, args.rom = map(os.path.abspath, (args.qemu, args.rom))
    os.makedirs(out, exist_ok=True)
    names = {'ring': 'sched.ring', 'json': 'sched.json',
             'status': 'sched-status.json', 'console': 'nt-console.log',
             'errors': 'nt-qemu.log', 'qmp': 'nt-qmp.sock',
             'page': 'threads.txt'}
    paths = {key: os.path.join(out, name) for key, name in names.items()}
    # a unix socket's name is short by law: one in a deep folder is not
    if len(paths['qmp']) > 100:
        paths['qmp'] = f'/tmp/vmscope-demo-{os.getpid()}.sock'
    how, entries, status, irqs = run_somehow(args, paths)
    for name, data in (('json', entries), ('status', status)):
        with open(paths[name], 'w', encoding='utf-8') as file:
            json.dump(data, file, indent=1)
    text = page(how, entries, status, irqs)
    print('\n' + text + '\n', flush=True)
    with open(paths['page'], 'w', encoding='utf-8') as file:
        file.write(text + '\n')


def stop(_number, _frame):
    raise KeyboardInterrupt


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, stop)
    try:
        main()
    except DemoFailed as failure:
        sys.exit(f'vmscope: the demo of threads did not run: {failure} (see '
                 'nt-qemu.log and nt-console.log in the output folder)')
    except KeyboardInterrupt:
        sys.exit('vmscope: interrupted: QEMU was ended, nothing runs on')
