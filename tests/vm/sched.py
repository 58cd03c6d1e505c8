"""The NT test guest under the scheduler trace, for the tests beside this.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import functools
import os
import subprocess

from harness import BUILD, QEMU, Machine, Skip, wait_for

ROM = os.environ.get('VMSCOPE_NT_ROM', os.path.join(BUILD, 'guest', 'nt.rom'))
SET = 'windows-sched-trace-set'
QUERY = 'query-windows-sched-trace'
STATUS = 'query-windows-sched-trace-status'


@functools.lru_cache(None)
def knows_kvm():
    """Was this QEMU built with KVM?"""
    done = subprocess.run([QEMU, '-accel', 'help'], check=True, timeout=60,
                          capture_output=True, text=True)
    return 'kvm' in done.stdout.split()


def guest(config='build=26100', kvm=False, smp='2', memory='64',
          machine='q35'):
    """Arguments of a machine that runs the NT test guest."""
    if not os.path.exists(ROM):
        raise Skip(f'there is no NT test guest at {ROM}: run make guest')
    arguments = ['-M', machine, '-m', memory, '-smp', smp, '-vga', 'none',
                 '-bios', ROM, '-fw_cfg',
                 f'name=opt/vmscope/nt-config,string={config}']
    if kvm:
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            raise Skip('there is no /dev/kvm here')
        if not knows_kvm():
            raise Skip(f'{QEMU} was built without KVM')
        arguments += ['-accel', 'kvm', '-cpu', 'qemu64,-pni']
    return arguments


def start(*arguments, config='build=26100', kvm=False, smp='2', memory='64',
          **more):
    """A machine that runs the NT test guest."""
    return Machine(*guest(config, kvm, smp, memory), *arguments, **more)


def status(machine):
    return machine.cmd(STATUS)


def state(machine):
    return status(machine)['state']


def recorded(machine):
    return status(machine)['recorded']


def wait_for_state(machine, *states):
    wait_for(f'{states}, now {status(machine)}',
             lambda: state(machine) in states)


def wait_for_switches(machine, more=100):
    """Until so many more are recorded."""
    goal = recorded(machine) + more
    wait_for(f'{goal} switches', lambda: recorded(machine) >= goal)


def trace(machine, **options):
    """Turn the trace on and wait until it sees switches."""
    machine.cmd(SET, enable=True, **options)
    wait_for_switches(machine)


def read_all(machine, page=50000, **filters):
    """Every switch in the ring, by paging."""
    entries = []
    after = 0
    while True:
        some = machine.cmd(QUERY, after=after, max_entries=page, **filters)
        if not some:
            return entries
        entries += some
        after = max(entry['seq'] for entry in some)


def offset(machine, name):
    return next(o for o in status(machine)['offsets'] if o['name'] == name)


def samples(machine, kind='samples'):
    return sum(vcpu[kind] for vcpu in status(machine)['vcpus'])
