"""The IRQ log against witnesses that are not ours.

QEMU's own trace events tell which lines its interrupt controllers saw, and
qtest drives a device whose interrupts can be counted one by one.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re

from harness import TOP, Machine, Skip, folder, read_all, wait_for

EDU = 0x11e81234    # device and vendor id of QEMU's edu device
SLOT = 5
BAR = 0xfeb00000


def traced_boot(machine_type):
    machine = Machine('-M', machine_type, '-m', '64', '-smp', '2',
                      '-trace', 'pic_set_irq', '-trace', 'ioapic_set_irq',
                      '-trace', 'qemu_set_irq', '--preconfig')
    machine.cmd('irq-log-set', enable=True, text=False, entries=4194304)
    machine.cmd('x-exit-preconfig')
    wait_for('4,000 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 4000, 90)
    machine.cmd('stop')
    machine.cmd('irq-log-set', enable=False)
    entries = read_all(machine)
    machine.quit()
    return machine.stderr(), entries


def from_trace(text):
    """What the controllers saw: (controller, line, level) in order."""
    seen = []
    for line in text.splitlines():
        pic = re.search(r'pic_set_irq master (\d) irq (\d+) level (\d+)',
                        line)
        ioapic = re.search(r'ioapic_set_irq vector: (\d+) level: (\d+)', line)
        if pic:
            seen.append((f'pic{pic[1]}', int(pic[2]), int(pic[3])))
        elif ioapic:
            seen.append(('ioapic', int(ioapic[1]), int(ioapic[2])))
    return seen


def from_log(entries):
    """The same out of our log; a PIC is known by its handler and path."""
    pics = []
    seen = []
    for entry in entries:
        handler = entry.get('handler-symbol', '')
        path = entry['path'].rsplit('/', 1)[0]
        if handler == 'pic_set_irq':
            if path not in pics:
                pics.append(path)
            seen.append((path, entry['irq-line'], entry['level']))
        elif handler == 'ioapic_set_irq':
            seen.append(('ioapic', entry['irq-line'], entry['level']))
    # the first PIC that sees a line is the master: the slave hangs below it
    names = {path: f'pic{int(path == pics[0])}' for path in pics}
    return [(names.get(who, who), n, level) for who, n, level in seen]


def check_same_as_trace(machine_type):
    text, entries = traced_boot(machine_type)
    witness = from_trace(text)
    ours = from_log(entries)
    assert len(witness) > 1000, len(witness)
    # Only tracing goes on after our log was turned off.
    assert ours == witness[:len(ours)], next(
        (i, a, b) for i, (a, b) in enumerate(zip(ours, witness)) if a != b)
    assert len(witness) - len(ours) < 50


def test_pc_boot_same_as_trace_events():
    check_same_as_trace('pc')


def test_q35_boot_same_as_trace_events():
    check_same_as_trace('q35')


def test_own_trace_event():
    """The trace event tells of the same calls, also while the log is off."""
    text, entries = traced_boot('pc')
    traced = [(int(n), int(level)) for n, level in re.findall(
        r'qemu_set_irq irq=0x\w+ handler=0x\w+ opaque=\S+ n=(\d+) '
        r'level=(\d+)', text)]
    logged = [(e['irq-line'], e['level']) for e in entries
              if e.get('handler-symbol') != 'pci_irq_handler' or
              'gpio' in e['path']]
    assert len(logged) > 1000
    assert logged == traced[:len(logged)]


class Edu:
    """QEMU's edu device, driven without a guest."""

    def __init__(self, *arguments):
        self.machine = Machine('-M', 'pc', '-m', '64', '-device',
                               f'edu,id=edu0,addr={SLOT:#x}', *arguments,
                               qtest=True)
        self.plug()

    def plug(self):
        qtest = self.machine.qtest
        assert qtest.pci_read(SLOT, 0) == EDU
        qtest.pci_write(SLOT, 0x10, BAR)
        qtest.pci_write(SLOT, 0x04, 0x0006)     # memory and bus master
        qtest.pci_write(1, 0x60, 0x0a0a0b0b)    # the PIIX3 routes INTx

    def msi(self, address, data):
        qtest = self.machine.qtest
        at = qtest.pci_read(SLOT, 0x34) & 0xff
        assert qtest.pci_read(SLOT, at) & 0xff == 5     # capability MSI
        qtest.pci_write(SLOT, at + 4, address)
        qtest.pci_write(SLOT, at + 8, 0)
        qtest.pci_write(SLOT, at + 12, data)
        qtest.pci_write(SLOT, at, 1 << 16)

    def raise_irq(self):
        self.machine.qtest.writel(BAR + 0x60, 1)

    def lower_irq(self):
        self.machine.qtest.writel(BAR + 0x64, 1)


