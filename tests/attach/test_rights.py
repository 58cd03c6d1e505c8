"""Who may look at a QEMU from outside, and what is said to who may not.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import ctypes
import os
import shutil
import struct
import subprocess

from rig import Skip, VMSCOPE, check, environment, folder, same
from stock import Stock

NOBODY = 65534
SOMEBODY = 65533


def only_as_root():
    if os.geteuid():
        raise Skip('only root can become somebody else')


def look(guest, *arguments, before=(), user=NOBODY, code=1, **popen):
    """What vmscope top says to another user."""
    os.chmod(guest.folder, 0o755)
    done = subprocess.run(
        [*before, VMSCOPE, 'top', '--batch', '-n', '1', '-d', '1',
         *(arguments or ('--pid', str(guest.pid)))], capture_output=True,
        timeout=120, text=True, env=environment(), user=user, group=user,
        extra_groups=[], check=False, **popen)
    same(done.returncode, code, f'exit code ({done.stderr})')
    return done.stderr if code else done.stdout


def is_told(said, *words):
    check(all(word in said for word in words), said)
    # Once is enough.
    same(said.count('QEMU process'), 1, said)
    check(len(said.strip().splitlines()) == 1, said)


def test_another_user():
    only_as_root()
    guest = Stock(monitor=False)
    is_told(look(guest), 'it runs as user 0, and this as 65534',
            'run this as root, as user 0, or give it CAP_SYS_PTRACE')


def test_the_same_user():
    """No root is needed: neither by the monitor nor without."""
    only_as_root()
    guest = Stock(user=NOBODY, group=NOBODY, extra_groups=[])
    for arguments in ((), ('--qmp', guest.path)):
        text = look(guest, *arguments, code=0)
        check('Windows' in text, text)
    is_told(look(guest, user=SOMEBODY), 'it runs as user 65534')


def test_capability():
    """What the sentence says to do is enough."""
    only_as_root()
    if not shutil.which('capsh'):
        raise Skip('capsh is not installed')
    guest = Stock(monitor=False)
    done = subprocess.run(
        ['capsh', '--keep=1', f'--uid={NOBODY}', '--inh=cap_sys_ptrace',
         '--addamb=cap_sys_ptrace', '--', '-c',
         f'{VMSCOPE} top --batch -n 1 -d 1 --pid {guest.pid}'],
        capture_output=True, timeout=120, text=True, env=environment(),
        check=False)
    check(done.returncode == 0 and 'Windows' in done.stdout,
          f'{done.stdout}{done.stderr}')


def test_not_dumpable():
    """QEMU changed its user after it was started."""
    only_as_root()
    guest = Stock('-runas', 'nobody', monitor=False)
    is_told(look(guest), 'changed its user', 'run this as root')


def test_user_namespace():
    """A capability of a user namespace is none of the host."""
    only_as_root()
    guest = Stock(monitor=False)
    probe = subprocess.run(['unshare', '-Ur', 'true'], user=NOBODY,
                           group=NOBODY, check=False, capture_output=True)
    if probe.returncode:
        raise Skip('no user namespaces here')
    is_told(look(guest, before=['unshare', '-Ur']),
            'although this has CAP_SYS_PTRACE', 'user namespace alone',
            'root of the host')


# Without the call itself being refused, what the kernel would have refused
# cannot be tried where there is no Yama, AppArmor or container.

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, REFUSE = 0x7fff0000, 0x00050001          # with EPERM
PROCESS_VM_READV = 310


def refuse_reading():
    """In the child: a filter as a container's, which refuses the call."""
    code = b''.join(struct.pack('HBBI', *line) for line in (
        (0x20, 0, 0, 0),                        # load the call's number
        (0x15, 0, 1, PROCESS_VM_READV),
        (0x06, 0, 0, REFUSE),
        (0x06, 0, 0, ALLOW)))
    lines = ctypes.create_string_buffer(code, len(code))
    program = struct.pack('HxxxxxxP', len(code) // 8,
                          ctypes.addressof(lines))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
        os._exit(99)


def test_filtered():
    """A seccomp filter, to root, and to QEMU's own user."""
    only_as_root()
    guest = Stock(user=NOBODY, group=NOBODY, extra_groups=[])
    is_told(look(guest, user=0, preexec_fn=refuse_reading),
            'although this has CAP_SYS_PTRACE', 'seccomp filter')
    is_told(look(guest, preexec_fn=refuse_reading), 'is refused',
            'run this as root')


def test_yama():
    """Yama's setting is named where there is one."""
    only_as_root()
    guest = Stock(user=NOBODY, group=NOBODY, extra_groups=[])
    real = '/proc/sys/kernel/yama/ptrace_scope'
    if os.path.exists(real):
        with open(real, encoding='ascii') as file:
            if int(file.read()) == 0:
                raise Skip('Yama lets everybody look')
        is_told(look(guest), 'kernel.yama.ptrace_scope')
        return
    made = folder()
    os.mkdir(os.path.join(made, 'yama'))
    with open(os.path.join(made, 'yama', 'ptrace_scope'), 'w',
              encoding='ascii') as file:
        file.write('1\n')
    os.chmod(made, 0o755)
    script = (f'mount --bind {made} /proc/sys/kernel && '
              f'exec setpriv --reuid={NOBODY} --regid={NOBODY} '
              '--clear-groups "$@"')
    is_told(look(guest, user=0, preexec_fn=refuse_reading,
                 before=['unshare', '-m', '--propagation', 'private', 'sh',
                         '-c', script, 'sh']),
            'kernel.yama.ptrace_scope is 1', 'set it to 0')
