"""Which driver serves which vector: judged against what the guest has put
there, by QEMU itself and in an image.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import itertools
import json
import os

import harness
from harness import check, same, vmscope
from real import Guest

# Gates lead to the objects in the first, an array in the others; all other
# rows with --full.
BUILDS = ('7600', '10240', '19041', '22621', '26100')
MORE_BUILDS = ('7601', '7601 variant=1', '7601 variant=2',
               '9200', '9600', '9600 variant=3', '9600 variant=4',
               '10240 variant=1', '10586', '14393', '15063', '16299', '17134',
               '17763', '18362', '19045', '20348', '22000', '22631',
               '26100 kvas=on', '19041 levels=5 pages=large')
LIES = ('interrupt-loop', 'interrupt-wild', 'interrupt-type',
        'interrupt-array')
NAME = 'query-windows-interrupts'


def traced(config, cpus=2, cpu='qemu64,-pni', **more):
    guest = Guest(f'build={config} interrupts=on decoys=on', cpus, cpu=cpu)
    guest.trace(**more)
    return guest


def judge_routine(entry, wanted, place):
    same(entry['object'], wanted.object, f'{place}: object')
    same(entry['irql'], wanted.irql, f'{place}: irql')
    same(entry['mode'], ('level', 'latched')[wanted.mode], f'{place}: mode')
    if wanted.wild:
        check('driver' not in entry and 'device-driver' not in entry,
              f'{place}: a wild routine is attributed: {entry}')
        return
    same(entry['service-routine'], wanted.routine, f'{place}: routine')
    same(entry.get('driver'), wanted.name, f'{place}: driver')
    same(entry.get('driver-offset'), wanted.routine - wanted.base,
         f'{place}: offset')
    same(entry.get('device-driver', ''), wanted.owner, f'{place}: device')
    same(entry.get('message'), wanted.message if wanted.by_message else None,
         f'{place}: message')


def judge(guest, answer, lies=()):
    """Every object that is told is right, and none is missing."""
    truth = {key: list(group) for key, group in itertools.groupby(
        guest.truth.interrupts(), lambda i: (i.cpu, i.vector))}
    wanted = {key: group for key, group in truth.items()
              if not group[0].refused}
    check(len(truth) == 9 * guest.cpus, f'the guest made {len(truth)}')
    found = {(i['vcpu'], i['vector']): i for i in answer['interrupts']}
    same(sorted(found), sorted(wanted), 'vectors')
    same(len(found), len(answer['interrupts']), 'vectors told twice')
    for key, group in wanted.items():
        entry = found[key]
        same(entry['shared'], group[0].shared, f'{key}: shared')
        same(len(entry['routines']), len(group), f'{key}: routines')
        for routine, want in zip(entry['routines'], group):
            judge_routine(routine, want, f'{key}')
        spoilt = 'interrupt-loop' in lies and len(group) > 1
        same('reason' in entry, spoilt, f'{key}: {entry.get("reason")}')
        if spoilt:
            check(('never comes back', 'breaks off')[key[0] % 2] in
                  entry['reason'], entry['reason'])
    same('reason' in answer, len(wanted) < len(truth),
         f'reason: {answer.get("reason")}')
    if 'reason' in answer:
        check('lead to no interrupt object' in answer['reason'],
              answer['reason'])


def check_build(build):
    cpu = 'qemu64,-pni,+la57' if 'levels=5' in build else 'qemu64,-pni'
    guest = traced(build, cpu=cpu)
    judge(guest, guest.qmp(NAME))
    return guest


def test_builds():
    for build in BUILDS:
        check_build(build).vm.close()


@harness.full
def test_more_builds():
    for build in MORE_BUILDS:
        check_build(build).vm.close()


def test_hostile():
    for build in ('7600', '26100'):
        guest = traced(f'{build} hostile={"+".join(LIES)}', cpus=3)
        judge(guest, guest.qmp(NAME), LIES)
        guest.vm.close()


@harness.full
def test_hostile_alone():
    for build in ('9600', '10240', '22621'):
        for lie in LIES + ('interrupt-loop+list-loop+rewrite',):
            guest = traced(f'{build} hostile={lie}', cpus=2)
            judge(guest, guest.qmp(NAME), lie.split('+'))
            guest.vm.close()


def test_unknown_layout():
    """Where no source tells, memory has to show it, or nothing is told."""
    for more in ('timestamp=1', 'timestamp=1 nt-build=29531'):
        guest = traced(f'26100 {more}')
        judge(guest, guest.qmp(NAME))
        guest.vm.close()
        guest = traced(f'26100 {more} interrupts-at=0x80')
        same(guest.qmp(NAME), {
            'interrupts': [], 'reason': 'where this kernel keeps its '
            'interrupt objects is not known'}, f'{more}, objects elsewhere')
        guest.vm.close()


def test_known_file_spoilt():
    """The very file is known, and what is there is none: nothing is told."""
    guest = traced('26100 interrupts-at=0x80')
    answer = guest.qmp(NAME)
    same(answer['interrupts'], [], 'interrupts')
    check('lead to no interrupt object' in answer['reason'], answer)


def test_off():
    guest = Guest('build=26100', 1)
    try:
        guest.qmp(NAME)
    except Exception as error:      # noqa: BLE001 whatever it is called
        check('windows-sched-trace-set' in str(error), repr(error))
    else:
        raise AssertionError('it answers although the trace is off')


def test_image():
    guest = traced('19041')
    path = os.path.join(harness.folder(), 'guest.core')
    guest.qmp('dump-guest-memory', paging=False, protocol=f'file:{path}')
    result = vmscope('image', path, '--json')
    same(result.code, 0, f'exit code ({result.err})')
    judge(guest, json.loads(result.out))
    result = vmscope('image', '-i', path)
    check(' 0x71     7 message storport.sys+0x1230' in result.out and
          '0x81+    8 level   HDAudBus.sys+0x1004\n' in result.out,
          result.out)
