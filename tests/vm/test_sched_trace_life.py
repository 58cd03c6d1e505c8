"""The scheduler trace while the machine lives, changes, and dies.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re
import random
import struct
import time

from harness import (Machine, QmpError, Skip, folder, full, ring_header,
                     wait_for)
from sched import (QUERY, SET, guest, offset, read_all, recorded, samples, start,
                   state, status, trace, wait_for_state, wait_for_switches)

RING_STOPPED = 2        # EVRING_STOPPED, docs/formats/ring-v1.md
RING_STATE_AT = 120     # in the header

# A sanitised QEMU is slow, and keeps what was freed for a while.
THIN = bool(os.environ.get('VMSCOPE_THIN'))


def used(machine):
    """Threads, descriptors and mapped rings of a QEMU."""
    base = f'/proc/{machine.pid}'
    with open(f'{base}/maps', encoding='utf-8') as maps:
        rings = sum('/ring' in line for line in maps)
    return (len(os.listdir(f'{base}/task')), len(os.listdir(f'{base}/fd')),
            rings)


def resident_kib(machine):
    with open(f'/proc/{machine.pid}/status', encoding='utf-8') as lines:
        return int(next(line for line in lines
                        if line.startswith('VmRSS:')).split()[1])


def toggle(machine, times, settled):
    """On and off; returns what was recorded in all."""
    total = 0
    for i in range(times):
        machine.cmd(SET, enable=True, entries=64, poll_hz=5000,
                    ring_file=machine.path('ring'))
        if i % settled == 0:
            wait_for_switches(machine, 5)
        machine.cmd(SET, enable=False)
        now = status(machine)
        got = len(machine.cmd(QUERY, max_entries=100000))
        assert now['recorded'] == got + now['overwritten'], now
        total += now['recorded']
    return total


def toggling_leaves_nothing(kvm, times=60 if THIN else 120):
    machine = start(kvm=kvm)
    toggle(machine, 30, 10)
    wait_for('threads to end', lambda: used(machine)[2] == 1)
    before, memory = used(machine), resident_kib(machine)
    assert toggle(machine, times, 15) >= times // 3
    wait_for(f'{before} again, now {used(machine)}',
             lambda: used(machine) <= before)
    # What a session holds is more than 100 KiB.
    assert THIN or resident_kib(machine) - memory < 62 * times, (
        memory, resident_kib(machine))
    assert machine.cmd('query-status')['running']
    assert machine.quit() == 0


def test_toggling_leaves_nothing():
    toggling_leaves_nothing(kvm=False)


def test_toggling_leaves_nothing_kvm():
    toggling_leaves_nothing(kvm=True)


@full
def test_toggling_for_long_leaves_nothing():
    toggling_leaves_nothing(kvm=False, times=240)


@full
def test_toggling_for_long_leaves_nothing_kvm():
    toggling_leaves_nothing(kvm=True, times=240)


def test_quit_while_tracing():
    path = os.path.join(folder(), 'ring')
    machine = start()
    trace(machine, ring_file=path)
    assert machine.quit() == 0
    with open(path, 'rb') as ring:
        data = ring.read(4096)
    assert struct.unpack_from('<I', data, RING_STATE_AT)[0] == RING_STOPPED


def test_quit_while_looking():
    """Also when there is nothing to be found yet."""
    for seconds in (0, 0.01, 0.3):
        machine = Machine('-M', 'pc', '-m', '64')
        machine.cmd(SET, enable=True)
        time.sleep(seconds)
        assert machine.quit() == 0


def killed_at_any_moment(times):
    """kill -9: the ring file holds all that was told before."""
    chance = random.Random(20261124)
    for _ in range(times):
        path = os.path.join(folder(), 'ring')
        machine = start()
        trace(machine, ring_file=path)
        time.sleep(chance.uniform(0, 0.3))
        before = recorded(machine)
        machine.kill()
        header = ring_header(path)
        assert header['magic'] == b'vmsring\0'
        with open(path, 'rb') as ring:
            ring.seek(header['heads_offset'])
            head, = struct.unpack('<Q', ring.read(8))
        assert head >= before


def test_killed_at_any_moment():
    killed_at_any_moment(2)


@full
def test_killed_at_many_moments():
    killed_at_any_moment(20)


def reset_again_and_again(kvm):
    machine = start(kvm=kvm)
    trace(machine)
    bases = {status(machine)['kernel-base']}
    for _ in range(5):
        machine.cmd('system_reset')
        wait_for('the new kernel', lambda: status(machine).get(
            'kernel-base', 0) not in bases | {0})
        bases.add(status(machine)['kernel-base'])
        wait_for_switches(machine)
    now = status(machine)
    assert now['state'] == 'active' and len(bases) == 6
    assert now['detection']['kernels'] == 6, now['detection']
    assert all(v['known'] for v in now['vcpus'])
    assert machine.quit() == 0


def test_reset():
    reset_again_and_again(kvm=False)


def test_reset_kvm():
    reset_again_and_again(kvm=True)


def test_resets_without_pause():
    """Faster than a guest boots; figures only grow, and it is found again."""
    machine = start()
    trace(machine)
    seen = 0
    for _ in range(30):
        machine.cmd('system_reset')
        time.sleep(0.01)
        now = samples(machine)
        assert now >= seen
        seen = now
    wait_for_switches(machine)
    assert state(machine) == 'active'


def test_stop_and_continue():
    machine = start()
    trace(machine)
    for _ in range(3):
        machine.cmd('stop')
        wait_for('the last look', lambda: samples(machine) == (
            time.sleep(0.1) or samples(machine)))
        before = recorded(machine)
        assert state(machine) == 'active'
        time.sleep(0.2)
        assert recorded(machine) == before
        machine.cmd('cont')
        wait_for_switches(machine)
    assert status(machine)['detection']['kernels'] == 1


def current_thread(machine, vcpu):
    """CurrentThread, read by QEMU's monitor."""
    at = status(machine)['vcpus'][vcpu]['kpcr'] + \
        offset(machine, 'kpcr-prcb')['value'] + \
        offset(machine, 'prcb-current-thread')['value']
    return int(machine.hmp(f'x /1gx {at:#x}').split()[-1], 16)