def test_counted_intx():
    """23 interrupts raised, 23 seen, each up and down, by their device."""
    edu = Edu()
    edu.machine.cmd('irq-log-set', enable=True, text=False)
    for _ in range(23):
        edu.raise_irq()
        edu.lower_irq()
    edu.machine.cmd('irq-log-set', enable=False)
    entries = read_all(edu.machine, filter_path='/machine/peripheral/edu0')
    assert [e['level'] for e in entries] == [1, 0] * 23
    assert {e['kind'] for e in entries} == {'hardware'}
    assert {e['irq-line'] for e in entries} == {0}
    assert {e['device'] for e in entries} == {'edu:edu0'}
    assert all('edu_' in e['caller-symbol'] for e in entries)
    # and what it led to is inside of it
    every = read_all(edu.machine)
    at = every.index(entries[0])
    assert every[at]['depth'] == 0 and every[at + 1]['depth'] == 1
    assert '/machine/' in every[at + 1]['path']


def test_counted_msi():
    edu = Edu()
    edu.msi(0xfee01000, 0x4e51)
    edu.machine.cmd('irq-log-set', enable=True, text=False)
    for _ in range(23):
        edu.raise_irq()
    edu.machine.cmd('irq-log-set', enable=False)
    entries = read_all(edu.machine)
    assert len(entries) == 23
    for entry in entries:
        assert entry['kind'] == 'msi' and entry['level'] == 1
        assert entry['device'] == 'edu:edu0'
        assert entry['msi-address'] == 0xfee01000
        assert entry['msi-data'] == 0x4e51 and entry['irq-line'] == 0x51
        assert entry['path'] == '/machine/peripheral/edu0'
        assert entry['requester'] == '/machine/peripheral/edu0'
        assert 'msi' in entry['caller-symbol']


def test_ten_thousand_messages_are_two_lines():
    """One line a device and vector, not one a message."""
    edu = Edu()
    machine = edu.machine
    machine.cmd('irq-log-set', enable=True, text=False)
    for data in (0x4e51, 0x4e52):
        edu.msi(0xfee01000, data)
        for _ in range(5000):
            edu.raise_irq()
    machine.cmd('irq-log-set', enable=False)
    status = machine.cmd('query-irq-log-status')
    assert status['recorded'] == 10000, status
    assert status['lines'] == 2 and status['lines-refused'] == 0, status
    entries = read_all(machine)
    assert [e['irq-line'] for e in entries] == [0x51] * 5000 + [0x52] * 5000
    assert {e['path'] for e in entries} == {'/machine/peripheral/edu0'}


def test_lines_of_a_linux_boot():
    """A guest that reads its disk by MSI-X does not fill the table."""
    guest = os.path.join(TOP, 'build', 'demo-guest')
    if not os.path.exists(os.path.join(guest, 'initramfs.gz')):
        raise Skip('the guest of the demo is not there: scripts/demo/guest')
    console = os.path.join(folder(), 'console')
    machine = Machine(
        '-M', 'q35', '-smp', '2', '-m', '512', '-action', 'shutdown=pause',
        '-serial', f'file:{console}', '-kernel', os.path.join(guest, 'vmlinuz'),
        '-initrd', os.path.join(guest, 'initramfs.gz'),
        '-append', 'console=ttyS0 panic=-1', '-drive',
        'if=none,id=image,format=raw,readonly=on,file=' +
        os.path.join(guest, 'disk.img'),
        '-device', 'virtio-blk-pci,drive=image,id=disk')
    machine.cmd('irq-log-set', enable=True, text=False, entries=4194304)
    wait_for('the guest to end', lambda: machine.cmd(
        'query-status')['status'] == 'shutdown', 600)
    machine.cmd('irq-log-set', enable=False)
    status = machine.cmd('query-irq-log-status')
    messages = read_all(machine, filter_kind='msi')
    senders = {(e['path'], e['irq-line']) for e in messages}
    wired = {(e['path'], e['irq-line'], e.get('handler-symbol'))
             for e in read_all(machine) if e['kind'] != 'msi'}
    assert len(messages) > 200, len(messages)
    assert '(unknown)' not in {path for path, _ in senders}
    assert status['lines'] < 300 and status['lines-refused'] == 0, status
    # a line is told apart from one that had the same address, so some more
    assert status['lines'] <= len(senders) + 2 * len(wired), status


def test_msi_off():
    edu = Edu()
    edu.msi(0xfee01000, 0x4e51)
    edu.machine.cmd('irq-log-set', enable=True, text=False, msi=False)
    edu.raise_irq()
    edu.machine.cmd('irq-log-set', enable=False)
    assert read_all(edu.machine) == []


def test_replugged_device_keeps_its_own_name():
    """Freed IRQ objects and used-again addresses do not carry old names."""
    edu = Edu()
    machine = edu.machine
    machine.cmd('irq-log-set', enable=True, text=False)
    for i in range(1, 20):
        edu.raise_irq()
        edu.lower_irq()
        machine.cmd('device_del', id=f'edu{i - 1}')
        machine.qtest.outl(0xae08, 1 << SLOT)       # the guest ejects it
        machine.cmd('device_add', driver='edu', id=f'edu{i}',
                    addr=f'{SLOT:#x}')
        edu.plug()
    machine.cmd('irq-log-set', enable=False)
    entries = read_all(machine, filter_path='/machine/peripheral/*')
    raised = [e['path'] for e in entries if e['level'] == 1]
    assert raised == [f'/machine/peripheral/edu{i}' for i in range(19)]
