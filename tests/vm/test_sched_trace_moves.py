"""The scheduler trace when the guest becomes another, or goes elsewhere.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import time

from harness import Machine, QmpError, Skip, folder, wait_for
from sched import (QUERY, SET, guest, offset, recorded, start, state, status,
                   trace, wait_for_state, wait_for_switches)


def newest(machine):
    """The number of the newest entry."""
    return max(e['seq'] for e in machine.cmd(QUERY, max_entries=1))


def reboot(kvm, one, other):
    """All that was known of the first build is forgotten with it."""
    machine = start('-fw_cfg', 'name=opt/vmscope/nt-config-again,'
                    f'string=build={other[0]}', kvm=kvm,
                    config=f'build={one[0]}')
    trace(machine)
    for build, client_id in (one, other):
        wait_for(f'build {build}', lambda: status(machine).get(
            'windows-build') == build)
        wait_for_state(machine, 'active')
        wait_for('ids', lambda: offset(
            machine, 'kthread-client-id').get('value') == client_id)
        seq = newest(machine)
        wait_for('entries with ids', lambda: any(
            'unique-thread-id' in e for e in machine.cmd(QUERY, after=seq)))
        assert all(e.get('unique-thread-id', 0) % 4 == 0
                   for e in machine.cmd(QUERY, after=seq))
        machine.cmd('system_reset')
    assert status(machine)['detection']['kernels'] >= 2
    assert machine.quit() == 0


BUILD_GO = 0x8007f8      # in the guest's ground truth: see docs/guest.md


def let_build_change(ram):
    with open(ram, 'r+b') as file:
        file.seek(BUILD_GO)
        file.write(b'\1')


def test_build_number_that_changes():
    """Early in its boot Windows shows its file's number, later the one that
    an enablement package has given it.  It is the same kernel."""
    ram = os.path.join(folder(), 'ram')
    machine = start('-object', 'memory-backend-file,id=ram,size=64M,share=on,'
                    f'mem-path={ram}', '-machine', 'memory-backend=ram',
                    config='build=19041 nt-build-late=19045')
    trace(machine)
    before = status(machine)
    assert before['windows-build'] == 19041, before['windows-build']
    assert before['kernel-build'] == 19041, before['kernel-build']
    let_build_change(ram)
    wait_for('the other number', lambda: status(machine).get(
        'windows-build') == 19045)
    wait_for_switches(machine)
    after = status(machine)
    for same in ('kernel-build', 'kernel-base', 'kernel-file'):
        assert after[same] == before[same], (same, before, after)
    assert after['detection']['kernels'] == 1, after['detection']
    # The first entries are still there: nothing began anew.
    assert machine.cmd(QUERY, after=0, max_entries=1), after
    assert machine.quit() == 0


def test_reboot_into_another_build():
    reboot(False, (26100, 0x508), (7601, 0x3b8))


def test_reboot_into_another_build_kvm():
    reboot(True, (17763, 0x638), (26100, 0x508))


def migrated(source, target):
    """Move it; returns once it is there."""
    uri = 'unix:' + os.path.join(folder(), 'migration')
    target.cmd('migrate-incoming', uri=uri)
    source.cmd('migrate', uri=uri)
    wait_for('migration', lambda: source.cmd(
        'query-migrate').get('status') in ('completed', 'failed'), 60)
    assert source.cmd('query-migrate')['status'] == 'completed'


def test_migration_kvm():
    source = start(kvm=True)
    target = Machine(*guest(kvm=True), '-incoming', 'defer')
    for machine in (source, target):
        machine.cmd(SET, enable=True)
    wait_for_switches(source)
    base = status(source)['kernel-base']
    migrated(source, target)
    wait_for_switches(target)
    now = status(target)
    assert now['state'] == 'active' and now['kernel-base'] == base
    assert source.quit() == 0 and target.quit() == 0


def test_migration_of_another_build():
    """What comes in is not what the target was started for."""
    source = start(config='build=19041')
    target = Machine(*guest(config='build=26100'), '-incoming', 'defer')
    target.cmd(SET, enable=True)
    trace(source)
    migrated(source, target)
    wait_for_switches(target)
    assert status(target)['windows-build'] == 19041
    target.cmd('system_reset')
    wait_for('the other build', lambda: status(target).get(
        'windows-build') == 26100)
    wait_for_switches(target)
    # The source was left behind, and may go on from where it stopped.
    before = recorded(source)
    source.cmd('cont')
    wait_for_switches(source)
    assert recorded(source) > before and state(source) == 'active'
    assert source.quit() == 0 and target.quit() == 0


def allow_postcopy(machine):
    try:
        machine.cmd('migrate-set-capabilities', capabilities=[
            {'capability': 'postcopy-ram', 'state': True}])
    except QmpError as error:
        raise Skip(f'no postcopy here: {error}') from error


def test_migration_before_its_memory():
    """Postcopy: the guest runs on the target, its memory comes later."""
    source = start()
    target = Machine(*guest(), '-incoming', 'defer')
    for machine in (source, target):
        allow_postcopy(machine)
        machine.cmd(SET, enable=True)
    wait_for_switches(source)
    source.cmd('migrate-set-parameters', max_bandwidth=1 << 20)
    uri = 'unix:' + os.path.join(folder(), 'migration')
    target.cmd('migrate-incoming', uri=uri)
    source.cmd('migrate', uri=uri)
    wait_for('it to begin', lambda: source.cmd(
        'query-migrate').get('status') == 'active')
    source.cmd('migrate-start-postcopy')
    wait_for_switches(target, 30)
    source.cmd('migrate-set-parameters', max_bandwidth=1 << 30)
    wait_for('migration', lambda: source.cmd(
        'query-migrate').get('status') in ('completed', 'failed'), 60)
    assert source.cmd('query-migrate')['status'] == 'completed'
    wait_for_switches(target)
    assert state(target) == 'active'
    assert source.quit() == 0 and target.quit() == 0


def test_migration_that_is_given_up():
    source = start()
    trace(source)
    base = status(source)['kernel-base']
    source.cmd('migrate-set-parameters', max_bandwidth=1024)
    path = os.path.join(folder(), 'nobody')
    target = Machine(*guest(), '-incoming', f'unix:{path}')
    target.cmd(SET, enable=True)
    source.cmd('migrate', uri=f'unix:{path}')
    wait_for('it to begin', lambda: source.cmd(
        'query-migrate').get('status') == 'active')
    wait_for_switches(source, 30)
    source.cmd('migrate_cancel')
    wait_for('it to end', lambda: source.cmd(
        'query-migrate').get('status') in ('cancelled', 'failed'))
    wait_for_switches(source)
    now = status(source)
    assert now['state'] == 'active' and now['kernel-base'] == base
    assert source.quit() == 0


def eject_memory(machine, slot):
    """What a guest does: through the registers of memory hot-plug (ACPI)."""
    for size, port, value in (('w', 0xa00, slot), ('b', 0xa14, 8)):
        assert machine.hmp(f'o /{size} {port:#x} {value:#x}') == ''


def test_memory_is_taken_away():
    machine = start(memory='64,slots=4,maxmem=512M')
    trace(machine)
    for _ in range(4):
        machine.cmd('object-add', qom_type='memory-backend-ram', id='m',
                    size=64 << 20)
        machine.cmd('device_add', driver='pc-dimm', id='d', memdev='m')
        wait_for_switches(machine, 20)
        machine.cmd('device_del', id='d')
        eject_memory(machine, 0)
        wait_for('it to go', lambda: not machine.cmd('query-memory-devices'))
        machine.cmd('object-del', id='m')
    wait_for_switches(machine, 20)
    now = status(machine)
    assert now['state'] == 'active' and now['detection']['kernels'] == 1
    assert all(v['read-faults'] == 0 for v in now['vcpus'])
    assert machine.quit() == 0


def test_off_and_on_while_it_moves():
    """Turned on and off all the time, also while the guest is replaced."""
    machine = start()
    trace(machine)
    for i in range(40):
        if i % 4 == 0:
            machine.cmd('system_reset')
        machine.cmd(SET, enable=i % 2 == 1, entries=64)
        if i % 5 == 0:
            machine.cmd('stop')
            time.sleep(0.01)
            machine.cmd('cont')
    machine.cmd(SET, enable=True)
    wait_for_switches(machine)
    assert state(machine) == 'active'
    assert machine.quit() == 0
