"""Both traces on machines that sleep, move, are saved, or get more memory.

That entries name the right thread is tests/sched's to show; here it is that
both traces go on, and know what the machine has become.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os

from harness import Machine, QmpError, Skip, folder, wait_for
from sched import (QUERY, SET, guest, recorded, start, state, status,
                   wait_for_state, wait_for_switches)

MIB = 1 << 20
# MiB that QEMU may grow by; a sanitised one keeps what was freed for a while.
GROWTH = 100 if os.environ.get('VMSCOPE_THIN') else 8


def both_on(machine, **ring):
    machine.cmd('irq-log-set', enable=True, text=False, **ring)
    machine.cmd(SET, enable=True, **ring)


def interrupts(machine):
    return machine.cmd('query-irq-log-status')['recorded']


def wait_for_both(machine, switches=50, events=50):
    """
    Until both traces have recorded so much more.  With KVM's own irqchip QEMU
    sees no interrupts of this guest.
    """
    if machine.cmd('query-kvm')['enabled']:
        events = 0
    before = interrupts(machine)
    wait_for_switches(machine, switches)
    wait_for('interrupts', lambda: interrupts(machine) >= before + events)


def stands_still(machine):
    """Its ring can be read; each vCPU is looked at once more at most"""
    before = recorded(machine)
    assert machine.cmd(QUERY, max_entries=1)
    assert recorded(machine) <= before + 2


def moved(source, uri):
    source.cmd('migrate', uri=uri)
    wait_for('migration', lambda: source.cmd(
        'query-migrate').get('status') in ('completed', 'failed'))
    answer = source.cmd('query-migrate')
    assert answer['status'] == 'completed', answer


def there_and_back(kvm):
    """To a second process, and on to a third with the first one's words."""
    machine = start(kvm=kvm)
    both_on(machine)
    wait_for_both(machine)
    base = status(machine)['kernel-base']
    for _ in range(2):
        target = Machine(*guest(kvm=kvm), '-incoming', 'defer')
        both_on(target)
        uri = 'unix:' + os.path.join(folder(), 'migration')
        target.cmd('migrate-incoming', uri=uri)
        moved(machine, uri)
        wait_for_both(target)
        now = status(target)
        assert now['state'] == 'active' and now['kernel-base'] == base, now
        assert machine.cmd('query-status')['status'] == 'postmigrate'
        stands_still(machine)
        assert machine.quit() == 0
        machine = target
    assert machine.quit() == 0


def test_migration_there_and_back():
    there_and_back(kvm=False)


def test_migration_there_and_back_kvm():
    there_and_back(kvm=True)


def allow(machine, capability):
    try:
        machine.cmd('migrate-set-capabilities', capabilities=[
            {'capability': capability, 'state': True}])
    except QmpError as error:
        raise Skip(f'no {capability} here: {error}') from error


def test_background_snapshot():
    """
    Saved while it runs: memory is write-protected, and each page saved before
    it is written.  Neither trace writes to it, and both go on.
    """
    machine = start()
    both_on(machine)
    wait_for_both(machine)
    base = status(machine)['kernel-base']
    allow(machine, 'background-snapshot')
    path = os.path.join(folder(), 'snapshot')
    moved(machine, f'exec:cat > {path}')
    wait_for_both(machine)
    now = status(machine)
    assert now['state'] == 'active', now
    assert now['kernel-base'] == base and now['detection']['kernels'] == 1, now
    assert all(v['read-faults'] == 0 for v in now['vcpus']), now['vcpus']
    saved = Machine(*guest(), '-incoming', 'defer')
    both_on(saved)
    saved.cmd('migrate-incoming', uri=f'exec:cat {path}')
    wait_for('it to run', lambda: saved.cmd('query-status')['running'])
    wait_for_both(saved)
    assert status(saved)['kernel-base'] == base
    assert machine.quit() == 0 and saved.quit() == 0


PM_BASE = 0x600
SLEEP_S3 = 1 << 13 | 1 << 10        # SLP_EN, SLP_TYP as ACPI's _S3 has it


def out(machine, size, port, value):
    assert machine.hmp(f'o /{size} {port:#x} {value:#x}') == ''


