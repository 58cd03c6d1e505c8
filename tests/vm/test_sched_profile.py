"""Samples of what vCPUs execute: each is where it is said to be.

The guest's spinning thread (guest/nt/spin.c) is nowhere else while it spins,
and nobody else is there; modules and exports are looked up here once more,
from the guest's memory.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import bisect
import struct

from harness import Machine, wait_for
from sched import SET, start, state, status, wait_for_state

PROFILE = 'query-windows-profile'
# Of guest/nt/phys.h and spin.c.
IMAGES = {'ntoskrnl.exe': (0x1000000, 0x80000), 'hal.dll': (0x6e0000, 0x4000),
          'lookalike.sys': (0x6e8000, 0x4000)}
SPIN_DRIVER = 0x1000 + 8 * 32
SPIN_KERNEL = 0x300000 + 5 * 0x60 + 0x10
SPIN_BYTES = 7
CONFIG = 'build=26100 spin-in=10000 dpc-percent=10 threads=4'


def samples(machine, after=0, page=1000):
    """All that are there, by paging."""
    found = []
    while True:
        some = machine.cmd(PROFILE, after=after, max_entries=page)['samples']
        if not some:
            return found
        assert some[0]['seq'] > after, (after, some[0])
        found += some
        after = some[-1]['seq']


class Image:
    """Exports and sections of an image, from the guest's memory."""

    def __init__(self, machine, name):
        at, size = IMAGES[name]
        path = machine.path(name)
        machine.cmd('pmemsave', val=at, size=size, filename=path)
        with open(path, 'rb') as file:
            self.data = file.read()
        nt, = self.u32(0x3c)
        self.size, = self.u32(nt + 80)
        count, = struct.unpack_from('<H', self.data, nt + 6)
        optional, = struct.unpack_from('<H', self.data, nt + 20)
        self.sections = [struct.unpack_from('<II', self.data,
                                            nt + 24 + optional + 40 * i + 8)
                         for i in range(count)]
        self.exports = dict(self.read_exports(*self.u32(nt + 136, 2)))
        self.rvas = sorted(self.exports)

    def u32(self, at, n=1):
        return struct.unpack_from(f'<{n}I', self.data, at)

    def read_exports(self, rva, size):
        _, n, functions, names, ordinals = self.u32(rva + 20, 5)
        for i in reversed(range(n)):
            ordinal, = struct.unpack_from('<H', self.data, ordinals + 2 * i)
            text, = self.u32(names + 4 * i)
            at, = self.u32(functions + 4 * ordinal)
            if not rva <= at < rva + size:      # no forwarder
                yield at, self.data[text:].split(b'\0', 1)[0].decode()

    def section(self, rva):
        return next((i for i, (size, begin) in enumerate(self.sections)
                     if begin <= rva < begin + size), None)

    def nearest(self, rva):
        """Name and RVA of the export that an address belongs to, or None."""
        i = bisect.bisect_right(self.rvas, rva)
        if not i or self.section(rva) is None or \
                self.section(self.rvas[i - 1]) != self.section(rva):
            return None
        return self.exports[self.rvas[i - 1]], self.rvas[i - 1]


def wanted_place(sample, modules, images):
    """(module, offset, export, offset), by our own search."""
    if sample['cpl'] != 0:
        return None, None, None, None
    for module in modules:
        offset = sample['rip'] - module['base']
        if 0 <= offset < module['size']:
            export = images[module['name']].nearest(offset)
            return (module['name'], offset, *(
                (export[0], offset - export[1]) if export else (None, None)))
    return None, None, None, None


def told_place(sample):
    return tuple(sample.get(key) for key in (
        'module', 'module-offset', 'export', 'export-offset'))


def spin_place(sample):
    """Where the spinning thread is in such a sample, or None."""
    for module, at in (('lookalike.sys', SPIN_DRIVER),
                       ('ntoskrnl.exe', SPIN_KERNEL)):
        if sample.get('module') == module and \
                0 <= sample['module-offset'] - at < SPIN_BYTES:
            return module
    return None


def spins_known(sample):
    """The thread too: a vCPU may be found later than the kernel."""
    return spin_place(sample) and 'thread-pointer' in sample


def check_order(found):
    seqs = [s['seq'] for s in found]
    assert seqs == sorted(set(seqs)), 'numbers are no numbers'
    for vcpu in {s['vcpu'] for s in found}:
        times = [s['timestamp-ns'] for s in found if s['vcpu'] == vcpu]
        assert times == sorted(times), f'times of vCPU {vcpu}'


