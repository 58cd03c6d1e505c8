"""A ring file is taken away under QEMU: the machine goes on.

Each of these ended QEMU by SIGBUS: a file cut short by somebody, a file system
that copies on write and is full.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import signal
import subprocess
import threading
import time

import sched
from harness import (Machine, Skip, analyze, folder, read_all, ring_header,
                     wait_for)

BUSY = ('-M', 'pc', '-m', '64', '-smp', '2', '-device', 'virtio-net-pci')
IRQ_STATUS = 'query-irq-log-status'


def recorded(machine):
    return machine.cmd(IRQ_STATUS)['recorded']


def wait_for_events(machine, more=1000):
    goal = recorded(machine) + more
    wait_for(f'{goal} interrupts', lambda: recorded(machine) >= goal)


def goes_on(machine, command, why):
    """The loss is told; the machine runs, and more is recorded."""
    wait_for('ring-lost', lambda: 'ring-lost' in machine.cmd(command))
    status = machine.cmd(command)
    assert why in status['ring-lost'], status
    assert machine.cmd('query-status')['running']
    goal = status['recorded'] + 200
    wait_for('more records', lambda: machine.cmd(command)['recorded'] >= goal)
    return status


def check_irq_entries(machine):
    """What is in the ring since then has its names and the right times."""
    entries = read_all(machine)
    now = time.monotonic_ns()
    assert len(entries) > 100
    for entry in entries[-100:]:
        assert now - 100e9 < entry['timestamp-ns'] <= now, (entry, now)
        assert entry['path'].startswith('/machine'), entry
    assert {entry['thread-name'] for entry in entries[-100:]} != {''}


def irq_log_cut_to(size):
    machine = Machine(*BUSY)
    ring = machine.path('irq.ring')
    log = machine.path('irq.log')
    machine.cmd('irq-log-set', enable=True, ring_file=ring, log_file=log,
                entries=4096)
    wait_for_events(machine)
    before = recorded(machine)
    os.truncate(ring, size)
    status = goes_on(machine, IRQ_STATUS, f'cut short by somebody, to {size} '
                     'of its')
    assert status['overwritten'] >= before - 10, (status, before)
    check_irq_entries(machine)
    machine.cmd('irq-log-set', enable=False)
    status = machine.cmd(IRQ_STATUS)
    assert status['recorded'] == len(read_all(machine)) + \
        status['overwritten'], status
    code, out, err = analyze('--summary', log)
    assert code == 0 and 'interrupts' in out, (code, out, err)
    # And a new ring file under the same name is as any other.
    os.unlink(ring)
    machine.cmd('irq-log-set', enable=True, ring_file=ring, text=False)
    wait_for_events(machine)
    assert 'ring-lost' not in machine.cmd(IRQ_STATUS)
    assert ring_header(ring)['pid'] == machine.pid
    assert machine.quit() == 0


def test_irq_log_cut_to_nothing():
    irq_log_cut_to(0)


def test_irq_log_cut_in_its_tables():
    irq_log_cut_to(100000)


def test_irq_log_cut_in_its_slots():
    irq_log_cut_to(840000)


def sched_trace_cut(kvm, **options):
    machine = sched.start(kvm=kvm)
    ring = machine.path('sched.ring')
    sched.trace(machine, ring_file=ring, **options)
    before = sched.status(machine)
    os.truncate(ring, 0)
    status = goes_on(machine, sched.STATUS, 'cut short by somebody, to 0 of')
    assert status['state'] == 'active', status
    assert status['windows-build'] == before['windows-build']
    entries = sched.read_all(machine)
    now = time.monotonic_ns()
    assert entries and all(now - 100e9 < entry['timestamp-ns'] <= now
                           for entry in entries)
    assert any('process-image' in entry for entry in entries)
    machine.cmd(sched.SET, enable=False)
    status = sched.status(machine)
    assert status['recorded'] == len(sched.read_all(machine)) + \
        status['overwritten'], status
    assert machine.quit() == 0


def test_sched_trace_cut():
    sched_trace_cut(False)


def test_sched_trace_cut_exact():
    """Records are made on vCPU threads of TCG."""
    sched_trace_cut(False, mode='exact')


def test_sched_trace_cut_kvm():
    sched_trace_cut(True)


def test_both_traces_at_once():
    machine = sched.start()
    rings = [machine.path('irq.ring'), machine.path('sched.ring')]
    machine.cmd('irq-log-set', enable=True, ring_file=rings[0])
    sched.trace(machine, ring_file=rings[1])
    for ring in rings:
        os.truncate(ring, 0)
    goes_on(machine, IRQ_STATUS, 'irq.ring')
    goes_on(machine, sched.STATUS, 'sched.ring')
    assert machine.quit() == 0


def full_disk():
    """A folder on a small file system that copies on write."""
    if os.geteuid() != 0:
        raise Skip('only root may mount a file system')
    where = folder()
    image = os.path.join(where, 'disk')
    with open(image, 'wb') as disk:
        disk.truncate(64 << 20)
    try:
        subprocess.run(['mkfs.btrfs', '-q', '-M', image], check=True,
                       capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise Skip(f'no btrfs can be made here: {error}') from None
    mounted = os.path.join(where, 'mounted')
    os.mkdir(mounted)
    done = subprocess.run(['mount', '-o', 'loop', image, mounted],
                          capture_output=True, text=True)
    if done.returncode:
        raise Skip(f'btrfs cannot be mounted here: {done.stderr.strip()}')
    return mounted


def fill(where):
    """Until nothing more fits; returns the file."""
    path = os.path.join(where, 'filler')
    with open(path, 'ab', buffering=0) as filler:
        for size in (1 << 20, 65536, 4096):
            try:
                while True:
                    filler.write(b'x' * size)
                    os.fsync(filler.fileno())
            except OSError:
                pass
    return path


def test_full_disk():
    """Pages that were there have no room when they are written again."""
    mounted = full_disk()
    try:
        machine = Machine(*BUSY)
        machine.cmd('irq-log-set', enable=True, text=False, entries=4096,
                    ring_file=os.path.join(mounted, 'irq.ring'))
        wait_for_events(machine)
        end = time.monotonic() + 100
        while 'ring-lost' not in machine.cmd(IRQ_STATUS):
            assert time.monotonic() < end, 'nothing happened'
            fill(mounted)
            subprocess.run(['sync', '-f', mounted], check=False)
            time.sleep(0.2)
        goes_on(machine, IRQ_STATUS, 'its file system is full')
        check_irq_entries(machine)
        assert machine.quit() == 0
    finally:
        subprocess.run(['umount', '-l', mounted], check=False)


def test_no_room_from_the_beginning():
    where = folder()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1M', 'tmpfs',
                           where], capture_output=True, text=True)
    if done.returncode:
        raise Skip(f'no tmpfs can be mounted here: {done.stderr.strip()}')
    try:
        machine = Machine(*BUSY)
        error = machine.refused('irq-log-set', enable=True, text=False,
                                ring_file=os.path.join(where, 'irq.ring'))
        assert 'needs' in error and 'No space left' in error, error
        assert os.listdir(where) == []
        assert machine.cmd('query-status')['running']
        assert machine.quit() == 0
    finally:
        subprocess.run(['umount', '-l', where], check=False)


def test_sigbus_is_still_the_end():
    """A SIGBUS that is not of a ring file is what it was."""
    for before in (False, True):
        machine = Machine(*BUSY)
        if before:
            machine.cmd('irq-log-set', enable=True, text=False,
                        ring_file=machine.path('irq.ring'))
            wait_for_events(machine)
        os.kill(machine.pid, signal.SIGBUS)
        assert machine.process.wait(30) == -signal.SIGBUS


def test_killed_ring_is_complete():
    """kill -9: on a tmpfs the ring has all to the last record."""
    if not os.path.isdir('/dev/shm'):
        raise Skip('there is no tmpfs at /dev/shm')
    ring = f'/dev/shm/vmscope-test-{os.getpid()}.ring'
    machine = Machine(*BUSY)
    try:
        machine.cmd('irq-log-set', enable=True, text=False, ring_file=ring,
                    entries=65536)
        wait_for_events(machine, 5000)
        before = recorded(machine)
        machine.kill()
        code, out, _ = analyze('--no-raw', ring)
        lost = sum(int(line.split('=')[1].split()[0])
                   for line in out.splitlines() if line.startswith('- lost='))
        assert code == 0
        assert out.count('- time=') + lost >= before, (before, lost)
    finally:
        os.unlink(ring)


def test_ring_is_as_large_as_the_machine():
    """255 vCPUs that are not there take no room: it was 805 MB."""
    machine = Machine('-M', 'q35', '-m', '64', '-smp', '2,maxcpus=255')
    ring = machine.path('sched.ring')
    machine.cmd(sched.SET, enable=True, ring_file=ring)
    assert sched.status(machine)['entries'] == 2 * 65536
    assert os.path.getsize(ring) < 26 << 20
    assert machine.quit() == 0


def test_enabling_does_not_hold_the_main_loop():
    """The largest ring is made elsewhere, and the main loop answers."""
    # Commands of all QMP monitors wait for each other; the qtest socket is
    # the main loop's alone.
    machine = Machine('-M', 'pc', '-m', '64', qtest=True)
    enabling = threading.Thread(target=lambda: machine.cmd(
        'irq-log-set', enable=True, text=False, entries=4194304,
        backtrace=16))
    begun = time.monotonic()
    enabling.start()
    longest = 0
    n = 0
    while enabling.is_alive():
        start = time.monotonic()
        machine.qtest.inl(0xcf8)
        longest = max(longest, time.monotonic() - start)
        n += 1
    took = time.monotonic() - begun
    # All of its 805 MB were made meanwhile.
    assert n > 10, (n, longest, took)
    print(f'     enabling took {1000 * took:.1f} ms, the main loop answered '
          f'within {1000 * longest:.1f} ms')
    machine.cmd('irq-log-set', enable=False)
    assert machine.quit() == 0


def big_lock_cpu_ns(machine):
    """CPU time of the threads that work under the big lock, so far.

    QEMU frees what RCU retired under the lock, too.
    """
    total = 0
    for task in os.listdir(f'/proc/{machine.pid}/task'):
        folder_ = f'/proc/{machine.pid}/task/{task}'
        with open(f'{folder_}/comm', encoding='utf-8') as file:
            name = file.read().strip()
        if int(task) == machine.pid or name == 'call_rcu':
            with open(f'{folder_}/schedstat', encoding='utf-8') as file:
                total += int(file.read().split()[0])
    return total


def resident(machine):
    with open(f'/proc/{machine.pid}/statm', encoding='utf-8') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def enabling_costs_little(command, status, size, **options):
    """Load changes what the main loop waits, but not what it works."""
    machine = Machine('-M', 'q35', '-m', '64', '-smp',
                      '2,maxcpus=255', '-name', 'vm,debug-threads=on',
                      qtest=True)
    machine.cmd(command, enable=True, **options)
    assert resident(machine) > size
    took = []
    # What the host's caches and hypervisor add differs from time to time.
    while len(took) < 5 and (not took or took[-1] >= 5e6):
        machine.cmd(command, enable=False)
        # From the second time on there is an old ring to give back, too.
        before = big_lock_cpu_ns(machine)
        machine.cmd(command, enable=True, **options)
        wait_for('the old ring to be gone',
                 lambda: resident(machine) < 1.8 * size)
        machine.cmd(status)
        took.append(big_lock_cpu_ns(machine) - before)
    print(f'     {size >> 20} MB: {min(took) / 1e6:.2f} ms of CPU under the '
          'lock')
    assert min(took) < 5e6, took
    machine.cmd(command, enable=False)
    assert machine.quit() == 0


def test_enabling_irq_log_costs_little():
    enabling_costs_little('irq-log-set', IRQ_STATUS, 384 << 20, text=False,
                          entries=2097152, backtrace=16)


def test_enabling_sched_trace_costs_little():
    enabling_costs_little(sched.SET, 'query-windows-sched-trace-status',
                          384 << 20, entries=1048576, poll_hz=0)


def test_monitor_survives_a_scribbled_head():
    """A head far ahead of its records: more to look at than a page may.

    info irq-log took it for granted that a page cannot fail, and aborted.
    """
    machine = Machine('-M', 'none', qtest=True)
    ring = machine.path('irq.ring')
    machine.cmd('irq-log-set', enable=True, ring_file=ring, text=False,
                entries=2097152)
    with open(ring, 'r+b', buffering=0) as file:
        file.seek(ring_header(ring)['heads_offset'])
        file.write((1 << 21).to_bytes(8, 'little'))
    said = machine.hmp('info irq-log')
    assert 'Error' in said, said
    assert machine.cmd('query-status')['status']
    assert machine.quit() == 0