def test_stopped_anywhere():
    """The newest entry is of who runs, though nothing else would look."""
    machine = start()
    machine.cmd(SET, enable=True, poll_hz=0)
    wait_for('both vCPUs', lambda: [
        vcpu['known'] for vcpu in status(machine)['vcpus']] == [True, True])
    for _ in range(5):
        machine.cmd('stop')
        wait_for('the look at rest', lambda: [
            [e['thread-pointer'] for e in
             machine.cmd(QUERY, max_entries=1, filter_vcpu=vcpu)]
            for vcpu in (0, 1)] == [[current_thread(machine, vcpu)]
                                    for vcpu in (0, 1)])
        machine.cmd('cont')
        time.sleep(0.2)


def test_enabled_while_stopped():
    """Registers can be asked for then, too."""
    machine = start()
    trace(machine)
    machine.cmd(SET, enable=False)
    machine.cmd('stop')
    machine.cmd(SET, enable=True)
    wait_for_state(machine, 'active')
    assert [v['known'] for v in status(machine)['vcpus']] == [True, True]
    assert samples(machine) <= 2
    machine.cmd('cont')
    wait_for_switches(machine)


def run_job(machine, command, **arguments):
    machine.cmd(command, job_id='job', **arguments)
    wait_for(command, lambda: any(
        job['status'] == 'concluded' for job in machine.cmd('query-jobs')))
    job = machine.cmd('query-jobs')[0]
    machine.cmd('job-dismiss', id='job')
    assert 'error' not in job, job


def add_disk(machine):
    path = machine.path('disk')
    with open(path, 'wb'):
        pass
    machine.cmd('blockdev-add', driver='file', node_name='file',
                filename=path)
    run_job(machine, 'blockdev-create', options={
        'driver': 'qcow2', 'file': 'file', 'size': 1 << 28})
    machine.cmd('blockdev-add', driver='qcow2', node_name='disk', file='file')


