"""vmscope irq: the text form, filters, JSON, summaries, losses.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import signal
import subprocess

from fake_qmp import Ring, World
from guests import IOAPIC, MS, calm, with_irqs
from harness import (BUILD, Skip, check, environment, fake, golden, same,
                     start, vmscope)

ANALYZE = os.environ.get(
    'IRQLOG_ANALYZE', os.path.join(BUILD, 'core', 'tools', 'irqlog-analyze',
                                   'irqlog-analyze'))


def world():
    return with_irqs(World())


def irq(guest, *more, mode='', **kwargs):
    return vmscope('irq', '-d', '50ms', '--qmp', fake(guest, mode).path,
                   *more, **kwargs)


def test_text():
    result = irq(world(), '-n', '12')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('irq.txt', result.out)


def test_json():
    result = irq(world(), '-n', '12', '--json')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('irq.json', result.out)


def test_json_is_as_answered():
    """Every member, with the numbers QEMU gave."""
    guest = world()
    guest.irqs.list[300]['caller-addr'] = 0xffffffff81000000
    for found in irq(guest, '-n', '250', '--json').objects():
        same(found, guest.irqs.list[found['seq'] - 1], 'entry')


def test_analyze_reads_it():
    if not os.access(ANALYZE, os.X_OK):
        raise Skip('irqlog-analyze is not built')
    text = irq(world(), '-n', '100').out
    done = subprocess.run([ANALYZE, '--json'], input=text.encode(),
                          capture_output=True, timeout=60,
                          env=environment())
    same(done.returncode, 0, f'exit code ({done.stderr})')
    events = [json.loads(line) for line in done.stdout.splitlines()]
    same(len(events), 100, 'events')
    guest = {entry['timestamp-ns']: entry for entry in world().irqs.list}
    for event in events:
        for key in ('level', 'irq-line', 'kind', 'path', 'host-tid',
                    'thread-role', 'caller-addr', 'depth'):
            same(event[key], guest[event['timestamp-ns']][key], key)


def test_nothing_twice_nothing_left_out():
    numbers = [entry['seq'] for entry in
               irq(world(), '-n', '900', '--json').objects()]
    same(numbers, list(range(numbers[0], numbers[0] + 900)), 'numbers')


def test_order_of_time_and_number():
    """Threads take time and number in different orders: nothing is lost."""
    guest = world()
    guest.irqs.late = {seq: 25 * MS for seq in range(7, 16000, 5)}
    found = irq(guest, '-n', '900', '--json').objects()
    check(all('lost' not in entry for entry in found), 'taken for losses')
    numbers = [entry['seq'] for entry in found]
    same(numbers, list(range(numbers[0], numbers[0] + 900)), 'numbers')


def test_filters():
    cases = [
        (['--kind', 'msi'], {'filter-kind': 'msi'}),
        (['--line', '2'], {'filter-line': 2}),
        (['--tid', '4700'], {'filter-tid': 4700}),
        (['--path', IOAPIC], {'filter-path': IOAPIC}),
    ]
    for arguments, sent in cases:
        guest = world()
        result = irq(guest, '-n', '20', '--json', *arguments)
        same(result.code, 0, f'exit code of {arguments}')
        for query in guest.asked('query-irq-log'):
            for key, value in sent.items():
                same(query.get(key), value, f'{key} for {arguments}')
        found = result.objects()
        same(len(found), 20, f'{arguments}')
        check(all('lost' not in entry for entry in found),
              f'{arguments}: gaps of a filter are taken for losses')


def test_filter_without_matches_loses_nothing():
    guest = world()
    guest.irqs.entries = 4096
    result = irq(guest, '--json', '--line', '99', '--duration', '600ms')
    same((result.code, result.out), (0, ''), 'exit code and output')


def test_last():
    guest = world()
    found = irq(guest, '--json', '--last', '5', '-n', '5').objects()
    numbers = [entry['seq'] for entry in found]
    same(numbers, list(range(numbers[0], numbers[0] + 5)), 'numbers')
    check(guest.irqs.recorded(guest.now_ns) >= numbers[-1], numbers)
    same(guest.asked('query-irq-log')[0], {'max-entries': 5}, 'query')


def lossy():
    guest = World()
    guest.irqs = Ring(64)
    for number in range(5000):
        guest.irqs.add(guest.now_ns + number * MS, level=1, depth=0,
                       kind='hardware', path='/machine/a', **{
                           'irq-line': 0, 'host-tid': 7, 'thread-name': '',
                           'caller-addr': 1})
    return guest


def test_lost():
    found = irq(lossy(), '--json', '-n', '128').objects()
    check('lost' in found[0], found[0])
    same(found[1]['seq'] - found[0]['lost'], 2002, 'number after the gap')
    same(sum('lost' in entry for entry in found), 2, 'gaps')
    text = irq(lossy(), '-n', '64').out
    check('irq-log: lost=' in text, text[:500])


def test_lost_with_a_filter():
    found = irq(lossy(), '--json', '--line', '0', '-n', '64').objects()
    check('lost' in found[0], found[0])


def test_summary():
    result = irq(world(), '--summary', '-n', '2')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('irq-summary.txt', result.out)


def test_summary_top():
    text = irq(world(), '--summary', '-n', '1', '--top', '1').out
    same(text.count('/machine/'), 1, 'lines')


def test_summary_json():
    result = irq(world(), '--summary', '--json', '-n', '3')
    golden('irq-summary.json', result.out)
    for interval in result.objects():
        same(sum(line['events'] for line in interval['lines']),
             interval['events'], 'events of all lines')
        same(sum(line['events'] for line in interval['callers']),
             interval['events'], 'events of all callers')


def test_many_lines():
    """More lines than are told apart: the rest is counted."""
    guest = World()
    for number in range(6000):
        at = guest.now_ns + 2000 * MS + number * MS // 6 + 1
        guest.irqs.add(at, level=1, depth=0, kind='hardware',
                       path=f'/machine/d{number}', **{
                           'irq-line': number, 'host-tid': 7,
                           'thread-name': '', 'caller-addr': number})
    interval = irq(guest, '--summary', '--json', '-n', '1', '--top',
                   '0').objects()[0]
    same(interval['events'], 6000, 'events')
    same(len(interval['lines']), 4096, 'lines')


def test_turned_on_and_off():
    guest = world()
    guest.irq_on = False
    result = irq(guest, '-n', '5', '--json', '--backtrace', '3', '--no-msi',
                 '--changes-only')
    same(result.code, 0, 'exit code')
    check('was off: turned on' in result.err, result.err)
    on, off = guest.asked('irq-log-set')
    same(on, {'enable': True, 'text': False, 'backtrace': 3, 'msi': False,
              'changes-only': True}, 'command')
    same(off, {'enable': False}, 'command')


def test_no_enable():
    guest = world()
    guest.irq_on = False
    result = irq(guest, '--no-enable')
    same((result.code, result.out), (1, ''), 'exit code and output')
    check('is off' in result.err, result.err)


def test_duration():
    result = irq(world(), '--json', '--duration', '200ms')
    same(result.code, 0, 'exit code')
    check(result.objects(), 'nothing came')


def test_sigint():
    guest = world()
    guest.irq_on = False
    process = start('irq', '-d', '50ms', '--qmp', fake(guest).path)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    same(process.returncode, 0, f'exit code ({err})')
    check(not guest.irq_on, 'still on')
    check(not out or out.endswith('\n'), 'a line is cut')


def test_qemu_dies():
    result = irq(world(), mode=('die', 8))
    same(result.code, 1, 'exit code')
    check('QEMU has ended' in result.err, result.err)
    check(result.out.startswith('irq-log: enabled format=1'), 'what was '
          'there is printed')


def test_missing():
    guest = calm()
    guest.missing = {'query-irq-log-status'}
    result = irq(guest)
    same(result.code, 1, 'exit code')
    check('not built with vmscope' in result.err, result.err)


def test_hostile_strings():
    """A path may hold anything: lines stay whole."""
    guest = World()
    guest.irqs.add(guest.now_ns + 5000 * MS // 2, level=1, depth=0,
                   kind='hardware', path='/a\nirq-log: lost=7\x1b[31m', **{
                       'irq-line': 0, 'host-tid': 7,
                       'thread-name': 'a"\nb', 'caller-addr': 1})
    text = irq(guest, '-n', '1').out
    check('\x1b' not in text and '\nirq-log: lost' not in text, text)
    check('path=/a\\x0airq-log: lost=7\\x1b[31m\n' in text, text)
