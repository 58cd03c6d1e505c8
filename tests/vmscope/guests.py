"""Guests for the fake QEMU: what ran when, and which interrupts came.

SPDX-License-Identifier: GPL-2.0-or-later
"""

from fake_qmp import Ring, SECOND, World, idle, thread

MS = 1000000

CHROME = thread(4000, 4004, 'chrome.exe', 'Compositor', 10)
WORKER = thread(4000, 4008, 'chrome.exe', 'ThreadPool')
KOREAN = thread(800, 804, '메모장.exe', '한국어 스레드 🚀')
SYSTEM = thread(4, 8, 'System')
HOSTILE = thread(666, 668, 'ev\x1b[31mil.exe', 'a\u202eb\ttab\u0301\u0302\u0303')
LONG = thread(900, 904, 'averylongname.e', 'n' * 79)

LEFT = {'previous-state-name': 'Waiting', 'wait-reason-name': 'WrQueue'}
READY = {'previous-state-name': 'Ready', 'wait-reason-name': 'WrQuantumEnd'}


def calm(seconds=30):
    """Six threads take turns on vCPU 0; vCPU 1 idles.

    In each turn of 50 ms: chrome.exe 20 ms in two threads, 메모장 10 ms,
    System 5 ms, the hostile one 4 ms, the long one 1 ms, idle 10 ms.
    """
    world = World()
    turn = [(0, CHROME, LEFT), (15, WORKER, READY), (20, KOREAN, LEFT),
            (30, SYSTEM, LEFT), (35, HOSTILE, LEFT), (39, LONG, LEFT),
            (40, idle(0), LEFT)]
    begin = world.now_ns
    world.sched.add(begin - 5 * SECOND, vcpu=1, origin='exit', **idle(1))
    for number in range(seconds * 20):
        for at, who, left in turn:
            more = {'missed': 2} if who is SYSTEM else {}
            world.sched.add(begin + (number * 50 + at) * MS, vcpu=0,
                            origin='poll', **who, **left, **more)
    return world


IOAPIC = '/machine/q35/ioapic/unnamed-gpio-in[0]'


def with_irqs(world, seconds=100):
    """A timer 100 times, a disk 50 times, a message 10 times a second."""
    for number in range(seconds * 100):
        at = world.now_ns + number * 10 * MS
        members = {'level': number & 1, 'depth': 0, 'host-tid': 4711,
                   'thread-name': 'CPU 0/KVM', 'thread-role': 'vcpu 0',
                   'caller-addr': 0x55fe0f1a4c90,
                   'caller-symbol': 'hpet_timer+0x120'}
        world.irqs.add(at, **members, kind='hardware', path=IOAPIC,
                       device='ioapic', **{'irq-line': 2})
        if number % 2:
            world.irqs.add(at + 1, **{
                **members, 'caller-symbol': 'ahci_irq_raise+0x8',
                'host-tid': 4700, 'thread-name': 'qemu-system-x86',
                'thread-role': 'main-loop'}, kind='software',
                path='(anonymous)', **{'irq-line': 0},
                **{'handler-symbol': 'or_irq_handler',
                   'driven-by': '/machine/q35/ahci:irq'})
        if number % 10 == 0:
            world.irqs.add(at + 2, **{**members, 'level': 1}, kind='msi',
                           path='/machine/peripheral/net0',
                           device='virtio-net-pci:net0',
                           **{'irq-line': 49, 'msi-address': 0xfee01000,
                              'msi-data': 0x4031,
                              'requester': '/machine/peripheral/net0',
                              'backtrace': [0x55fe0f1a4d11, 0x55fe0f2b0010]})
    return world


def crowded(threads=9000, vcpus=8, ms=12000):
    """Each of many threads runs 1 ms in turn, on 8 vCPUs."""
    world = World()
    world.n_vcpus = vcpus
    world.sched = Ring(1 << 20)
    people = [thread(4 * (1 + n // 10), 40000 + 4 * n, f'p{n // 10}.exe',
                     f't{n}') for n in range(threads)]
    for number in range(ms):
        for vcpu in range(vcpus):
            who = people[(number * vcpus + vcpu) % threads]
            world.sched.add(world.now_ns + number * MS, vcpu=vcpu,
                            origin='poll', **who)
    return world