def suspend(machine):
    """What a guest's ACPI does, through the registers of the ICH9's LPC."""
    for register, size, value in ((0x40, 'w', PM_BASE | 1), (0x44, 'b', 0x80)):
        out(machine, 'w', 0xcf8, 0x80000000 | 31 << 11 | register)
        out(machine, size, 0xcfc, value)
    out(machine, 'h', PM_BASE + 4, SLEEP_S3)
    wait_for('sleep', lambda: machine.cmd(
        'query-status')['status'] == 'suspended')


def sleep_and_wake(kvm):
    """
    S3: RAM is kept, and vCPUs begin at the reset vector.  The test guest's
    firmware is the guest itself, so it boots anew; what was known of the old
    kernel is gone then, as after a reset.
    """
    machine = start(kvm=kvm)
    both_on(machine)
    wait_for_both(machine)
    for kernels in (2, 3):
        base = status(machine)['kernel-base']
        suspend(machine)
        stands_still(machine)
        machine.cmd('system_wakeup')
        wait_for('the new kernel', lambda: status(machine).get(
            'kernel-base', base) != base)
        wait_for_state(machine, 'active')
        wait_for_both(machine)
        assert status(machine)['detection']['kernels'] >= kernels
    assert machine.quit() == 0


def test_sleep_and_wake():
    sleep_and_wake(kvm=False)


def test_sleep_and_wake_kvm():
    sleep_and_wake(kvm=True)


def resident_mib(machine):
    with open(f'/proc/{machine.pid}/status', encoding='utf-8') as lines:
        return int(next(line for line in lines
                        if line.startswith('VmRSS:')).split()[1]) / 1024


FLOOD = 100000 if os.environ.get('VMSCOPE_THIN') else 300000    # interrupts


def flooded(machine, events=FLOOD):
    """Until so many more interrupts are recorded, and some switches"""
    goal = interrupts(machine) + events
    wait_for(f'{goal} interrupts', lambda: interrupts(machine) >= goal)
    wait_for_switches(machine, 10)


def raise_interrupts(machine):
    """The first timer of the PC's, every 50 us, as fast as QEMU can"""
    for port, value in ((0x43, 0x34), (0x40, 60), (0x40, 0)):
        out(machine, 'b', port, value)


def test_client_that_stops_reading():
    """
    It asked for more than its socket takes, and reads nothing, while
    interrupts flood: QEMU keeps these answers and no more, the vCPUs run on,
    and another monitor is answered.  When the client reads, the answers are
    whole.  If 100 bytes of each interrupt stayed, it would show.
    """
    entries, asked = 1000, 4
    machine = Machine(*guest(), monitors=2)
    both_on(machine, entries=entries)
    wait_for_state(machine, 'active')
    raise_interrupts(machine)
    flooded(machine)
    # pylint: disable=protected-access
    late = machine.qmps[1]
    for number in range(asked):
        late._socket.sendall(json.dumps({
            'execute': 'query-irq-log', 'id': number,
            'arguments': {'max-entries': entries}}).encode() + b'\n')
    flooded(machine)
    before = resident_mib(machine)
    flooded(machine)
    after = resident_mib(machine)
    assert after < before + GROWTH, f'{before:.0f} MiB, then {after:.0f}'
    assert machine.cmd('query-status')['running']
    assert state(machine) == 'active'
    for number in range(asked):
        answer = late._read('what it asked', lambda message, n=number:
                            message.get('id') == n, 120)
        assert answer['return'], answer
    assert machine.quit() == 0


def test_virtio_mem_is_resized():
    """
    The host asks for more and for less.  The guest has no driver for it, so
    nothing is plugged: the device, its region and the requests are there.
    """
    machine = start('-object', 'memory-backend-ram,id=ram,size=256M',
                    '-device', 'virtio-mem-pci,id=more,memdev=ram,'
                    'requested-size=0', memory='64,maxmem=1G')
    both_on(machine)
    wait_for_both(machine)
    for size in (256, 64, 128, 0):
        machine.cmd('qom-set', path='/machine/peripheral/more',
                    property='requested-size', value=size * MIB)
        wait_for_both(machine, 20)
    now = status(machine)
    assert now['state'] == 'active' and now['detection']['kernels'] == 1, now
    assert all(v['read-faults'] == 0 for v in now['vcpus']), now['vcpus']
    assert machine.quit() == 0
