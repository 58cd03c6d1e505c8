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
    same(guest.asked('query-irq-log')[0]['after'], numbers[0] - 1, 'query')


def full(entries, frames=16):
    """A ring that has been overwritten for long, with large entries."""
    guest = World()
    guest.irqs = Ring(entries)
    guest.step_ns = MS
    for number in range(3 * entries):
        guest.irqs.add(number, level=number & 1, depth=0, kind='hardware',
                       path=f'/machine/peripheral/device{number % 7}/'
                       'unnamed-gpio-in[0]', **{
                           'irq-line': number % 7, 'host-tid': 4711,
                           'thread-name': 'CPU 0/KVM',
                           'thread-role': 'vcpu 0',
                           'caller-addr': 0x55fe0f1a4c90,
                           'caller-symbol': 'virtio_blk_req_complete+0x120',
                           'backtrace': [0x7ffe0f1a4c90 + frame
                                         for frame in range(frames)]})
    return guest


LIMIT = 2 << 20     # bytes of an answer that libvirt passes on without harm


def test_last_is_paged():
    """Answers stay small, however many are wanted; none twice, none left out."""
    guest = full(16384)
    found = irq(guest, '--json', '--last', '12000', '-n', '12000').objects()
    numbers = [entry['seq'] for entry in found]
    same(numbers, list(range(3 * 16384 - 12000 + 1, 3 * 16384 + 1)),
         'numbers')
    check(guest.largest < LIMIT, f'an answer of {guest.largest} bytes')
    # more than there are: all there are
    found = irq(full(1024), '--json', '--last', '100000', '-n',
                '1024').objects()
    same([entry['seq'] for entry in found], list(range(2049, 3073)), 'all')


def test_last_with_a_filter():
    for limit in (None, 30000):
        guest = full(4096)
        guest.irqs.bytes = limit
        found = irq(guest, '--json', '--line', '3', '--last', '300', '-n',
                    '300').objects()
        wanted = [entry['seq'] for entry in guest.irqs.list
                  if entry['irq-line'] == 3][-300:]
        same([entry['seq'] for entry in found], wanted, 'numbers')
        check(guest.largest < LIMIT, f'an answer of {guest.largest} bytes')


def test_answers_with_fewer():
    """QEMU limits the bytes of an answer: the next one is asked for."""
    for more in ([], ['--kind', 'hardware']):
        guest = world()
        guest.irqs.bytes = 8000
        found = irq(guest, '-n', '900', '--json', *more).objects()
        check(all('lost' not in entry for entry in found), 'losses')
        wanted = [entry['seq'] for entry in guest.irqs.list
                  if entry['kind'] == 'hardware' or not more]
        first = wanted.index(found[0]['seq'])
        same([entry['seq'] for entry in found], wanted[first:first + 900],
             'numbers')
    guest = world()
    guest.irqs.bytes = 8000
    found = irq(guest, '--last', '100', '-n', '100', '--json').objects()
    numbers = [entry['seq'] for entry in found]
    same(numbers, list(range(numbers[0], numbers[0] + 100)), 'the last ones')


def test_duration_under_a_flood():
    """Its end is looked at while pages are fetched, and it says so."""
    for more in ([], ['--summary'], ['--json', '--last', '60000']):
        guest = full(65536, frames=0)
        guest.now_ns = 10000        # 60000 come between two looks
        guest.step_ns = 60000
        guest.slow = 0.25
        result = irq(guest, '--duration', '1s', *more)
        same(result.code, 0, f'exit code ({result.err})')
        # a page more than its second; 18 s when it did not look
        check(result.seconds < 12, f'{more} took {result.seconds:.1f} s')
        check('not fetched' in result.err, result.err)


def test_count_ends_it():
    guest = full(65536, frames=0)
    guest.now_ns = 10000
    guest.step_ns = 60000
    result = irq(guest, '--json', '-n', '10')
    same(len(result.objects()), 10, 'entries')
    same(len(guest.asked('query-irq-log')), 1, 'queries')


def test_summary_of_the_last():
    """Those that are there already are a summary of their own."""
    guest = world()
    result = irq(guest, '--summary', '--json', '--last', '160', '-n', '2')
    last, follows = result.objects()
    there = guest.irqs.list[:guest.irqs.recorded(102 * 1000000000)][-160:]
    same(last['events'], 160, 'events')
    same(last['interval-ns'], there[-1]['timestamp-ns'] -
         there[0]['timestamp-ns'], 'interval')
    same(last['time-ns'], there[-1]['timestamp-ns'], 'time')
    same(sum(line['events'] for line in last['lines']), 160, 'lines')
    check(follows['events'] > 0, follows)
    guest = world()
    guest.irqs.list.clear()
    same(irq(guest, '--summary', '--json', '--last', '9', '-n', '1')
         .objects()[0]['events'], 0, 'of none')


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
    same(text.count('hardware '), 1, 'lines')
    same(text.count('ahci_irq_raise'), 0, 'callers')


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
    out, err = process.communicate(timeout=120)
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


