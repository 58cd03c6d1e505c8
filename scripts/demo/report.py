#!/usr/bin/env python3
"""Tell what a demo boot's IRQ log says, for a person, in 80 columns.

Asks irqlog-analyze for counts and for a few events by name, adds what the
boot itself tells (run.json, console.log), prints a page and keeps it in
summary.txt with irqlog-analyze's own, longer summary below it.

It leaves to others: booting (demo.py), counting and naming (irqlog-analyze).

SPDX-License-Identifier: GPL-2.0-or-later
"""

import argparse
import json
import os
import re
import subprocess
import sys

WIDTH = 79
LINES = 8           # busiest lines shown


class Analyzer:
    """irqlog-analyze on one log, with the emulator's symbols."""

    def __init__(self, program, binary, log):
        self._command = [program, '--binary', binary]
        self._log = log

    def run(self, *options):
        command = [*self._command, *options, self._log]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, errors='replace',
                              check=False)
        if done.returncode:
            sys.exit(f'vmscope: {" ".join(command)} ended with '
                     f'{done.returncode}: its message above says why')
        return done.stdout

    def summary(self, *options):
        return json.loads(self.run('--summary', '--json', '--top', '0',
                                   *options))

    def first_block(self, *options):
        """The first event that matches, as a block of lines, or ''."""
        command = [*self._command, '--no-raw', *options, self._log]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, errors='replace',
                              stderr=subprocess.DEVNULL) as process:
            block = []
            for line in process.stdout:
                if block and line.startswith('- '):
                    break
                block.append(line.rstrip())
            process.terminate()
        return '\n'.join(block).rstrip()


def cut(text, width):
    return text if len(text) <= width else text[:width - 3] + '...'


def share(part, whole):
    return f'{100 * part / whole:.1f} %' if whole else '-'


def source_place(place):
    """As below QEMU's own tree: hw/char/serial.c:142."""
    if not place:
        return ''
    place = re.sub(r'^.*/qemu-src/[^/]+/', '', os.path.normpath(place))
    return place.removeprefix('../' * 9).lstrip('./')


def headline(run, total, guest_msi):
    status = run['status']
    why = f" ({run['reason']})" if run['reason'] else ''
    rows = [
        ('guest', f"Debian's Linux {run['kernel']}, q35, 2 vCPUs"),
        ('run by', run['accel'].upper() + why),
        ('time', f"{run['boot-seconds']} s from power-on to power-off"),
        ('interrupts', f"{status['recorded']:,} recorded, "
                       f"{status['overwritten']:,} overwritten, "
                       f"{status['text-lost']:,} lost in the text"),
        ('rate', f"{total['per-second']:,.0f} a second over "
                 f"{total['duration-ns'] / 1e9:.1f} s"),
        ('on wires', f"{total['wired']:,} "
                     f"({share(total['wired'], total['events'])}), of which "
                     f"{share(total['unchanged'], total['wired'])} changed no "
                     'level'),
        ('fan-out', f"{total['nested']:,} "
                    f"({share(total['nested'], total['events'])}) were raised "
                    'inside another'),
        ('messages', f"{total['messages']:,} MSI "
                     f"({share(total['messages'], total['events'])})"
                     + (f'; the guest counted {guest_msi:,}'
                        if guest_msi else '')),
    ]
    return [f'  {name:<11} {cut(text, WIDTH - 14)}' for name, text in rows]


def busiest(outer):
    places = {c['function']: c.get('place') for c in outer['callers']}
    rows = ['    events  a second  line, and who raised it most']
    lines = sorted(outer['lines'], key=lambda line: -line['events'])
    for line in lines[:LINES]:
        rows.append(f"{line['events']:10,} {line['per-second']:9,.0f}  "
                    + cut(line['label'], WIDTH - 22))
        for caller in line['callers'][:2]:
            by = cut(caller['function'], 46)
            part = share(caller['events'], line['events'])
            rows.append(f'                      {part:>7} by {by}')
            place = source_place(places.get(caller['function']))
            if place:
                rows.append(f'                              in {place}')
    return rows


def threads(total):
    rows = []
    for thread in sorted(total['threads'], key=lambda t: -t['events']):
        name = thread.get('thread-name') or '?'
        rows.append(f"{thread['events']:10,}  "
                    f"{share(thread['events'], total['events']):>7}  {name} "
                    f"(host thread {thread['host-tid']})")
    return rows


def guest_messages(console):
    """What the guest's /proc/interrupts says of its PCI-MSI lines."""
    total = 0
    for row in re.findall(r'^ *\d+:((?: +\d+)+) +PCI-MSI', console, re.M):
        total += sum(map(int, row.split()))
    return total


def examples(analyzer, outer):
    lines = sorted(outer['lines'], key=lambda line: -line['events'])
    wired = [line['path'] for line in lines if line['kind'] != 'msi'
             and line['path'] != '(anonymous)']
    wanted = [('One of them: the disk has data',
               ['--kind', 'msi', '--path', '*/disk*'])]
    if wired:
        # a path may hold what a pattern would take for its own; half-way, the
        # guest is at work
        glob = re.sub(r'([\[\]*?\\])', r'?', wired[0])
        half = outer['duration-ns'] // 2
        wanted.append(('Another: the busiest wire',
                       ['--outermost', '--path', glob, '--since',
                        f'+{half}ns']))
    for title, options in wanted:
        block = analyzer.first_block(*options)
        if block:
            yield title, block


def section(title, rows):
    return ['', title, '-' * len(title), *rows]


def page(args, analyzer, run):
    total = analyzer.summary()
    outer = analyzer.summary('--outermost')
    with open(os.path.join(args.out, 'console.log'), encoding='utf-8',
              errors='replace') as file:
        guest_msi = guest_messages(file.read())
    text = section('Every interrupt of one boot',
                   headline(run, total, guest_msi))
    text += section('Busiest lines, fan-out left out', busiest(outer))
    text += section('Which host thread raised them', threads(total))
    for title, block in examples(analyzer, outer):
        text += section(title, block.splitlines())
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--analyze', required=True, metavar='PROGRAM')
    parser.add_argument('--qemu', required=True)
    parser.add_argument('--out', required=True, metavar='FOLDER')
    args = parser.parse_args()
    with open(os.path.join(args.out, 'run.json'), encoding='utf-8') as file:
        run = json.load(file)
    analyzer = Analyzer(args.analyze, args.qemu,
                        os.path.join(args.out, 'irq.log'))
    text = '\n'.join(page(args, analyzer, run)) + '\n'
    print(text)
    with open(os.path.join(args.out, 'summary.txt'), 'w',
              encoding='utf-8') as file:
        file.write(text + '\n\n' + analyzer.run('--summary', '--top', '20'))


if __name__ == '__main__':
    main()
