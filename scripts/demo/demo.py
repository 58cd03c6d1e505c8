#!/usr/bin/env python3
"""Boot a Linux kernel with the IRQ log on, and keep what it tells.

Starts QEMU with --preconfig, turns the log on before the machine exists,
boots the guest that scripts/demo/guest made, and leaves irq.log, irq.ring,
irq.json, status.json and console.log in the output folder.  KVM if this
kernel gets through its boot there, else TCG.

It leaves to others: making the guest (guest), explaining the log (report.py).

SPDX-License-Identifier: GPL-2.0-or-later
"""

import argparse
import contextlib
import http.server
import json
import os
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', '..', 'tests', 'lib'))
from qemu import Qemu  # noqa: E402
from qmp import QmpError  # noqa: E402

ENTRIES = 1048576       # ring slots: a whole boot fits
KEEP = 20000            # newest events kept as JSON


class BootFailed(Exception):
    """One accelerator could not boot the guest; says why in a sentence."""


def say(text):
    print(f'vmscope: {text}', flush=True)


class Page(http.server.BaseHTTPRequestHandler):
    """What the guest fetches from the host: a megabyte of nothing."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(1 << 20))
        self.end_headers()
        self.wfile.write(bytes(1 << 20))

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class Console:
    """The guest's serial console, a file that grows."""

    def __init__(self, path):
        self.path = path
        self.size = 0
        self.changed = time.monotonic()

    def text(self):
        try:
            with open(self.path, 'rb') as console:
                data = console.read()
        except FileNotFoundError:
            data = b''
        if len(data) != self.size:
            self.size = len(data)
            self.changed = time.monotonic()
        return data.decode(errors='replace')

    def silence(self):
        return time.monotonic() - self.changed


def qemu_arguments(args, accel, paths, port):
    append = ('console=ttyS0 earlyprintk=serial,ttyS0 panic=-1 '
              f'demo.port={port}')
    accel_arg = 'tcg' if accel == 'tcg' else 'kvm,kernel-irqchip=split'
    return [
        args.qemu, '-M', 'q35', '-accel', accel_arg, '-smp', '2', '-m', '512',
        '-name', 'vmscope-demo', '-nodefaults', '-no-user-config',
        '-display', 'none', '-vga', 'none',
        '-action', 'reboot=shutdown,shutdown=pause',
        '--preconfig', '-qmp', f"unix:{paths['qmp']},server=on,wait=off",
        '-serial', f"file:{paths['console']}",
        '-kernel', os.path.join(args.guest, 'vmlinuz'),
        '-initrd', os.path.join(args.guest, 'initramfs.gz'),
        '-append', append,
        '-drive', f"if=none,id=image,format=raw,readonly=on,"
                  f"file={os.path.join(args.guest, 'disk.img')}",
        '-device', 'virtio-blk-pci,drive=image,id=disk',
        '-netdev', 'user,id=user',
        '-device', 'virtio-net-pci,netdev=user,id=net,romfile=',
    ]


def log_on(qmp, args, paths):
    if not qmp.has('irq-log-set'):
        say('this QEMU has no irq-log-set: booting without the log')
        return False
    request = {
        'enable': True,
        'log-file': paths['log'],
        'ring-file': paths['ring'],
        'entries': ENTRIES,
    }
    if args.backtrace:
        request['backtrace'] = args.backtrace
    qmp.command('irq-log-set', request)
    return True


def log_off(qmp, paths):
    """Take what the log holds, then turn it off."""
    with open(paths['json'], 'w', encoding='utf-8') as out:
        json.dump(qmp.newest('query-irq-log', KEEP), out, indent=1)
    qmp.command('irq-log-set', {'enable': False})
    status = qmp.command('query-irq-log-status')
    with open(paths['status'], 'w', encoding='utf-8') as out:
        json.dump(status, out, indent=1)
    return status


def why_stopped(qmp):
    """A reason why this guest will never get on, or None."""
    status = qmp.command('query-status')['status']
    if status == 'internal-error':
        return 'KVM could not run one of its instructions'
    if status == 'guest-panicked':
        return 'the guest panicked'
    return None


