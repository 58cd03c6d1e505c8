#!/usr/bin/env python3
"""Run irqlog-analyze, the program that explains an IRQ log.

  scripts/irqlog-analyze.py [--pid PID] [--binary QEMU] [OPTION]... [LOG]

This only finds the program and becomes it: arguments, environment, input and
exit code are the program's, see --help.  It is looked for in what was built
around this script, beside it where it is installed, and in PATH.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import shutil
import sys

NAME = 'irqlog-analyze'

# Below each folder above this script.
PLACES = (
    os.path.join('build', NAME),
    os.path.join('build', 'core', 'tools', NAME, NAME),
    os.path.join('bin', NAME),
)


def is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def candidates():
    here = os.path.dirname(os.path.realpath(__file__))
    yield os.path.join(here, NAME)
    above = os.path.dirname(here)
    for place in PLACES:
        yield os.path.join(above, place)
    # installed as PREFIX/share/vmscope/scripts or PREFIX/libexec/vmscope
    for _ in range(3):
        above = os.path.dirname(above)
        yield os.path.join(above, 'bin', NAME)
    found = shutil.which(NAME)
    if found:
        yield found


def main():
    for path in candidates():
        if is_program(path):
            try:
                os.execv(path, [path] + sys.argv[1:])
            except OSError as error:
                print(f'{NAME}: {path} cannot be run: {error.strerror}',
                      file=sys.stderr)
                return 1
    print(f'{NAME}: the program is not built: run "make tools" in the '
          'checkout (or put it into PATH)', file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(main())
