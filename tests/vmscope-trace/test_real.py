"""record against the QEMU that was built, with the NT test guest on TCG.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re
import signal
import time

from rig import (Guest, Running, check, counts, folder, report, rows, same,
                 vmscope, wait_for)
from nasty import harmful, unescape  # noqa: E402

BUSY = 'build=26100 tick-us=500 spin=20000'


def target():
    return os.path.join(folder(), 't.vms')


def has_events(path, *kinds):
    """Whether the recording, which goes on, has some of each kind."""
    if not os.path.exists(path) or os.path.getsize(path) < 2048:
        return False
    found = counts(path)
    return all(found[kind] > 10 for kind in kinds or ('switch', 'irq'))


def check_ticks(figures):
    """Windows' own account: a clock of 500 us, read twice a second."""
    for cpu in figures['vcpus']:
        ticks = cpu.get('windows-ticks')
        check(ticks and sum(ticks.values()) > 100, f'ticks: {cpu}')
        check(0 < cpu['windows-ticks-ns'] <= figures['end-ns'] -
              figures['begin-ns'], f'time of ticks: {cpu}')
        check(cpu['windows-interrupts'] > 100, f'interrupts: {cpu}')


def test_both_traces():
    """Names and ids of the guest's threads, its interrupts, and no loss."""
    guest = Guest('-smp', '2', config=BUSY)
    path = target()
    vmscope('record', '--qmp', guest.path, '-o', path, '--duration', '4s')
    same(guest.is_on(), (False, False), 'traces that are on afterwards')
    figures = report(path)
    same(figures['recording']['vm-name'], 'test guest', 'name')
    same(figures['guest']['build'], 26100, 'build')
    check(figures['switches'] > 100 and figures['interrupts'] > 100,
          f'{figures["switches"]}, {figures["interrupts"]}')
    same(figures['switches-lost'] + figures['interrupts-lost'], 0, 'lost')
    same(len(figures['vcpus']), 2, 'vCPUs')
    check(any(t['image'] == 'System' and t['pid'] == 4
              for t in figures['threads']), 'System is pid 4')
    check(sum(1 for t in figures['threads'] if t['name']) > 3, 'names')
    check(figures['waits'], 'wait reasons')
    check(all(cpu.get('host-ns') for cpu in figures['vcpus']),
          'their time on the host')
    check_ticks(figures)
    check(any(line['followed'] for line in figures['lines']), 'followed')
    for way in (['report'], ['report', '--html'],
                ['export', '--format', 'perfetto'],
                ['export', '--format', 'json']):
        vmscope(*way, path, raw=True)
    check_callers(vmscope('report', '--html', path).out)


def check_callers(page):
    """The page has functions for the places that raised interrupts."""
    listed = re.search(r'<script id="callers"[^>]*>(.*?)</script>', page,
                       re.DOTALL)
    check(listed, 'the page has no list of callers')
    names = [one['name'] for one in json.loads(listed[1])]
    check(any(re.fullmatch(r'\w+(\.\w+)*( > \w+(\.\w+)*)*', name)
              for name in names), f'names of callers: {names}')


# With image-names=bytes: see user_processes() in guest/nt/world.c.
IMAGES = {
    b'\xb0\xe8\xbb\xea\xb1\xe2.exe', b'row\r\n1,\x1b[31m.ex',
    b'\x80\x9b\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\xf6\xf7\xf8\xf9\xfa',
    b'a\xc2\x9b1m\xe2\x80\xaegpj'[:15], b'=1+1.exe', b'</script>"<b>&',
    b'\\xb0\xb0.exe', b'\xb1\xe2\x7f\x08\x07.exe',
}


