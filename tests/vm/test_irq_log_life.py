"""The IRQ log while the machine lives, is blocked, and dies.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import random
import time

from harness import (ANALYZE, Machine, Skip, analyze, blocked_main_loop,
                     folder, read_all, ring_header, wait_for)

BUSY = ('-M', 'pc', '-m', '64', '-smp', '2', '-device', 'virtio-net-pci')


def test_toggling_loses_no_count():
    """On and off 1,000 times under a busy guest: every event is accounted."""
    machine = Machine(*BUSY)
    total = 0
    for i in range(1000):
        machine.cmd('irq-log-set', enable=True, text=False, entries=64,
                    backtrace=i % 3, changes_only=i % 7 == 0)
        if i % 10 == 0:
            time.sleep(0.005)
        machine.cmd('irq-log-set', enable=False)
        status = machine.cmd('query-irq-log-status')
        returned = len(machine.cmd('query-irq-log', max_entries=100000))
        assert status['recorded'] == returned + status['overwritten'], status
        total += status['recorded']
    assert total > 1000, total
    assert machine.cmd('query-status')['running']
    assert machine.quit() == 0


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


def test_killed_at_any_moment():
    """kill -9: the ring file holds all that was told before, readable."""
    if not os.access(ANALYZE, os.X_OK):
        raise Skip('irqlog-analyze is not built')
    chance = random.Random(20261123)
    for _ in range(10):
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