def check_threads(found):
    for sample in found:
        if sample['cpl'] == 3:
            assert 'module' not in sample and not sample.get('dpc'), sample
            assert not sample.get('idle'), sample
        if 'idle' in sample:
            assert sample.get('unique-thread-id', 0) == 0, sample


def check_spinner(found):
    spins = [s for s in found if spins_known(s)]
    assert len({s['unique-thread-id'] for s in spins}) == 1, \
        'more than one thread spins'
    for sample in spins:
        driver = spin_place(sample) == 'lookalike.sys'
        assert sample['irql'] == (2 if driver else 0), sample
        assert sample['process-image'] == 'System', sample
        assert sample['dpc'] is False, sample
    return spins


def enough(machine, found):
    """Fetch what is new; are there enough of each kind?"""
    after = found[-1]['seq'] if found else 0
    found += samples(machine, after)
    return (sum(bool(spins_known(s)) for s in found) >= 200 and
            {0, 3} <= {s['cpl'] for s in found} and
            any(s.get('dpc') for s in found))


def test_places():
    machine = start(config=CONFIG)
    machine.cmd(SET, enable=True, rip_hz=1000)
    wait_for_state(machine, 'active')
    found = []
    wait_for('samples of each kind', lambda: enough(machine, found))
    found = [s for s in found if 'stage' not in s]
    modules = machine.cmd('query-windows-modules')['modules']
    images = {name: Image(machine, name) for name in IMAGES}
    check_order(found)
    check_threads(found)
    for sample in found:
        assert told_place(sample) == wanted_place(sample, modules, images), (
            sample, wanted_place(sample, modules, images))
    spins = check_spinner(found)
    share = sum(spin_place(s) == 'lookalike.sys' for s in spins) / len(spins)
    assert 0.55 < share < 0.92, f'{share} of the time in the driver, not 0.75'
    exports = {s['export'] for s in spins}
    assert len(exports) == 2 and 'KeAreApcsDisabled' in exports, exports


def recorded(machine):
    return machine.cmd(PROFILE)['recorded']


def test_options():
    machine = start()
    machine.cmd(SET, enable=True)
    wait_for_state(machine, 'active')
    now = machine.cmd(PROFILE)
    assert now['rip-hz'] == now['recorded'] == 0 and not now['samples'], now
    assert 'rip-hz' in machine.refused(SET, enable=True, rip_hz=1)
    machine.cmd(SET, enable=False)
    assert '10000' in machine.refused(SET, enable=True, rip_hz=10001)
    machine.cmd(SET, enable=True, rip_hz=10000)
    machine.cmd(SET, enable=True, rip_hz=10000)
    wait_for('samples', lambda: recorded(machine) > 100)
    some = machine.cmd(PROFILE, max_entries=7)
    assert len(some['samples']) == 7 and some['rip-hz'] == 10000, some
    assert some['cost-ns'] > 0
    assert 'at most 100000' in machine.refused(PROFILE, max_entries=100001)
    # More than there is room for: the oldest are gone, and it is said.
    wait_for('a full ring', lambda: recorded(machine) > 17000)
    some = machine.cmd(PROFILE, after=0, max_entries=1)
    assert some['overwritten'] >= 17000 - 16384, some
    machine.cmd(SET, enable=False)
    last = recorded(machine)
    assert recorded(machine) == last
    assert len(machine.cmd(PROFILE)['samples']) > 0


def test_stopped():
    """None is taken while the machine stands still, not even one late."""
    machine = start()
    machine.cmd(SET, enable=True, rip_hz=1000)
    wait_for_state(machine, 'active')       # samples begin before that
    wait_for('samples', lambda: recorded(machine) > 100)
    machine.cmd('stop')
    last = recorded(machine)
    for _ in range(5):
        machine.cmd('query-status')
        assert recorded(machine) == last
    machine.cmd('cont')
    wait_for('more samples', lambda: recorded(machine) > last + 100)
    machine.cmd('system_reset')
    wait_for('the kernel again', lambda: state(machine) == 'active' and
             status(machine)['detection']['kernels'] >= 2)
    last = recorded(machine)
    wait_for('samples of it', lambda: any(
        s.get('module') == 'ntoskrnl.exe' for s in samples(machine, last)))


def test_stage():
    """Before Windows: where the machine is."""
    machine = Machine('-M', 'pc', '-m', '64')
    machine.cmd(SET, enable=True, rip_hz=100)
    wait_for('the firmware', lambda: any(
        s.get('stage') == 'firmware' for s in samples(machine)))
    assert all('module' not in s and 'thread-pointer' not in s
               for s in samples(machine))
    paused = Machine('-M', 'pc', '-m', '64', '-S')
    paused.cmd(SET, enable=True, rip_hz=100)
    assert recorded(paused) == 0
