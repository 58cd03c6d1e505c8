"""vmscope ps: the QEMUs of this host, and what they run.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import shutil
import socket
import subprocess

from rig import BUILD, Skip, VMSCOPE, check, environment, folder, same, vmscope
from stock import Stock


def row_of(guest, *arguments):
    rows = [json.loads(line) for line in
            vmscope('ps', '--json', *arguments).out.splitlines()]
    found = [row for row in rows if row['pid'] == guest.pid]
    same(len(found), 1, 'rows of the guest')
    return found[0]


def test_ps():
    guest = Stock(name='my windows', vcpus=2)
    row = row_of(guest)
    same((row['name'], row['machine'], row['vcpus'], row['memory'],
          row['accelerator'], row['monitor'], row['qmp'],
          row['windows-build']),
         ('my windows', 'q35', 2, 64 << 20, 'TCG', 'free', guest.path, 26100),
         'the row')
    check(0 < row['uptime-ns'] < 600 * 10**9, f'{row}')
    line = [line for line in vmscope('ps').out.splitlines()
            if line.split()[0] == str(guest.pid)]
    same(len(line), 1, 'lines of the guest')
    check(line[0].endswith(f'--qmp {guest.path}') and ' 26100 ' in line[0],
          line[0])


def test_other_builds():
    """Five levels of page tables, no debugger block, a PC, KVA shadow."""
    for config, machine in (('build=19041;levels=5;kdbg=absent', 'pc'),
                            ('build=22621;kvas=on', 'q35'),
                            ('build=7601;levels=4', 'pc')):
        guest = Stock('-cpu', 'max', config=config, machine=machine)
        same(row_of(guest)['windows-build'],
             int(config[6:].split(';')[0]), config)


def test_monitor_is_busy():
    guest = Stock()
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(guest.path)
        other.recv(1)
        same(row_of(guest)['monitor'], 'busy', 'with another client')
    same(row_of(guest, '--quick').get('windows-build'), None, 'quickly')


def test_large_memory():
    """RAM above 4 GiB is found where it is, on both machines."""
    for machine in ('pc', 'q35'):
        guest = Stock(machine=machine, memory='5G')
        row = row_of(guest)
        same((row['windows-build'], row['memory']), (26100, 5 << 30), machine)


def test_another_user():
    """Without rights the row is there, and says what is missing."""
    if os.geteuid():
        raise Skip('only root can become somebody else')
    guest = Stock()
    os.chmod(guest.folder, 0o755)
    done = subprocess.run([VMSCOPE, 'ps', '--json'], capture_output=True,
                          timeout=60, user=65534, group=65534,
                          extra_groups=[], env=environment(), check=True)
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    row = [row for row in rows if row['pid'] == guest.pid][0]
    same(row['name'], 'stock', 'name')
    check('as user 0' in row['why-no-windows'] and
          'CAP_SYS_PTRACE' in row['why-no-windows'], row['why-no-windows'])


def test_no_windows():
    """A machine that has not begun has none."""
    row = row_of(Stock('-S', wait=False))
    check('windows-build' not in row and row['why-no-windows'], f'{row}')


def test_a_package_of_its_own():
    """A QEMU by another name, like the one in vmscope-qemu, whose file an
    upgrade has replaced since.  Ours, as Debian's wants its modules near."""
    ours = os.path.join(BUILD, 'qemu-system-x86_64')
    if not os.path.exists(ours):
        raise Skip('our QEMU is not built: run make qemu')
    program = os.path.join(folder(), 'vmscope-qemu-system-x86_64')
    shutil.copy(os.path.realpath(ours), program)
    guest = Stock('-L', '/usr/share/qemu', name='renamed', qemu=program)
    os.unlink(program)
    same(row_of(guest)['name'], 'renamed', 'the name')