def nested():
    """A timer whose every call leads to four others, and another thread's."""
    guest = World()
    for number in range(400):
        at = guest.now_ns + number * 5 * MS
        by = {'host-tid': 4711, 'thread-name': 'CPU 0/KVM', 'level': 1,
              'caller-addr': 0x55fe0f1a4c90}
        guest.irqs.add(at, **by, kind='hardware', depth=0, device='hpet',
                       path='/machine/unattached/device[6]/unnamed-gpio-in[0]',
                       **{'irq-line': 0})
        guest.irqs.add(at + 1, **{**by, 'host-tid': 4700}, kind='msi', depth=0,
                       path='/machine/peripheral/disk',
                       device='virtio-blk-pci:disk', **{'irq-line': 36})
        for depth in (1, 2, 3, 3):
            guest.irqs.add(at + 1 + depth, **by, kind='software', depth=depth,
                           path=f'/machine/q35/lpc/gsi[{depth}]',
                           **{'irq-line': depth})
    return guest


def test_fan_out_is_folded():
    """Only outermost calls, each with how many it led to; all when asked."""
    found = irq(nested(), '--json', '--last', '1200', '-n', '400').objects()
    same({entry['depth'] for entry in found}, {0}, 'depths')
    inner = {entry.get('inner-calls', 0) for entry in found
             if entry['device'] == 'hpet'}
    check(4 in inner and inner <= {0, 4}, f'calls inside: {inner}')
    same({entry.get('inner-calls', 0) for entry in found
          if entry['device'] != 'hpet'}, {0}, 'of another thread')
    for every in (['--all-depths'], ['--tid', '4711'], ['--kind', 'software']):
        found = irq(nested(), '--json', '--last', '600', '-n', '600',
                    *every).objects()
        check(max(entry['depth'] for entry in found) == 3, f'{every}')
        check(not any('inner-calls' in entry for entry in found), f'{every}')


def test_summary_folds_fan_out():
    text = irq(nested(), '--summary', '--last', '1200', '-n', '1').out
    rows = text.splitlines()
    check('(and 800 raised inside of these)' in rows[0], rows[0])
    same(sum('HPET · pin 0' in row and ' +4 ' in row for row in rows), 1, text)
    same(sum('disk (virtio-blk-pci) · message 36' in row for row in rows), 1,
         text)
    check('gsi' not in text, text)
    text = irq(nested(), '--summary', '--all-depths', '--last', '1200', '-n',
               '1').out
    check('gsi' in text and 'inside' not in text.splitlines()[0], text)


def of_guest(vcpu, vector, *routines):
    return {'vcpu': vcpu, 'vector': vector, 'shared': len(routines) > 1,
            'routines': [{'object': 1, 'service-routine': 2, 'irql': 3,
                          'mode': 'latched', **routine}
                         for routine in routines]}


def message_world():
    """Messages of four vectors, ten times a second each."""
    guest = World()
    for number in range(4000):
        vector = (0x71, 0x81, 0x63, 0x91)[number % 4]
        guest.irqs.add(guest.now_ns + number * 25 * MS, level=1, depth=0,
                       kind='msi', path=f'/machine/peripheral/d{vector:x}',
                       device=f'd{vector:x} (virtio-blk-pci)', **{
                           'irq-line': vector, 'host-tid': 4711,
                           'thread-name': 'q', 'caller-addr': 1,
                           # The last one is remapped: its data is no vector.
                           'msi-address': 0xfee00000 | (vector == 0x91) << 4,
                           'msi-data': vector})
    guest.missing.discard('query-windows-interrupts')
    guest.interrupts = [
        of_guest(0, 0x71, {'driver': 'storport.sys', 'driver-offset': 4,
                           'device-driver': 'viostor.sys', 'message': 1}),
        of_guest(1, 0x71, {'driver': 'storport.sys', 'driver-offset': 4,
                           'device-driver': 'viostor.sys', 'message': 1}),
        of_guest(0, 0x81, {'driver': 'a.sys'}, {}, {'driver': 'b\x1b[31m'}),
        of_guest(0, 0x63, {'driver': 'net.sys'}),
        of_guest(1, 0x63, {'driver': 'usb.sys'}),
        of_guest(0, 0x91, {'driver': 'wrong.sys'}),
    ]
    return guest


