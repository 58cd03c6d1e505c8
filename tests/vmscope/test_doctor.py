"""vmscope doctor: what it finds, and what it puts into a bundle.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os

from fake_qmp import World
from guests import calm
from harness import (at_end, check, fake, folder, golden, same, start,
                     vmscope, wait_for)
from real import Guest


def doctor(world, *more, mode='', **kwargs):
    return vmscope('doctor', '--qmp', fake(world, mode).path, *more, **kwargs)


def findings(world, *more, code=0, mode=''):
    """Its findings: (grade, check): text."""
    result = doctor(world, '--json', *more, mode=mode)
    same(result.code, code, f'exit code ({result.err}{result.out})')
    return {(f['grade'], f['check']): f['text']
            for f in json.loads(result.out)['findings']}


def stable(text):
    """Without what depends on the host it runs on."""
    lines = text.splitlines(True)
    out = []
    skipping = False
    for line in lines:
        if line[:4].strip():
            skipping = line[6:16].strip() in ('host', 'clock')
        if not skipping:
            out.append(line)
    # the note about the host is there or not
    return ''.join(out[:-1])


def test_text():
    world = calm()
    world.extra_status = {}
    result = doctor(world)
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('doctor.txt', stable(result.out))


def test_healthy():
    found = findings(calm())
    for check_name in ('socket', 'version', 'commands', 'machine', 'accel',
                       'cpus', 'trace', 'kernel', 'detection', 'offsets',
                       'missed', 'ring', 'poll'):
        check(('ok', check_name) in found, f'no {check_name}: {found}')
    check(not [key for key in found if key[0] == 'fail'], found)


def test_offsets_in_doubt():
    world = calm()
    world.offsets = [
        {'name': 'prcb-current-thread', 'agreed-by': [],
         'standing': 'refuted', 'doubt': 'no object is there'},
        {'name': 'ethread-thread-name', 'value': 0x610, 'source': 'table',
         'agreed-by': ['table'], 'standing': 'unconfirmed',
         'doubt': 'no thread has a name yet'}]
    result = doctor(world)
    same(result.code, 1, 'without an essential offset')
    check('prcb-current-thread is refuted, and not used' in
          ' '.join(result.out.split()), result.out)
    check('no thread has a name yet' in result.out, result.out)


def test_states():
    for state, reason, grade, code in (
            ('waiting', 'no Windows kernel is visible yet', 'warn', 0),
            ('detecting', 'looking', 'warn', 0),
            ('degraded', 'a switch was missed', 'warn', 0),
            ('unsupported', 'no x86_64', 'fail', 1)):
        world = calm()
        world.state, world.reason = state, reason
        found = findings(world, '--wait', '100ms', code=code)
        same(found[grade, 'trace'], f'{state}: {reason}', state)


def test_not_built_with_vmscope():
    world = World()
    world.missing = {'windows-sched-trace-set', 'query-windows-sched-trace',
                     'query-windows-sched-trace-status', 'irq-log-set',
                     'query-irq-log', 'query-irq-log-status'}
    result = doctor(world)
    same(result.code, 1, 'exit code')
    check('no command windows-sched-trace-set' in result.out and
          "'make qemu' built" in result.out, result.out)


def test_no_socket():
    path = os.path.join(folder(), 'none')
    result = vmscope('doctor', '--json', '--qmp', path)
    same(result.code, 1, 'exit code')
    found = json.loads(result.out)
    same((found['counts']['fail'], found['findings'][0]['check']),
         (1, 'socket'), 'findings')


def test_lost_on_the_way():
    for number in range(1, 12):
        result = doctor(calm(), '--json', mode=('die', number))
        if number > 9 and result.code == 0:
            break       # it asks no more than that
        same(result.code, 1, f'exit code after {number}')
        check(json.loads(result.out)['counts']['fail'], f'after {number}')


def test_turned_on_and_off():
    world = calm()
    world.sched_on = False
    found = findings(world, '--wait', '100ms')
    check(('ok', 'trace') in found, found)
    same([c['enable'] for c in world.asked('windows-sched-trace-set')],
         [True, False], 'commands')
    world = calm()
    world.sched_on = False
    found = findings(world, '--no-enable')
    check(found['note', 'trace'].startswith('disabled'), found)
    same(world.asked('windows-sched-trace-set'), [], 'commands')


def test_interrupted():
    world = World()
    world.sched_on, world.state = False, 'detecting'
    process = start('doctor', '--json', '--wait', '60s', '--qmp',
                    fake(world).path)
    wait_for('waiting', lambda: len(world.log) > 8)
    process.terminate()
    out, err = process.communicate(timeout=20)
    same(process.returncode, 1, f'exit code ({err})')
    check('this is not all' in err, err)
    json.loads(out)
    check(not world.sched_on, 'still on')


def test_bundle():
    path = os.path.join(folder(), 'report.json')
    result = doctor(calm(), '--bundle', path)
    same(result.code, 0, f'exit code ({result.err})')
    same(os.stat(path).st_mode & 0o777, 0o600, 'who may read it')
    with open(path, encoding='utf-8') as file:
        bundle = json.load(file)
    check('메모장.exe' in bundle['names'], bundle['names'])
    for name in bundle['names']:
        told = name.replace('\x1b', '?').replace('\t', '?')[:6]
        check(told[:2] in result.err, f'{name} is not told first')
    same(set(bundle['contains']) - {'findings', 'versions'},
         set(bundle['answers']), 'what it says it holds')
    again = doctor(calm(), '--bundle', path)
    same(again.code, 1, 'over an old file')
    check('File exists' in again.err, again.err)


def test_bundle_without_names():
    path = os.path.join(folder(), 'report.json')
    world = calm()
    result = doctor(world, '--bundle', path, '--no-names')
    same(result.code, 0, f'exit code ({result.err})')
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for name in ('chrome', 'Compositor', '메모장', '한국어', 'win11', 'evil',
                 'averylongname'):
        check(name not in text, f'{name} is in it')
        check(name not in result.err, f'{name} is told')
    check('thread-pointer' in text, 'the switches are not in it')


def test_bundle_on_full_disk():
    result = doctor(calm(), '--bundle', '/dev/full')
    same(result.code, 1, 'exit code')
    check('/dev/full' in result.err, result.err)


def test_real_guest():
    guest = Guest('build=26100', 2)
    result = vmscope('doctor', '--json', '--qmp', guest.sockets[0])
    same(result.code, 0, f'exit code ({result.err}{result.out})')
    answer = json.loads(result.out)
    found = {(f['grade'], f['check']): f['text'] for f in answer['findings']}
    same(answer['counts']['fail'], 0, 'failures')
    check('build 26100' in found['ok', 'kernel'], found)
    same(found['ok', 'trace'], 'active', 'state')
    same(guest.state(), 'disabled', 'state afterwards')
    offsets = answer['answers']['query-windows-sched-trace-status']['offsets']
    values = {o['name']: o.get('value') for o in offsets}
    same((values['kpcr-prcb'], values['prcb-current-thread']), (0x180, 8),
         'offsets')


def test_real_exact():
    guest = Guest('build=26100', 1)
    result = vmscope('doctor', '--json', '--exact', '--qmp',
                     guest.sockets[0])
    answer = json.loads(result.out)
    found = [f for f in answer['findings'] if f['check'] == 'exact']
    same(len(found), 1, f'findings about exact mode in {answer["findings"]}')
    same(guest.state(), 'disabled', 'state afterwards')


def test_real_stopped():
    """It says that the machine stands still, and does not wait for it."""
    guest = Guest('build=26100', 1)
    guest.vm.stop()
    at_end(guest.vm.cont)
    result = vmscope('doctor', '--json', '--wait', '500ms', '--qmp',
                     guest.sockets[0])
    found = {(f['grade'], f['check']): f['text']
             for f in json.loads(result.out)['findings']}
    check('paused' in found['warn', 'machine'], found)


def test_real_bundle():
    guest = Guest('build=26100 names=on', 2)
    path = os.path.join(folder(), 'report.json')
    result = vmscope('doctor', '--bundle', path, '--qmp', guest.sockets[0])
    same(result.code, 0, f'exit code ({result.err}{result.out})')
    with open(path, encoding='utf-8') as file:
        bundle = json.load(file)
    check(bundle['answers']['query-windows-sched-trace'], 'no switches')
    check(bundle['names'], 'no names')
