"""The IRQ log while the machine lives, is blocked, and dies.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import random
import shutil
import subprocess
import time

from harness import (ANALYZE, QEMU, Machine, Skip, analyze, blocked_main_loop,
                     folder, full, read_all, ring_header, wait_for)

BUSY = ('-M', 'pc', '-m', '64', '-smp', '2', '-device', 'virtio-net-pci')


def toggling_loses_no_count(times):
    """On and off under a busy guest: every event is accounted for."""
    machine = Machine(*BUSY)
    total = 0
    for i in range(times):
        machine.cmd('irq-log-set', enable=True, text=False, entries=64,
                    backtrace=i % 3, changes_only=i % 7 == 0)
        if i % 10 == 0:
            wait_for('an event', lambda: machine.cmd(
                'query-irq-log-status')['recorded'])
        machine.cmd('irq-log-set', enable=False)
        status = machine.cmd('query-irq-log-status')
        returned = len(machine.cmd('query-irq-log', max_entries=100000))
        assert status['recorded'] == returned + status['overwritten'], status
        total += status['recorded']
    assert total >= times // 10, total
    assert machine.cmd('query-status')['running']
    assert machine.quit() == 0


def test_toggling_loses_no_count():
    toggling_loses_no_count(100)


@full
def test_toggling_loses_no_count_for_long():
    toggling_loses_no_count(1000)


def test_text_and_ring_agree():
    machine = Machine(*BUSY, '--preconfig')
    log = machine.path('irq.log')
    machine.cmd('irq-log-set', enable=True, log_file=log, entries=4194304)
    machine.cmd('x-exit-preconfig')
    wait_for('20,000 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 20000)
    machine.cmd('irq-log-set', enable=False)
    status = machine.cmd('query-irq-log-status')
    assert status['text-lost'] == 0
    entries = read_all(machine)
    times = []
    with open(log, encoding='utf-8') as text:
        for line in text:
            if line.startswith('irq-log: time='):
                times.append(int(line.split('=')[1].split('ns')[0]))
    assert len(times) == len(entries) == status['recorded']
    # A stamp gives the same ns whenever and wherever it is turned into ns.
    assert sorted(times) == [entry['timestamp-ns'] for entry in entries]


def test_out_of_band_while_blocked():
    """The main loop waits in open(); the log is read all the same."""
    machine = Machine(*BUSY, oob=True, monitors=3)
    machine.cmd('irq-log-set', enable=True, text=False)
    wait_for('events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 100)
    with blocked_main_loop(machine):
        second = machine.qmps[2]
        entries = second.out_of_band('query-irq-log', {'max-entries': 5})
        assert len(entries) == 5
        status = second.out_of_band('query-irq-log-status')
        assert status['enabled'] and status['recorded'] > 100
    assert machine.quit() == 0


def killed_at_any_moment(times):
    """kill -9: the ring file holds all that was told before, readable."""
    if not os.access(ANALYZE, os.X_OK):
        raise Skip('irqlog-analyze is not built')
    chance = random.Random(20261123)
    for _ in range(times):
        where = folder()
        ring = os.path.join(where, 'ring')
        machine = Machine(*BUSY, '--preconfig')
        machine.cmd('irq-log-set', enable=True, text=False, ring_file=ring,
                    entries=1 << 18)
        machine.cmd('x-exit-preconfig')
        time.sleep(chance.uniform(0.1, 0.8))
        status = machine.cmd('query-irq-log-status')
        newest = machine.cmd('query-irq-log', max_entries=1)
        machine.kill()
        assert ring_header(ring)['magic'] == b'vmsring\0'
        code, out, err = analyze('--json', '--no-raw', ring)
        assert code == 0, err
        events = [json.loads(line) for line in out.splitlines()]
        events = [event for event in events if 'seq' in event]
        seqs = [event['seq'] for event in events]
        assert len(set(seqs)) == len(seqs)
        assert len(seqs) >= min(status['recorded'], 1 << 18) - 64
        if newest and status['recorded'] < 1 << 18:
            same = [e for e in events if e['seq'] == newest[0]['seq']]
            assert same[0]['path'] == newest[0]['path']
            assert same[0]['timestamp-ns'] == newest[0]['timestamp-ns']


def test_killed_at_any_moment():
    killed_at_any_moment(3)


@full
def test_killed_at_many_moments():
    killed_at_any_moment(20)


def test_no_thread_or_memory_is_left():
    """Many enablings leave no thread, mapping or descriptor behind."""
    machine = Machine('-M', 'none')

    def used():
        base = f'/proc/{machine.pid}'
        with open(f'{base}/maps', encoding='utf-8') as maps:
            rings = sum('/ring' in line for line in maps)
        return (len(os.listdir(f'{base}/task')),
                len(os.listdir(f'{base}/fd')), rings)

    def cycle():
        machine.cmd('irq-log-set', enable=True, ring_file=machine.path('ring'),
                    log_file=machine.path('log'))
        machine.cmd('irq-log-set', enable=False)

    cycle()
    cycle()
    wait_for('threads to end', lambda: used()[2] == 1)
    before = used()
    for _ in range(50):
        cycle()
    wait_for(f'{before} again, now {used()}', lambda: used() <= before)


def test_migration_goes_on():
    """Logging on both sides does not disturb a migration."""
    where = folder()
    source = Machine(*BUSY)
    target = Machine(*BUSY, '-incoming', 'defer')
    for machine in (source, target):
        machine.cmd('irq-log-set', enable=True, text=False)
    wait_for('events', lambda: source.cmd(
        'query-irq-log-status')['recorded'] > 100)
    uri = 'unix:' + os.path.join(where, 'migration')
    target.cmd('migrate-incoming', uri=uri)
    source.cmd('migrate', uri=uri)
    wait_for('migration', lambda: source.cmd(
        'query-migrate').get('status') in ('completed', 'failed'), 60)
    assert source.cmd('query-migrate')['status'] == 'completed'
    wait_for('the target to run', lambda: target.cmd('query-status')['running'])
    wait_for('its events', lambda: target.cmd(
        'query-irq-log-status')['recorded'] > 0)


def kinds_of_entries(machine):
    """role -> (entries, those with a symbol, those with a backtrace)."""
    threads = [machine.pid, machine.cmd('query-cpus-fast')[0]['thread-id']]
    machine.cmd('irq-log-set', enable=True, backtrace=6, entries=1 << 20)
    # timers are the main loop's, the rest is the firmware's
    wait_for('events of both', lambda: all(machine.cmd(
        'query-irq-log', filter_tid=tid, after=0, max_entries=1)
        for tid in threads))
    machine.cmd('irq-log-set', enable=False)
    kinds = {}
    for entry in read_all(machine):
        kind = kinds.setdefault(entry.get('thread-role'), [0, 0, 0])
        kind[0] += 1
        kind[1] += 'caller-symbol' in entry
        kind[2] += 'backtrace' in entry
    return kinds


def run_with_knows(word):
    shown = subprocess.run([QEMU, '-help'], capture_output=True, text=True)
    at = shown.stdout.find('-run-with')
    return at >= 0 and f'{word}=' in shown.stdout[at:at + 400]


def test_run_with_chroot_and_user():
    """Names and backtraces need no file that is out of reach by then."""
    if os.geteuid() != 0:
        raise Skip('only root may chroot')
    where = folder()
    os.chmod(where, 0o755)
    for words in ('user=nobody', f'chroot={where}',
                  f'chroot={where},user=nobody'):
        arguments = ['-run-with', words]
        if not run_with_knows('user'):
            arguments = []      # an older QEMU: an option for each
            for word in words.split(','):
                name, value = word.split('=')
                arguments += ['-runas' if name == 'user' else '-chroot', value]
        machine = Machine(*BUSY, *arguments)
        kinds = kinds_of_entries(machine)
        assert {'main-loop', 'vcpu 0'} <= set(kinds), kinds
        for role, (n, symbols, backtraces) in kinds.items():
            assert n == symbols == backtraces, (words, role, kinds)
        status = machine.cmd('query-irq-log-status')
        assert 'symbols-error' not in status, status


def test_stripped_qemu_says_so():
    stripped = os.path.join(folder(), 'qemu')
    if not shutil.which('strip') or subprocess.run(
            ['strip', '-o', stripped, QEMU]).returncode:
        raise Skip('there is no strip')
    machine = Machine(*BUSY, qemu=stripped)
    kinds = kinds_of_entries(machine)
    assert kinds['vcpu 0'][1] < kinds['vcpu 0'][0], kinds
    assert 'stripped' in machine.cmd('query-irq-log-status')['symbols-error']


def test_bridges_move_their_windows():
    """The firmware sets up bridges while lines get their names; each time, a
    bridge's memory regions leave the tree, and their memory is freed."""
    ports = []
    for i in range(64):
        ports += ['-device', f'pcie-root-port,id=rp{i},chassis={i},'
                  f'multifunction=on,addr={3 + i // 8:#x}.{i % 8}']
    machine = Machine('-M', 'q35', '-m', '64', *ports)
    started = time.monotonic()
    while time.monotonic() - started < 10:
        machine.cmd('irq-log-set', enable=True, text=False)
        time.sleep(0.02)
        machine.cmd('irq-log-set', enable=False)
        if random.random() < 0.05:
            machine.cmd('system_reset')
    assert machine.cmd('query-irq-log-status')['lines-refused'] == 0
    assert machine.quit() == 0


def test_reset_while_logging():
    machine = Machine(*BUSY)
    machine.cmd('irq-log-set', enable=True, text=False, entries=1 << 20)
    for _ in range(20):
        machine.cmd('system_reset')
        time.sleep(0.02)
    machine.cmd('irq-log-set', enable=False)
    entries = read_all(machine)
    assert entries
    status = machine.cmd('query-irq-log-status')
    assert status['recorded'] == len(entries) + status['overwritten']
