"""The NT test guest in the QEMU that was built, for vmscope to look at.

Each guest has sockets for several clients, and its ground truth can be read.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import sys
import time

import harness
from harness import BUILD, QEMU, Skip, TOP, wait_for

sys.path.append(os.path.join(TOP, 'tests', 'guest'))
import qemurun          # noqa: E402
from guestram import Ram            # noqa: E402
from truth import THREAD, Truth     # noqa: E402

ROM = os.environ.get('VMSCOPE_NT_ROM', os.path.join(BUILD, 'guest', 'nt.rom'))


class Guest:
    """A running guest; the test's end ends it."""

    def __init__(self, config='build=26100', cpus=2, accel='tcg', sockets=2,
                 cpu='qemu64,-pni', extra=()):
        for path, target in ((QEMU, 'qemu'), (ROM, 'guest')):
            if not os.path.exists(path):
                raise Skip(f"{path} is not there: run 'make {target}'")
        if accel == 'kvm' and not os.access('/dev/kvm', os.R_OK | os.W_OK):
            raise Skip('there is no /dev/kvm here')
        place = harness.folder()
        self.sockets = [os.path.join(place, f'qmp{i}')
                        for i in range(sockets)]
        more = [word for path in self.sockets
                for word in ('-qmp', f'unix:{path},server=on,wait=off')]
        self.vm = qemurun.Vm(QEMU, ROM, config, accel, cpus, 'q35', cpu, 64,
                             [*more, '-name', 'nt', *extra])
        harness.at_end(self.vm.close)
        self.cpus = cpus
        self.qmp = self.vm.qmp
        self._boot()

    def _boot(self):
        def switches():
            if self.vm.proc.poll() is not None:
                raise AssertionError(f'QEMU ended: {self.vm.why()}')
            return (os.path.exists(self.vm.ram_path) and
                    os.path.getsize(self.vm.ram_path))
        wait_for('guest memory', switches)
        self.ram = Ram(self.vm.ram_path)
        harness.at_end(self.ram.close)
        self.truth = Truth(self.ram)
        wait_for('the first switches', lambda: switches() and
                 self.truth.ready() and self.truth.head > 50 and
                 self.truth.all_online())
        if 'query-windows-sched-trace' not in self.commands():
            raise Skip('this QEMU has no scheduler trace')

    def commands(self):
        return {command['name'] for command in self.qmp('query-commands')}

    def state(self):
        return self.qmp('query-windows-sched-trace-status')['state']

    def trace(self, **more):
        """Turn it on and wait until it sees something."""
        self.qmp('windows-sched-trace-set', enable=True, **more)
        wait_for('the trace', lambda: self.state() in ('active', 'degraded'))
        wait_for('switches', lambda: self.qmp(
            'query-windows-sched-trace-status')['recorded'] > 100)

    def stop_at_rest(self, condition=lambda: True):
        """Stop where no list is half changed and no vCPU in a switch."""
        for _ in range(300):
            self.vm.stop()
            if not self.truth.locked() and condition() and \
                    all(cpu['begin'] == cpu['end'] for cpu in self.vcpus()):
                return
            self.vm.cont()
            time.sleep(0.003)
        raise AssertionError('it was never at rest in 300 stops')

    def vcpus(self):
        return [self.truth.cpu(i) for i in range(self.cpus)]

    def running(self):
        """Addresses of the threads that run, by vCPU; at rest."""
        return [cpu['new'] for cpu in self.vcpus()]

    def objects(self):
        """(processes, threads) by address, of those in the lists."""
        there = [o for o in self.truth.objects()
                 if o.live and not o.unlinked]
        return ({o.address: o for o in there if o.kind != THREAD},
                {o.address: o for o in there if o.kind == THREAD})