def test_snapshots():
    """Loading one puts back another kernel: KASLR moved it meanwhile."""
    machine = start()
    add_disk(machine)
    trace(machine)
    base = status(machine)['kernel-base']
    run_job(machine, 'snapshot-save', tag='one', vmstate='disk',
            devices=['disk'])
    wait_for_switches(machine)
    machine.cmd('system_reset')
    wait_for('the new kernel', lambda: status(machine).get(
        'kernel-base', base) != base)
    wait_for_switches(machine)
    machine.cmd('stop')
    run_job(machine, 'snapshot-load', tag='one', vmstate='disk',
            devices=['disk'])
    machine.cmd('cont')
    wait_for('the old kernel', lambda: status(machine).get(
        'kernel-base') == base)
    wait_for_switches(machine)
    assert state(machine) == 'active'
    assert machine.quit() == 0


def migrate(kvm):
    where = folder()
    source = start(kvm=kvm)
    target = Machine(*guest(kvm=kvm), '-incoming', 'defer')
    for machine in (source, target):
        machine.cmd(SET, enable=True)
    wait_for_switches(source)
    base = status(source)['kernel-base']
    uri = 'unix:' + os.path.join(where, 'migration')
    target.cmd('migrate-incoming', uri=uri)
    source.cmd('migrate', uri=uri)
    wait_for('migration', lambda: source.cmd(
        'query-migrate').get('status') in ('completed', 'failed'), 60)
    assert source.cmd('query-migrate')['status'] == 'completed'
    wait_for_switches(target)
    now = status(target)
    assert now['state'] == 'active' and now['kernel-base'] == base
    before = recorded(source)
    time.sleep(0.2)
    assert recorded(source) == before
    assert source.quit() == 0 and target.quit() == 0


def test_migration():
    migrate(kvm=False)


def port_out(machine, size, port, value):
    assert machine.hmp(f'o /{size} {port:#x} {value:#x}') == ''


def eject_vcpu(machine, index):
    """What a guest does: through the registers of CPU hot-plug (ACPI)."""
    port_out(machine, 'w', 0xcd8, index)
    port_out(machine, 'b', 0xcdc, 8)


def start_with_sockets(kvm):
    """One vCPU and room for seven, each of which is used once: QEMU's TCG and
    some KVMs do not take a vCPU a second time."""
    machine = start(kvm=kvm, smp='1,maxcpus=8')
    if not kvm and machine.cmd('query-version')['qemu']['major'] < 8:
        raise Skip("this QEMU's heap breaks when a TCG vCPU is unplugged, "
                   "as Debian's own of that version does")
    port_out(machine, 'w', 0xcd8, 0)        # leave the old interface
    return machine, [s for s in machine.cmd('query-hotpluggable-cpus')
                     if 'qom-path' not in s]


def plug_vcpu(machine, socket):
    machine.cmd('device_add', driver=socket['type'], id='more',
                **socket['props'])


def unplug_vcpu(machine):
    machine.cmd('device_del', id='more')
    eject_vcpu(machine, max(
        cpu['cpu-index'] for cpu in machine.cmd('query-cpus-fast')))
    wait_for('it to go', lambda: len(machine.cmd('query-cpus-fast')) == 1)


def marked(machine, mark):
    """How many vCPUs are present, or known."""
    return sum(vcpu[mark] for vcpu in status(machine)['vcpus'])


def vcpus_come_and_go(kvm):
    machine, sockets = start_with_sockets(kvm)
    trace(machine)
    for socket in sockets:
        plug_vcpu(machine, socket)
        wait_for('the new vCPU', lambda: marked(machine, 'present') == 2)
        assert marked(machine, 'known') == 1
        wait_for_switches(machine, 20)
        unplug_vcpu(machine)
        wait_for('that to be seen', lambda: marked(machine, 'present') == 1)
        wait_for_switches(machine, 20)
    assert state(machine) == 'active'
    assert status(machine)['detection']['kernels'] == 1
    assert machine.quit() == 0


def test_vcpus_come_and_go():
    vcpus_come_and_go(kvm=False)


def test_vcpus_come_and_go_kvm():
    vcpus_come_and_go(kvm=True)


def toggle_and_plug(kvm):
    """A vCPU that goes may take a question with it; nothing else goes."""
    machine, sockets = start_with_sockets(kvm)
    for i, socket in enumerate(sockets):
        plug_vcpu(machine, socket)
        machine.cmd(SET, enable=i % 2 == 0)
        unplug_vcpu(machine)
    machine.cmd(SET, enable=True)
    wait_for_switches(machine)
    assert machine.quit() == 0


def test_toggle_and_plug():
    toggle_and_plug(kvm=False)


