"""A QEMU that was not built with vmscope, with the NT test guest in it.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import shutil

from rig import BUILD, ROM, Skip, at_end, folder, wait_for
from qemu import Qemu

STOCK = os.environ.get('VMSCOPE_STOCK_QEMU',
                       shutil.which('qemu-system-x86_64') or '')


class Stock:
    """One that runs; path is its QMP socket, qmp a second monitor."""

    def __init__(self, *arguments, config='build=26100', name='stock',
                 memory='64', machine='q35', vcpus=2, qemu=STOCK,
                 accel='tcg', monitor=True, wait=True, **popen):
        if not os.access(qemu, os.X_OK):
            raise Skip('no QEMU of the system is installed')
        if not os.path.exists(ROM):
            raise Skip(f'{ROM} is not built')
        self.folder = folder()
        self.path = os.path.join(self.folder, 'qmp')
        if 'user' in popen:
            os.chown(self.folder, popen['user'], -1)
        self.qemu = Qemu(
            [qemu, '-name', name, '-M', machine, '-accel', accel,
             '-m', memory, '-smp', str(vcpus), '-nodefaults',
             '-no-user-config', '-vga', 'none', '-display', 'none',
             '-bios', ROM, '-L', os.path.join(BUILD, 'qemu'),
             '-debugcon', f'file:{self.folder}/console', '-fw_cfg',
             f'name=opt/vmscope/nt-config,string={config}',
             *(['-qmp', f'unix:{self.path},server=on,wait=off']
               if monitor else []),
             '-qmp', f'unix:{self.path}.2,server=on,wait=off',
             *arguments], os.path.join(self.folder, 'stderr'), **popen)
        at_end(self.stop)
        self.process = self.qemu.process
        self.pid = self.qemu.pid
        self.qmp = self.qemu.qmp(self.path + '.2')
        if wait:
            wait_for('the guest', lambda: '\n' in self.console())
            if 'nt: ready' not in self.console():
                raise AssertionError(self.console())

    def console(self):
        try:
            with open(os.path.join(self.folder, 'console'),
                      encoding='utf-8') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def hmp(self, line):
        return self.qmp.command('human-monitor-command',
                                {'command-line': line})

    def stop(self):
        self.qemu.stop()
