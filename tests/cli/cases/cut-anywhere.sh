# A log cut after every byte: whole events come out, nothing else changes, and
# no cut is worse than exit 1, which only a cut inside the first line is.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

python3 - "$LOGS/page.log" << 'END'
import os
import re
import subprocess
import sys

log = open(sys.argv[1], 'rb').read()


def run(data):
    done = subprocess.run([os.environ['ANALYZE'], '--no-raw'], input=data,
                          capture_output=True, check=False)
    return done.returncode, done.stdout


wrong = 0
for n in range(len(log) + 1):
    cut = log[:n]
    code, out = run(cut)
    least = len(re.findall(rb'^         host-tid=.*\n', cut, re.M))
    most = len(re.findall(rb'^         host-tid=.* caller=0', cut, re.M))
    shown = out.count(b'- time=')
    if (code > 1 or (code and b'\n' in cut) or shown > most
            or (shown < least and n)):
        print(f'cut at {n}: exit {code}, {shown} events')
        wrong += 1
print(f'wrong: {wrong} of {len(log) + 1}')
print(out.decode(), end='')
END