def wait_for_boot(qmp, qemu, console, args, accel):
    """Until the guest has switched itself off; BootFailed if it will not."""
    begin = time.monotonic()
    bound = args.kvm_bound if accel == 'kvm' else args.tcg_bound
    # a kernel that KVM cannot run, or only by interpreting it, is seen by its
    # silence: under a KVM that works it speaks within two seconds
    patience = 20 if accel == 'kvm' else 120
    while True:
        off = any(e['event'] == 'SHUTDOWN' for e in qmp.poll_events(0.2))
        if qemu.has_ended():
            raise BootFailed('QEMU ended during the boot')
        text = console.text()
        reason = why_stopped(qmp)
        if reason:
            started = 'Linux version' in text
            raise BootFailed(reason + (
                '' if started else ' before the kernel said a word'))
        if off:
            if 'demo: done' in text:
                return time.monotonic() - begin
            raise BootFailed('the guest went down before its work was done')
        if time.monotonic() - begin > bound:
            raise BootFailed(f'the guest was not done within {bound} s')
        if console.silence() > patience:
            raise BootFailed(
                f'the guest was silent for {patience} s' if 'Linux version'
                in text else f'the kernel had not said a word in {patience} s')


def boot(args, accel, paths, port):
    """One boot; returns (seconds, status or None)."""
    for name in ('console', 'log', 'ring', 'json', 'status', 'qmp'):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(paths[name])
    qemu = Qemu(qemu_arguments(args, accel, paths, port), paths['errors'])
    try:
        qmp = qemu.qmp(paths['qmp'])
        logging = log_on(qmp, args, paths)
        qmp.command('x-exit-preconfig')
        seconds = wait_for_boot(qmp, qemu, Console(paths['console']), args,
                                accel)
        status = log_off(qmp, paths) if logging else None
        qmp.command('quit')
        qemu.wait()
        return seconds, status
    except QmpError as error:
        last = qemu.messages().strip().splitlines()[-1:]
        raise BootFailed('; '.join([str(error)] + last)) from error
    finally:
        qemu.stop()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(paths['qmp'])


def usable_kvm():
    if not os.path.exists('/dev/kvm'):
        return 'there is no /dev/kvm'
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return '/dev/kvm may not be opened by this user'
    return None


def boot_somehow(args, paths, port):
    """KVM first, TCG when that fails; says which and why."""
    if args.accel in ('auto', 'kvm'):
        reason = usable_kvm()
        if not reason:
            say('booting under KVM')
            try:
                return 'kvm', None, *boot(args, 'kvm', paths, port)
            except BootFailed as error:
                reason = str(error)
        if args.accel == 'kvm':
            raise BootFailed(reason)
        say(f'not under KVM: {reason}')
    else:
        reason = 'asked for'
    say('booting under TCG')
    return 'tcg', reason, *boot(args, 'tcg', paths, port)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--qemu', required=True)
    parser.add_argument('--guest', required=True, metavar='FOLDER')
    parser.add_argument('--out', required=True, metavar='FOLDER')
    parser.add_argument('--accel', choices=['auto', 'kvm', 'tcg'],
                        default='auto')
    parser.add_argument('--backtrace', type=int, default=4, metavar='FRAMES')
    parser.add_argument('--kvm-bound', type=int, default=120, metavar='S')
    parser.add_argument('--tcg-bound', type=int, default=300, metavar='S')
    return parser.parse_args()


def main():
    args = parse_arguments()
    out = os.path.abspath(args.out)
    args.qemu = os.path.abspath(args.qemu)
    args.guest = os.path.abspath(args.guest)
    os.makedirs(out, exist_ok=True)
    names = {'log': 'irq.log', 'ring': 'irq.ring', 'json': 'irq.json',
             'status': 'status.json', 'console': 'console.log',
             'errors': 'qemu.log', 'qmp': 'qmp.sock'}
    paths = {key: os.path.join(out, name) for key, name in names.items()}
    for name in ('run.json', 'summary.txt'):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(out, name))
    # a unix socket's name is short by law: one in a deep folder is not
    if len(paths['qmp']) > 100:
        paths['qmp'] = f'/tmp/vmscope-demo-{os.getpid()}.sock'
    with web_server() as port:
        accel, reason, seconds, status = boot_somehow(args, paths, port)
    with open(os.path.join(args.guest, 'version'), encoding='utf-8') as file:
        kernel = file.read().strip()
    run = {'accel': accel, 'reason': reason, 'boot-seconds': round(seconds, 1),
           'kernel': kernel, 'status': status}
    with open(os.path.join(out, 'run.json'), 'w', encoding='utf-8') as file:
        json.dump(run, file, indent=1)
    say(f'the guest booted, worked and switched off in {seconds:.0f} s')


def stop(_number, _frame):
    raise KeyboardInterrupt


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, stop)
    try:
        main()
    except BootFailed as failure:
        sys.exit(f'vmscope: the demo did not boot: {failure} (see console.log '
                 'and qemu.log in the output folder)')
    except KeyboardInterrupt:
        sys.exit('vmscope: interrupted: QEMU was ended, nothing runs on')
