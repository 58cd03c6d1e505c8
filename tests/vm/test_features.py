"""The complete QEMU: what a user's Windows machine is started with.

Displays, a TPM, a sandbox, disks by io_uring, the host's USB devices, shared
folders: the table is scripts/setup/features.  What needs a counterpart that is
not there (swtpm, virtiofsd) is asked for by name alone.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import socket

from harness import QEMU, Machine, QmpError, Skip, folder, has_option
from sched import knows_kvm

# a Windows 11 machine, as libvirt would write it, less its disk and firmware
MODERN = ('-M', 'q35', '-m', '256', '-smp', '2', '-vga', 'none')


def need_complete():
    if not has_option('vnc') or not has_option('sandbox'):
        raise Skip(f'{QEMU} is a lean one')


def enum_values(schema, name):
    """Values of all enums that a command's arguments may lead to."""
    types = {entry['name']: entry for entry in schema}
    todo = [types[name]['arg-type']]
    seen = set()
    values = set()
    while todo:
        entry = types[todo.pop()]
        if entry['name'] in seen:
            continue
        seen.add(entry['name'])
        todo += [m['type'] for m in entry.get('members', ()) if 'type' in m]
        todo += [v['type'] for v in entry.get('variants', ())]
        values |= {m['name'] for m in entry.get('members', ())
                   if entry['meta-type'] == 'enum'}
        values |= set(entry.get('values', ()))
    return values


def test_a_display_for_everybody():
    """SPICE and VNC at once, and a VNC client is greeted."""
    need_complete()
    where = folder()
    vnc = os.path.join(where, 'vnc')
    machine = Machine(
        *MODERN, '-vnc', f'unix:{vnc}', '-device', 'qxl-vga',
        '-spice', f'unix=on,addr={where}/spice,'
        'disable-ticketing=on,image-compression=off',
        '-device', 'virtio-serial-pci', '-chardev',
        'spicevmc,id=agent,name=vdagent', '-device',
        'virtserialport,chardev=agent,name=com.redhat.spice.0',
        '-audiodev', 'spice,id=sound', '-device', 'ich9-intel-hda',
        '-device', 'hda-duplex,audiodev=sound',
        '-device', 'qemu-xhci', '-chardev',
        'spicevmc,id=usb,name=usbredir', '-device', 'usb-redir,chardev=usb')
    assert machine.cmd('query-spice')['enabled']
    assert machine.cmd('query-vnc')['enabled']
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(120)
        client.connect(vnc)
        assert client.recv(12) == b'RFB 003.008\n'
    machine.cmd('irq-log-set', enable=True, text=False)
    assert machine.cmd('query-irq-log-status')['enabled']
    assert machine.quit() == 0, machine.stderr()


def test_what_is_built_in():
    """By name, what cannot be tried without a counterpart."""
    need_complete()
    machine = Machine('-M', 'none')
    assert {'emulator', 'passthrough'} <= set(machine.cmd('query-tpm-types'))
    assert {'tpm-crb', 'tpm-tis'} <= set(machine.cmd('query-tpm-models'))
    schema = machine.cmd('query-qmp-schema')
    for name, wanted in (
            ('blockdev-add', {'io_uring', 'native', 'threads', 'qcow2',
                              'vmdk', 'vdi', 'vhdx', 'vpc', 'luks'}),
            ('chardev-add', {'spicevmc', 'spiceport', 'file',
                             'qemu-vdagent', 'socket'}),
            ('netdev_add', {'user', 'tap', 'vhost-user', 'vhost-vdpa',
                            'l2tpv3', 'bridge'}),
            ('object-add', {'memory-backend-memfd', 'memory-backend-file',
                            'tls-creds-x509', 'cryptodev-vhost-user',
                            'secret_keyring'})):
        missing = wanted - enum_values(schema, name)
        assert not missing, (name, missing)
    types = {t['name'] for t in machine.cmd('qom-list-types')}
    wanted = {'usb-host', 'usb-redir', 'ccid-card-passthru', 'qxl-vga',
              'virtio-9p-pci', 'vhost-user-fs-pci', 'vhost-user-blk-pci',
              'vhost-user-gpu', 'vhost-vsock-pci', 'hv-balloon', 'vfio-pci',
              'virtio-mem-pci', 'nvme', 'intel-hda'}
    if not knows_kvm():
        wanted -= {'vfio-pci'}
    assert wanted <= types, wanted - types


def test_disks_and_folders():
    """A disk by io_uring where the host allows it, and a folder by virtfs."""
    need_complete()
    shared = folder()
    disk = os.path.join(folder(), 'disk')
    with open(disk, 'wb') as file:
        file.truncate(1 << 20)
    windows = Machine(
        *MODERN, '-virtfs',
        f'local,path={shared},mount_tag=shared,security_model=none',
        '-object', 'memory-backend-memfd,id=m0,size=256M,share=on',
        '-numa', 'node,memdev=m0,cpus=0-1')
    refusal = ''
    for aio in ('io_uring', 'native'):
        node = {'driver': 'file', 'node-name': aio, 'filename': disk,
                'aio': aio, 'cache': {'direct': aio == 'native'},
                'locking': 'off'}
        try:
            windows.cmd('blockdev-add', **node)
        except QmpError as error:       # a host that forbids it
            refusal = str(error)
            assert 'io_uring' in refusal or 'aio' in refusal, refusal
    assert windows.quit() == 0, windows.stderr()