def test_image_names_of_any_bytes():
    """From the guest's memory to each format: no byte is lost or does harm."""
    guest = Guest('-smp', '2', config=BUSY + ' image-names=bytes processes=8 '
                  'threads=24 user-percent=90')
    path = target()
    vmscope('record', '--qmp', guest.path, '-o', path, '--sched',
            '--duration', '5s')
    ours = [p for p in report(path)['processes']
            if p.get('pid') and unescape(p['image']) in IMAGES or
            'image-bytes' in p]
    found = {bytes.fromhex(p['image-bytes']) if 'image-bytes' in p
             else p['image'].encode() for p in ours}
    check(IMAGES <= found, f'missing: {IMAGES - found}')
    text = vmscope('export', '--format', 'csv', path, raw=True).out.decode()
    same(harmful(text), [], 'harm in the CSV')
    table = rows(path)
    same(len(table), len(text.splitlines()) - 1, 'rows and lines')
    found = {unescape(row['process']) for row in table}
    check(IMAGES <= found, f'missing in the CSV: {IMAGES - found}')
    text = vmscope('report', '--top', '0', path).out
    same(harmful(text), [], 'harm in the report')
    # its path says what the bytes do not
    check('  계산기.exe\n' in text, text)
    check('\\계산기.exe\n' in text, text)
    text = vmscope('report', '--top', '0', '--codepage', 'CP949', path).out
    check('  계산기.exe\n' in text, text)
    page = vmscope('report', '--html', path).out
    same(harmful(page, '\n\t'), [], 'harm in the page')
    text = vmscope('export', '--format', 'json', path).out
    same(harmful(text), [], 'harm in the JSON')
    vmscope('export', '--format', 'perfetto', path, raw=True)


def test_exact():
    """What exact mode recorded is told apart from what was seen by looking."""
    guest = Guest('-smp', '2', config=BUSY)
    path = target()
    vmscope('record', '--qmp', guest.path, '-o', path, '--exact', '--sched',
            '--duration', '4s')
    figures = report(path)
    exact = sum(row['origin'] == 'exact' for row in rows(path)
                if row['event'] == 'switch')
    check(exact > 100, f'{exact} exact')
    same(figures['switches-exact'], exact, 'switches-exact')
    text = vmscope('report', path).out
    check(f'{exact} of the switches were recorded as they happened' in text or
          'Every switch was recorded as it happened' in text, text[-600:])
    late = report(path, '--since', '3s')
    same(late['exact'], True, 'the last second is exact')
    check('Every switch was recorded as it happened' in
          vmscope('report', '--since', '3s', path).out, 'late text')


def test_one_trace():
    guest = Guest()
    for kind, other in (('--sched', 'irq'), ('--irq', 'switch')):
        path = target()
        running = Running('record', '--qmp', guest.path, '-o', path, kind)
        wait_for('events', lambda: has_events(
            path, 'switch' if other == 'irq' else 'irq'))
        running.signal()
        running.end()
        same(counts(path)[other], 0, f'{kind}: {other}')
        same(guest.is_on(), (False, False), 'traces that are on')


def test_command_line_is_kept():
    guest = Guest()
    path = target()
    vmscope('record', '--qmp', guest.path, '-o', path, '--', 'true')
    check(path in report(path)['recording']['options'], 'the options')


def test_interrupted():
    """After SIGINT at any moment both traces are off, and nothing is left."""
    guest = Guest()
    place = folder()
    for number in range(12):
        path = target()
        running = Running('record', '--qmp', guest.path, '-o', path,
                          '--ring-dir', place)
        time.sleep(0.02 * number)
        running.signal(signal.SIGTERM if number % 4 == 3 else signal.SIGINT)
        running.end(code=None)
        check(running.process.returncode in (0, 1, -signal.SIGINT,
                                             -signal.SIGTERM),
              f'exit code {running.process.returncode}')
        same(guest.is_on(), (False, False), f'on after {number} * 20 ms')
        same(os.listdir(place), [], 'rings that are left')
        if os.path.exists(path):
            report(path)


