"""vmscope doctor: what it finds, and what it puts into a bundle.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os

from fake_qmp import World
from guests import calm
from harness import (QEMU, Skip, at_end, check, fake, folder, golden, same,
                     start, vmscope, wait_for)
from nasty import harmful, unescape
from real import Guest
from qemu import Qemu


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
    result = doctor(world, '-v')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('doctor.txt', stable(result.out))


def test_verdict_comes_first():
    """The answer in the first two lines; what is in order only with -v."""
    text = doctor(calm()).out
    lines = text.splitlines()
    check(lines[0].startswith('Ready, with limits: Windows 11 24H2, 2 vCPUs') and
          'switches missed at 1 kHz' in lines[0], lines[0])
    check(lines[1].startswith('Interrupts: wired yes, MSI yes'), lines[1])
    check(not any(line.startswith('OK ') for line in lines), text)
    check('OFFSET' not in text and '-v shows' in lines[-1], text)
    world = calm()
    world.running = False
    verdict = json.loads(doctor(world, '--json').out)['verdict']
    check(verdict.startswith('Ready'), verdict)
    result = vmscope('doctor', '--qmp', os.path.join(folder(), 'none'))
    same(result.code, 1, 'exit code')
    check(result.out.startswith('Not ready: '), result.out)
    check('vmscope ps' in result.out, result.out)


def test_every_grade_says_what_to_do():
    world = calm()
    world.extra_status = {'state': 'waiting', 'windows-build': None}
    for guest in (calm(), world):
        found = json.loads(doctor(guest, '--json', '--wait',
                                  '100ms').out)['findings']
        for finding in found:
            check(finding['grade'] == 'ok' or finding.get('advice'), finding)


def test_healthy():
    found = findings(calm())
    for check_name in ('socket', 'version', 'commands', 'machine', 'accel',
                       'cpus', 'trace', 'kernel', 'detection', 'offsets',
                       'missed', 'ring', 'poll'):
        check(('ok', check_name) in found, f'no {check_name}: {found}')
    check(not [key for key in found if key[0] == 'fail'], found)


def test_parked_vcpu():
    """One that the guest has not started is no cause for a warning."""
    world = calm()
    world.vcpu_members = {'known': False, 'started': False}
    text = doctor(world, '-v').out
    check('not started by the' in text, text)
    check('cannot be looked at' not in text, text)


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
    check('no thread has a name yet' in ' '.join(result.out.split()),
          result.out)


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


class BootWorld(World):
    """One without a Windows; the human monitor shows these registers."""

    def __init__(self, *vcpus):
        super().__init__()
        self.state, self.reason = 'waiting', 'no Windows kernel is visible'
        self.vcpus, self.moves = vcpus, 0

    def human_monitor_command(self, arguments):
        same(arguments, {'command-line': 'info registers -a'}, 'asked')
        self.moves += 0x10
        return ''.join(
            f'\r\nCPU#{i}\r\n{ip}IP={at + self.moves * move:x} RFL=00000082 '
            f'[-------] CPL={cpl} II=0 A20=1 SMM=0 HLT={hlt}\n'
            f'CS ={cs:04x} {cs * 16 if cs > 0x100 else 0:016x} ffffffff 0\n'
            f'CR0={cr0:08x} CR2=0 CR3=0 CR4=0\nEFER={efer:016x}\n'
            for i, (ip, at, move, cpl, hlt, cs, cr0, efer) in
            enumerate(self.vcpus))


# ip, at, move, cpl, hlt, cs, cr0, efer
BIOS = ('E', 0x1234, 1, 0, 0, 0xf000, 0x10, 0)
STUCK = ('E', 0x7c00, 0, 0, 0, 0, 0x10, 0)
UEFI = ('R', 0x7e12345, 1, 0, 0, 0x38, 0x80000011, 0xd00)
KERNEL = ('R', 0xfffff80312a00000, 1, 0, 0, 0x10, 0x80000011, 0xd01)
PARKED = ('E', 0, 0, 0, 1, 0xf000, 0x10, 0)


def test_boot_stage():
    for vcpus, said in (
            ((BIOS, PARKED), 'vCPU 0 executes the firmware, at 0xf'),
            ((STUCK,), 'vCPU 0 executes a boot loader, at 0x7c00 in real '
             'mode, and does not move'),
            ((UEFI, PARKED), 'vCPU 0 executes the firmware or a boot loader, '
             'at 0x7e12395 in 64-bit mode'),
            ((UEFI, KERNEL), 'vCPU 1 executes a 64-bit kernel, at '
             '0xfffff80312a00050 in 64-bit mode'),
            ((PARKED,), 'and is halted')):
        result = doctor(BootWorld(*vcpus), '--json', '--wait', '100ms')
        same(result.code, 0, f'exit code ({result.err})')
        answer = json.loads(result.out)
        found = {(f['grade'], f['check']): f['text']
                 for f in answer['findings']}
        check(said in found['note', 'boot'], found)
        check(answer['verdict'].startswith('Not ready: no Windows kernel was '
                                           'found; vCPU '), answer['verdict'])
    check(('note', 'boot') not in findings(calm()), 'of a known kernel')


def test_real_boot_stage():
    """A machine without a disk stays in its firmware."""
    if not os.path.exists(QEMU):
        raise Skip(f"{QEMU} is not there: run 'make qemu'")
    place = folder()
    path = os.path.join(place, 'qmp')
    machine = Qemu([QEMU, '-M', 'pc', '-m', '64', '-nodefaults', '-display',
                    'none', '-accel', 'tcg', '-qmp',
                    f'unix:{path},server=on,wait=off'],
                   os.path.join(place, 'stderr'))
    at_end(machine.stop)
    wait_for('the socket', lambda: os.path.exists(path))
    wait_for('the firmware', lambda: 'vCPU 0 executes the firmware, at ' in
             vmscope('doctor', '--qmp', path, '--wait', '100ms').out)


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


def test_lines_refused():
    world = calm()
    check(('warn', 'irq-log') not in findings(world), 'all lines have room')
    world.lines_refused = 7
    found = findings(world)
    check('7 lines had no room' in found['warn', 'irq-log'], found)


def test_interrupted():
    world = World()
    world.sched_on, world.state = False, 'detecting'
    process = start('doctor', '--json', '--wait', '60s', '--qmp',
                    fake(world).path)
    wait_for('waiting', lambda: len(world.log) > 8)
    process.terminate()
    out, err = process.communicate(timeout=120)
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
        check(name.encode() in [unescape(line.split(':   ', 1)[1]) for line in
                                result.err.splitlines() if ':   ' in line],
              f'{name} is not told first')
    same(harmful(result.err), [], 'what is harmful in that')
    same(set(bundle['contains']) - {'findings', 'versions'},
         set(bundle['answers']), 'what it says it holds')
    again = doctor(calm(), '--bundle', path)
    same(again.code, 1, 'over an old file')
    check(path in again.err and 'there already' in again.err and
          'another name' in again.err, again.err)


def test_bundle_without_names():
    path = os.path.join(folder(), 'report.json')
    world = calm()
    result = doctor(world, '--bundle', path, '--no-names')
    same(result.code, 0, f'exit code ({result.err})')
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for name in ('chrome', 'Compositor', '메모장', '한국어', 'win11', 'evil',
                 'averylongname', '메모장'.encode().hex()):
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
    same(found['ok', 'drivers'], '3 are loaded, the kernel among them',
         'drivers')
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
