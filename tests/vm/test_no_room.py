"""The host has no room for what a trace needs: the machine goes on without it.

QEMU's own way to make a thread ends the process where there is none to be had.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import resource

import sched
from harness import Machine, Skip, wait_for

IRQ_STATUS = 'query-irq-log-status'
MIB = 1 << 20


def address_space(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as status:
        return [int(line.split()[1]) * 1024 for line in status
                if line.startswith('VmSize:')][0]


def limit(machine, size):
    """So that there is no stack for one more thread."""
    resource.prlimit(machine.pid, resource.RLIMIT_AS,
                     (size, resource.RLIM_INFINITY))


def test_no_thread():
    machine = Machine(*sched.guest())
    size = address_space(machine.pid)
    if size > 1 << 40:
        raise Skip("a sanitizer's own memory cannot be limited")
    for name in ('irq-log-set', sched.SET):
        ring = os.path.join(machine.folder, name)
        limit(machine, size + 2 * MIB)
        for file in (None, ring):
            options = {'ring_file': file} if file else {}
            reason = machine.refused(name, enable=True, entries=64, **options)
            assert 'thread vmscope-' in reason, reason
            assert 'cannot begin: Resource temporarily' in reason, reason
        assert machine.cmd('query-status')['running']
        assert os.listdir(machine.folder).count(name) == 0
        limit(machine, resource.RLIM_INFINITY)
        machine.cmd(name, enable=True, entries=64, ring_file=ring)
        assert os.path.getsize(ring) > 0
    wait_for('interrupts',
             lambda: machine.cmd(IRQ_STATUS)['recorded'] > 0)
    for name in ('irq-log-set', sched.SET):
        machine.cmd(name, enable=False)
    assert machine.cmd('query-status')['running']
    assert machine.quit() == 0