def test_qemu_killed():
    """QEMU dies: the recording has what its rings had, and says why."""
    guest = Guest(config=BUSY)
    path = target()
    place = folder()
    running = Running('record', '--qmp', guest.path, '-o', path,
                      '--ring-dir', place)
    wait_for('events', lambda: has_events(path))
    guest.process.kill()
    said = running.end(1)
    check('QEMU has ended' in said, said)
    found = counts(path)
    check(found['switch'] > 10 and found['irq'] > 10, f'{found}')
    same(report(path)['recording']['ended'], 'with QEMU', 'why')
    same(os.listdir(place), [], 'rings that are left')


def test_qemu_quits():
    guest = Guest()
    path = target()
    running = Running('record', '--qmp', guest.path, '-o', path)
    wait_for('events', lambda: has_events(path))
    guest.qmp.command('quit')
    said = running.end(1)
    check('QEMU has ended' in said or 'turned the trace off' in said, said)
    check(sum(counts(path).values()) > 10, f'{counts(path)}')


def test_recorder_killed():
    """record dies: the file is readable, and QEMU goes on."""
    guest = Guest(config=BUSY)
    path = target()
    running = Running('record', '--qmp', guest.path, '-o', path,
                      '--ring-dir', folder())
    wait_for('events', lambda: has_events(path))
    running.kill()
    check(counts(path)['switch'] > 10, f'{counts(path)}')
    same(guest.qmp.command('query-status')['running'], True, 'it runs')
    # the next one finds the traces on, and takes them over when told to
    result = vmscope('record', '--qmp', guest.path, '-o', target(),
                     '--duration', '1s', code=1)
    check('is on already' in result.err and '--force' in result.err,
          result.err)
    path = target()
    vmscope('record', '--qmp', guest.path, '-o', path, '--duration', '2s',
            '--force')
    check(counts(path)['switch'] > 10, f'{counts(path)}')


def test_others_trace():
    """A trace of somebody else is left alone, or put back as it was."""
    guest = Guest()
    guest.qmp.command('irq-log-set', {'enable': True, 'text': False,
                                      'entries': 512, 'backtrace': 3})
    result = vmscope('record', '--qmp', guest.path, '-o', target(), '--irq',
                     '--duration', '1s', code=1)
    check('is on already' in result.err, result.err)
    vmscope('record', '--qmp', guest.path, '-o', target(), '--irq', '--force',
            '--duration', '1s')
    status = guest.qmp.command('query-irq-log-status')
    same((status['enabled'], status['entries']), (True, 512), 'as it was')


def test_turned_off_by_another():
    guest = Guest()
    path = target()
    running = Running('record', '--qmp', guest.path, '-o', path, '--irq')
    wait_for('events', lambda: has_events(path, 'irq'))
    guest.qmp.command('irq-log-set', {'enable': False})
    said = running.end(1)
    check('somebody else turned the trace off' in said, said)
    check(counts(path)['irq'] > 10, f'{counts(path)}')


def test_small_rings():
    """Every number that QEMU gave out is an event, or counted as lost."""
    guest = Guest(config=BUSY)
    path = target()
    running = Running('record', '--qmp', guest.path, '-o', path, '--irq',
                      '--entries', '64')
    wait_for('events', lambda: has_events(path, 'irq'))
    recorded = guest.qmp.command('query-irq-log-status')['recorded']
    running.signal()
    running.end()
    found = counts(path)
    check(found['irq'] + found['lost-irqs'] >= recorded,
          f'{found} of {recorded}')
    check(found['irq'] > 10, f'{found}')


def test_no_windows():
    """A guest that is none: the recording says so, and has interrupts."""
    guest = Guest('-S')
    path = target()
    result = vmscope('record', '--qmp', guest.path, '-o', path, '--duration',
                     '1500ms')
    check('thread switches: waiting' in result.err, result.err)
    same([r for r in rows(path) if r['event'] == 'switch'], [], 'switches')