def test_toggle_and_plug_kvm():
    toggle_and_plug(kvm=True)


def test_memory_comes_and_goes():
    machine = start(memory='64,slots=4,maxmem=512M')
    trace(machine)
    for i in range(3):
        machine.cmd('object-add', qom_type='memory-backend-ram', id=f'm{i}',
                    size=64 << 20)
        machine.cmd('device_add', driver='pc-dimm', id=f'd{i}',
                    memdev=f'm{i}')
        wait_for_switches(machine)
    # Regions that are moved about under the helper's feet.
    for _ in range(50):
        port_out(machine, 'w', 0xcf8, 0x80000090)
        port_out(machine, 'w', 0xcfc, 0x00100000)
        port_out(machine, 'w', 0xcfc, 0x00300000)
    wait_for_switches(machine)
    now = status(machine)
    assert now['state'] == 'active' and now['detection']['kernels'] == 1
    assert all(v['read-faults'] == 0 for v in now['vcpus'])
    assert machine.quit() == 0


def test_balloon():
    machine = start('-device', 'virtio-balloon-pci,id=balloon')
    trace(machine)
    for size in (32, 64, 16, 64):
        machine.cmd('balloon', value=size << 20)
        wait_for_switches(machine, 30)
    assert state(machine) == 'active'
    assert machine.quit() == 0


def test_single_threaded_tcg():
    """All vCPUs on one thread."""
    machine = Machine(*guest(), '-accel', 'tcg,thread=single')
    trace(machine)
    assert state(machine) == 'active'
    assert [v['known'] for v in status(machine)['vcpus']] == [True, True]
    assert machine.quit() == 0


LIES = ('list-loop list-hole list-mmio thread-list-loop name-overrun '
        'name-huge pe-wrap pe-sizes export-overrun accessor-loop '
        'accessor-runaway pt-self rewrite self-flip kdbg-lies cid-lies '
        'current-wild dtb-wild time-lies wait-lies').split()


def survive(lies, seconds):
    """The guest lies; the trace still answers, ends, and QEMU lives."""
    machine = start(config=f'build=26100 hostile={lies}')
    machine.cmd(SET, enable=True, poll_hz=5000)
    time.sleep(seconds)
    now = status(machine)
    assert now['state'] in ('waiting', 'detecting', 'active', 'degraded')
    assert now['state'] in ('active',) or now['reason'], (lies, now)
    for entry in machine.cmd(QUERY, max_entries=5000):
        assert len(entry.get('thread-name', '').encode()) < 80
        assert len(image_bytes(entry)) < 16, entry
    machine.cmd('system_reset')
    time.sleep(seconds / 4)
    machine.cmd(SET, enable=False)
    assert state(machine) == 'disabled'
    assert machine.cmd('query-status')['running'], lies
    assert machine.quit() == 0


def image_bytes(entry):
    """The name's own bytes; in the text each may be escaped."""
    if 'process-image-bytes' in entry:
        return bytes.fromhex(entry['process-image-bytes'])
    return re.sub(rb'\\x[0-9a-f]{2}', b'?',
                  entry.get('process-image', '').encode())


def test_lies_one_by_one():
    for lie in LIES:
        survive(lie, 0.6)


def test_lies_all_at_once():
    survive('+'.join(LIES), 2)


def test_with_the_irq_log():
    """Both at once, each turned on and off as it likes."""
    machine = start()
    machine.cmd('irq-log-set', enable=True, text=False)
    trace(machine)
    for i in range(20):
        machine.cmd('irq-log-set', enable=i % 2 == 1, text=False)
        machine.cmd(SET, enable=i % 3 != 0)
    machine.cmd(SET, enable=True)
    wait_for_switches(machine)
    assert machine.cmd('query-irq-log-status')['enabled']
    assert machine.quit() == 0


def test_refused_snapshot_leaves_the_trace():
    """A load that fails has reset the machine all the same."""
    machine = start()
    trace(machine)
    try:
        machine.cmd('snapshot-load', job_id='job', tag='none',
                    vmstate='none', devices=['none'])
    except QmpError:
        pass
    machine.cmd('cont')
    wait_for_switches(machine)
    machine.cmd(SET, enable=False)
    assert len(read_all(machine)) == recorded(machine)
