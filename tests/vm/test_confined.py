"""A QEMU as libvirt confines it: with every system call denied that it can
live without, in a folder of its own, its program gone from the disk.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import glob
import os
import shutil

from harness import (QEMU, Machine, Skip, analyze, folder, has_option,
                     read_all, ring_header, wait_for)
import sched

STRICT = ('on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
          'resourcecontrol=deny')


def need_sandbox():
    if not has_option('sandbox'):
        raise Skip(f'{QEMU} was built without seccomp')


def filtered_threads(machine):
    """How many of its threads there are, and how many a filter watches."""
    modes = []
    for path in glob.glob(f'/proc/{machine.pid}/task/*/status'):
        try:
            with open(path, encoding='utf-8') as text:
                modes += [line.split()[1] for line in text
                          if line.startswith('Seccomp:')]
        except (FileNotFoundError, ProcessLookupError):
            pass        # a thread that has just ended
    return len(modes), modes.count('2')


def use_everything(*arguments):
    """Both traces with all they can do; returns what was found."""
    machine = sched.start('-device', 'pcie-root-port,id=rp0,chassis=1',
                          *arguments, smp='1,maxcpus=2', oob=True)
    irq = {'log_file': machine.path('irq.log'),
           'ring_file': machine.path('irq.ring'), 'backtrace': 16}
    machine.cmd('irq-log-set', enable=True, **irq)
    sched.trace(machine, mode='exact', ring_file=machine.path('sched.ring'))
    free = next(s for s in machine.cmd('query-hotpluggable-cpus')
                if 'qom-path' not in s)
    machine.cmd('device_add', driver=free['type'], id='more', **free['props'])
    machine.cmd('device_add', driver='virtio-rng-pci', id='rng', bus='rp0')
    wait_for('the new vCPU', lambda: sum(
        vcpu['present'] for vcpu in sched.status(machine)['vcpus']) == 2)
    sched.wait_for_switches(machine)
    for command in ('query-irq-log', sched.QUERY):
        assert machine.qmps[0].out_of_band(command), command
    machine.hmp('info irq-log -n 10')
    machine.hmp('info windows-sched-trace -n 10')
    threads, filtered = filtered_threads(machine)
    # off and on again, with files that are there
    machine.cmd('irq-log-set', enable=False)
    machine.cmd('irq-log-set', enable=True, **irq)
    wait_for('an interrupt', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 0)
    now = sched.status(machine)
    switches = sched.read_all(machine)
    machine.cmd(sched.SET, enable=False)
    machine.cmd('irq-log-set', enable=False)
    irqs = read_all(machine)
    assert now['state'] in ('active', 'degraded'), now
    found = {
        'mode': now['mode'], 'build': now['windows-build'],
        'offsets': {o['name']: o['value'] for o in now['offsets']
                    if 'value' in o},
        'processes': {e.get('process-image') for e in switches},
        'roles': {e.get('thread-role') for e in irqs},
        'symbols': all('caller-symbol' in e for e in irqs),
        'frames': max(len(e['backtrace']) for e in irqs) > 3,
        'error': machine.cmd('query-irq-log-status').get('symbols-error'),
        'rings': [ring_header(machine.path(name))['magic']
                  for name in ('irq.ring', 'sched.ring')],
        'text': 'irq-log: disabled' in open(irq['log_file'],
                                            encoding='utf-8').read(),
    }
    assert machine.quit() == 0, machine.stderr()
    return threads, filtered, found


def test_strict_sandbox_changes_nothing():
    """All features on: no SIGSYS, and the same results as without."""
    need_sandbox()
    _, filtered, free = use_everything()
    assert filtered == 0, filtered
    threads, filtered, confined = use_everything('-sandbox', STRICT)
    assert filtered == threads > 3, (threads, filtered)
    assert confined['text'] and confined['symbols'] and confined['frames']
    for name, value in free.items():
        other = confined[name]
        if name in ('processes', 'roles'):      # who ran is up to the host
            assert value & other, (name, value, other)
        elif name == 'offsets':     # some are learnt from switches, in time
            both = set(value) & set(other)
            assert len(both) > 20, (value, other)
            assert all(value[o] == other[o] for o in both), (value, other)
        else:
            assert value == other, (name, value, other)


def test_replaced_program():
    """An upgrade renames a new QEMU over the one that runs: names, base and
    build-id stay those of the one that runs."""
    where = folder()
    program = os.path.join(where, 'qemu')
    shutil.copy(os.path.realpath(QEMU), program)
    machine = Machine('-M', 'pc', '-m', '64', '-L', '/usr/share/seabios',
                      '-L', '/usr/share/qemu', qemu=program)
    shutil.copy('/bin/true', program + '.new')
    os.rename(program + '.new', program)
    log = machine.path('irq.log')
    machine.cmd('irq-log-set', enable=True, log_file=log)
    wait_for('100 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 100)
    machine.cmd('irq-log-set', enable=False)
    with open(log, encoding='utf-8') as text:
        first = text.readline().split()
    words = dict(word.split('=', 1) for word in first if '=' in word)
    assert words['exe'] == program, first
    assert all('caller-symbol' in e for e in read_all(machine))
    assert os.readlink(f'/proc/{machine.pid}/exe').endswith(' (deleted)')
    bases = [line.split('-')[0] for line in
             open(f'/proc/{machine.pid}/maps', encoding='utf-8')
             if line.rstrip().endswith(f'{program} (deleted)')]
    assert int(words['load-base'], 0) == int(bases[0], 16), (words, bases[0])
    code, out, messages = analyze('--pid', str(machine.pid), '--no-raw', log)
    assert code == 0 and '-> ' in out, messages
    # without the process there is only the wrong program, and a word on it
    machine.quit()
    code, out, messages = analyze('--no-raw', log)
    assert code == 0 and '-> ' not in out, out[:999]
    assert 'build-id' in messages, messages
