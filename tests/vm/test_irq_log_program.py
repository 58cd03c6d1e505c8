"""The log's real code without a machine: threads outside the big lock,
handlers that longjmp(), objects freed and renamed, coroutines.

The program is qemu/files/tests/vmscope/test-irq-log.c, built in QEMU's tree.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import subprocess

from harness import QEMU, Skip

PROGRAM = 'tests/vmscope/test-irq-log'


def test_program():
    build = os.path.dirname(os.path.realpath(QEMU))
    if not os.path.exists(os.path.join(build, 'build.ninja')):
        raise Skip(f'{QEMU} is not in its build folder')
    made = subprocess.run(['ninja', '-C', build, PROGRAM], timeout=900,
                          capture_output=True, text=True)
    if 'unknown target' in made.stdout + made.stderr:
        raise Skip('it is for QEMU 10.0 and newer')
    assert made.returncode == 0, made.stdout + made.stderr
    done = subprocess.run([os.path.join(build, PROGRAM)], timeout=300,
                          capture_output=True, text=True)
    cases = [line for line in done.stdout.splitlines()
             if line.startswith('ok ')]
    assert done.returncode == 0 and len(cases) >= 6, \
        done.stdout + done.stderr
