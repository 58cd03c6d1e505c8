"""The host has no room for what a trace needs: the machine goes on without it.

QEMU's own way to make a thread ends the process where there is none to be had.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import resource

import sched
from harness import Machine, Skip, wait_for

MIB = 1 << 20


def address_space(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as status:
        return [int(line.split()[1]) * 1024 for line in status
                if line.startswith('VmSize:')][0]


def limit(machine, size):
    """So that there is no stack for one more thread."""
    resource.prlimit(machine.pid, resource.RLIMIT_AS,
                     (size, resource.RLIM_INFINITY))


def check_no_thread(name, status):
    """A machine of its own: a stack of a thread that ended would be used."""
    machine = Machine(*sched.guest())
    ring = machine.path('ring')
    size = address_space(machine.pid)
    if size > 1 << 40:
        raise Skip("a sanitizer's own memory cannot be limited")
    limit(machine, size + 2 * MIB)
    for options in ({}, {'ring_file': ring}):
        reason = machine.refused(name, enable=True, entries=64, **options)
        assert 'thread vmscope-ring cannot begin: Resource temporarily' in \
            reason, reason
    assert machine.cmd('query-status')['running']
    assert not os.path.exists(ring)
    limit(machine, resource.RLIM_INFINITY)
    machine.cmd(name, enable=True, entries=64, ring_file=ring)
    wait_for('records', lambda: machine.cmd(status)['recorded'] > 0)
    assert os.path.getsize(ring) > 0
    machine.cmd(name, enable=False)
    assert machine.cmd('query-status')['running']
    assert machine.quit() == 0


def test_no_thread_for_the_irq_log():
    check_no_thread('irq-log-set', 'query-irq-log-status')


def test_no_thread_for_the_scheduler_trace():
    check_no_thread(sched.SET, sched.STATUS)
