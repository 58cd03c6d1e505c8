"""Real code without a machine: threads outside the big lock, handlers that
longjmp(), objects freed and renamed, coroutines; memory that goes away.

The programs are qemu/files/tests/vmscope/test-*.c, built in QEMU's tree.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import subprocess

from harness import QEMU, Skip


def run_program(name, least):
    program = f'tests/vmscope/{name}'
    build = os.path.dirname(os.path.realpath(QEMU))
    if not os.path.exists(os.path.join(build, 'build.ninja')):
        raise Skip(f'{QEMU} is not in its build folder')
    made = subprocess.run(['ninja', '-C', build, program], timeout=900,
                          capture_output=True, text=True)
    if 'unknown target' in made.stdout + made.stderr:
        raise Skip('it is for QEMU 10.0 and newer')
    assert made.returncode == 0, made.stdout + made.stderr
    done = subprocess.run([os.path.join(build, program)], timeout=300,
                          capture_output=True, text=True)
    cases = [line for line in done.stdout.splitlines()
             if line.startswith('ok ')]
    assert done.returncode == 0 and len(cases) >= least, \
        done.stdout + done.stderr


def test_program():
    run_program('test-irq-log', 11)


def test_guard():
    run_program('test-guard', 7)
