#!/usr/bin/env python3
"""The straight way: a loop over the lines, and addr2line for each address.

  bench/analyze/baseline.py LOG

What one would write in an hour: regular expressions, a dictionary so that
addr2line runs once for each distinct address, the same blocks as output.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re
import subprocess
import sys

RUN = re.compile(r'irq-log: enabled .*exe=(\S+) load-base=0x([0-9a-f]+)')
CALLER = re.compile(r'         host-tid=(\d+) caller=0x([0-9a-f]+)')


class Names:
    def __init__(self):
        self.exe = None
        self.base = 0
        self.cache = {}

    def find(self, address):
        if address not in self.cache:
            self.cache[address] = self.ask(address)
        return self.cache[address]

    def ask(self, address):
        if not self.exe or self.exe == '/no/such/qemu':
            return ''
        out = subprocess.run(
            ['addr2line', '-f', '-i', '-e', self.exe,
             hex(address - 1 - self.base)],
            capture_output=True, text=True, check=False).stdout.split('\n')
        return f' -> {out[0]}\n   {out[1]}' if len(out) > 1 else ''


def main():
    names = Names()
    block = []
    for line in open(sys.argv[1], encoding='utf-8', errors='replace'):
        run = RUN.match(line)
        if run:
            names.exe = run.group(1)
            names.base = int(run.group(2), 16)
        elif line.startswith('irq-log: time='):
            sys.stdout.write(''.join(f'    | {x}' for x in block))
            block = [line]
            print('- ' + line[9:], end='')
        elif line.startswith('         '):
            block.append(line)
            caller = CALLER.match(line)
            if caller:
                address = int(caller.group(2), 16)
                print(f'  tid={caller.group(1)} caller={address:#x}'
                      + names.find(address))
            else:
                print('  ' + line[9:], end='')


if __name__ == '__main__':
    main()