def test_driver_of_a_message():
    wanted = {0x71: 'viostor.sys by storport.sys', 0x81: 'a.sys, b\x1b[31m',
              0x63: 'net.sys, usb.sys', 0x91: None}
    guest = message_world()
    found = irq(guest, '--summary', '--json', '-n', '1').objects()[0]
    same({line['irq-line']: line.get('driver') for line in found['lines']},
         wanted, 'drivers')
    text = irq(message_world(), '--summary', '-n', '1').out
    check(' -> viostor.sys by storport.sys\n' in text, text)
    check('wrong' not in text and '\x1b' not in text, text)
    guest = message_world()
    guest.missing.add('query-windows-interrupts')
    result = irq(guest, '--summary', '-n', '1')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    check('->' not in result.out, result.out)


def test_still_raised():
    guest = World()
    begin = guest.now_ns
    common = {'depth': 0, 'kind': 'hardware', 'host-tid': 1,
              'thread-name': 'q', 'caller-addr': 1}
    for number in range(4000):
        guest.irqs.add(begin + number * 100 * MS, level=1, path='/machine/s',
                       **{'irq-line': 1}, **common)
        guest.irqs.add(begin + number * 100 * MS, level=(number + 1) % 2,
                       path='/machine/p', **{'irq-line': 2}, **common)
    for entry in irq(guest, '--summary', '--json', '-n', '2').objects():
        raised = {line['path']: line for line in entry['raised']}
        stuck = raised['/machine/s']
        check(stuck['raised-again'] > 0 and stuck['lowers'] == 0, stuck)
        same(entry['time-ns'] - stuck['since-ns'], stuck['for-ns'], 'for')
        for line in raised.values():
            if line['path'] != '/machine/s':
                check(line['for-ns'] <= 100 * MS, line)
    text = irq(guest, '--summary', '-n', '1').out
    check('still raised\n' in text and '/machine/s, never lowered\n' in text,
          text)


def bypassing():
    """A machine on which much goes past the log, and one device does not."""
    guest = World()
    guest.objects = {
        '/machine/unattached': {'device[9]': ('child<kvm-pit>', None)},
        '/machine/peripheral': {
            'disk0': ('child<virtio-blk-pci>', None),
            'slow0': ('child<virtio-blk-pci>', None),
            'net0': ('child<virtio-net-pci>', None),
            'net1': ('child<virtio-net-pci>', None),
            'fs0': ('child<vhost-user-fs-pci>', None),
            'scsi0': ('child<virtio-scsi-pci>', None),
            'gpu': ('child<vfio-pci>', None), 'type': ('string', None)},
        '/machine/peripheral/disk0': {
            'ioeventfd': ('bool', True),
            'iothread-vq-mapping': ('IOThreadVirtQueueMappingList',
                                    [{'iothread': 'io0'}])},
        '/machine/peripheral/slow0': {'ioeventfd': ('bool', True),
                                      'iothread': ('link<iothread>', '')},
        '/machine/peripheral/scsi0': {'iothread': ('link<iothread>',
                                                   '/objects/io0')},
    }
    guest.vhost = {'/machine/peripheral/net1/virtio-backend'}
    return guest


BYPASSES = ("KVM's (kernel-irqchip=on)", 'disk0 (virtio-blk-pci)',
            'net1 (virtio-net-pci)', 'fs0 (vhost-user-fs-pci)',
            'scsi0 (virtio-scsi-pci)', 'gpu (vfio-pci)')


def test_silence():
    result = irq(bypassing(), '--duration', '2500ms')
    same((result.code, result.err.count('in 2 s')), (0, 1), result.err)
    for what in BYPASSES:
        check(what in result.err, f'{what} in {result.err}')
    check('net0' not in result.err and 'slow0' not in result.err, result.err)
    guest = bypassing()
    guest.kvm = False
    result = irq(guest, '--duration', '2500ms')
    check('none are known to go past the log' in result.err, result.err)


def test_doctor_tells_what_goes_past():
    result = vmscope('doctor', '--qmp', fake(bypassing()).path, '--wait',
                     '1s', '--json')
    texts = [finding['text'] for finding in result.objects()[0]['findings']
             if finding['check'] == 'bypass']
    same(len(texts), len(BYPASSES), f'{texts}')
    for what, text in zip(BYPASSES, sorted(
            texts, key=lambda text: [b in text for b in BYPASSES].index(
                True))):
        check(what in text, f'{what} in {text}')
