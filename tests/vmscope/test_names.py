"""Names that a guest may choose, in everything that a live QEMU is shown by.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re
import subprocess

from fake_qmp import World, thread
from guests import LEFT, MS
from harness import (VMSCOPE, Terminal, check, environment, fake, folder, same,
                     vmscope)
from nasty import NAMES, as_utf8, harmful, unescape

LABELS = list(NAMES)
CALCULATOR = NAMES['code-page']         # in CP949


def world(names=None):
    """A process and a thread of each name take turns; so do lines."""
    world = World()
    begin = world.now_ns
    names = list(names or NAMES.values())
    people = [thread(4 * n, 4 * n + 2, name, as_utf8(name))
              for n, name in enumerate(names, 1)]
    for number in range(3000):
        at = begin + number * 2 * MS
        who = number % len(people)
        world.sched.add(at, vcpu=0, origin='poll', **people[who], **LEFT)
        text = as_utf8(names[who])
        world.irqs.add(at, level=1, depth=0, kind='hardware', path=text,
                       **{'host-tid': 100 + who, 'thread-name': text,
                          'irq-line': who, 'caller-addr': 0x1000 + who,
                          'caller-symbol': text, 'handler-symbol': text,
                          'driven-by': text, 'owner': text})
    world.name = as_utf8(NAMES['clear-screen'])
    return world


def run(command, *more, of=None, code=0, env=None):
    """Its output as bytes."""
    done = subprocess.run(
        [VMSCOPE, command, '--qmp', fake(of or world()).path, *more],
        capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
        env=environment(**(env or {})))
    same(done.returncode, code, f'exit code ({done.stderr})')
    check(b'Sanitizer' not in done.stderr, done.stderr)
    return done.stdout


def top(*more, **kwargs):
    return run('top', '-d', '50ms', '-n', '1', *more, **kwargs)


def clean(data):
    text = data.decode()            # it is UTF-8
    same(harmful(text), [], 'what is harmful in it')
    return text


def test_top_batch():
    """A row a thread, each with the whole name."""
    text = clean(top('--batch', env={'COLUMNS': '200'}))
    rows = re.findall(r'^ *\d+ +\d+ +8 \S.*$', text, re.M)
    same(len(rows), len(NAMES), 'rows')
    shown = [unescape(row) for row in rows]
    for label, name in NAMES.items():
        if label in ('many-marks', 'emoji'):    # laid out, not letter by letter
            continue
        check(any(b' ' + name + b': ' in row for row in shown),
              f'{label}: {name!r} is not in {text}')


def test_top_json():
    text = clean(top('--json'))
    found = json.loads(text)['threads']
    same(len(found), len(NAMES), 'threads')
    for who in found:
        name = NAMES[LABELS[who['unique-process-id'] // 4 - 1]]
        same(who['process-image'], as_utf8(name), 'image')
        same(who['thread-name'], as_utf8(name), 'thread')
        same(who.get('process-image-bytes'),
             None if name.isascii() else name.hex(), 'bytes')


def test_top_screen():
    for label in LABELS:
        terminal = Terminal('top', '-d', '50ms', '--qmp',
                            fake(world([NAMES[label]])).path)
        terminal.wait('100.0')
        terminal.keys('Space')
        screen = terminal.wait('paused')
        same(harmful(screen), [], label)
        same(sum('100.0' in line and '    4 ' in line
                 for line in screen.splitlines()), 1, f'{label}: {screen}')
        # What a terminal made of an escape sequence would be a colour.
        row = next(line for line in terminal.colours().splitlines()
                   if re.search(r'\b4 +6 +8 run', line))
        check('\x1b[31m' not in row, f'{label}: {row!r}')
        terminal.close()


def test_irq():
    lines = clean(run('irq', '-n', '60')).splitlines()
    check(all(re.match('irq-log: |         [a-z-]+=', line)
              for line in lines), f'{lines}')
    for entry in clean(run('irq', '-n', '60', '--json')).splitlines():
        found = json.loads(entry)
        name = as_utf8(NAMES[LABELS[found['irq-line']]])
        for key in ('path', 'thread-name', 'caller-symbol', 'driven-by'):
            same(found[key], name, key)
    text = clean(run('irq', '--summary', '-n', '1', '--top', '0'))
    shown = [unescape(line) for line in text.splitlines()]
    for label, name in NAMES.items():
        raw = as_utf8(name).encode()
        check(any(line.endswith(b' ' + raw) or line.endswith(b' ' + name)
                  for line in shown), f'{label} is not in {text}')
    for line in clean(run('irq', '--summary', '--json', '-n',
                          '1')).splitlines():
        json.loads(line)


def test_doctor():
    guest = world()
    guest.state = 'degraded'
    guest.reason = ' '.join(as_utf8(name) for name in NAMES.values())
    guest.offsets = [{'name': as_utf8(name), 'agreed-by': [as_utf8(name)],
                      'value': 8, 'source': as_utf8(name), 'standing':
                      as_utf8(name), 'doubt': as_utf8(name)}
                     for name in NAMES.values()]
    for more in ([], ['--json']):
        text = clean(run('doctor', *more, of=guest))
    json.loads(text)


def test_doctor_bundle():
    path = os.path.join(folder(), 'bundle.json')
    result = vmscope('doctor', '--qmp', fake(world()).path, '--bundle', path)
    same(result.code, 0, f'exit code ({result.err})')
    same(harmful(result.err), [], 'what it says is in it')
    with open(path, 'rb') as file:
        bundle = json.loads(clean(file.read()))
    for name in NAMES.values():
        check(as_utf8(name) in bundle['names'], f'{name}')


def test_messages():
    """A file's name is no better than a guest's."""
    for name in NAMES.values():
        if b'/' in name:
            continue
        path = os.path.join(folder().encode(), name)
        done = subprocess.run([VMSCOPE, 'report', path], check=False,
                              capture_output=True, env=environment())
        same(done.returncode, 1, f'{name}')
        same(harmful(done.stderr.decode()), [], f'{name}')
        same(done.stderr.count(b'\n'), 1, f'{name}')


def test_codepage():
    text = clean(top('--batch', '--codepage', 'CP949', of=world(
        [CALCULATOR, b'plain.exe', '메모장.exe'.encode()])))
    check(' 계산기.exe: ' in text and ' plain.exe: ' in text, text)
    found = json.loads(top('--json', '--codepage', 'CP949',
                           of=world([CALCULATOR])))['threads'][0]
    same(found['process-image'], '계산기.exe', 'image')
    same(found['process-image-bytes'], CALCULATOR.hex(), 'bytes')
    found = json.loads(top('--json', '--codepage', 'CP949', '--filter', '계산',
                           of=world([CALCULATOR, b'x.exe'])))['threads']
    same(len(found), 1, 'what the filter finds')
    # What is none stays what it was: half a character at the end.
    text = clean(top('--batch', '--codepage', 'CP949',
                     of=world([CALCULATOR[:5]])))
    check(' 계산\\xb1: ' in text, text)
    path = os.path.join(folder(), 'bundle.json')
    result = vmscope('doctor', '--qmp', fake(world([CALCULATOR])).path,
                     '--bundle', path, '--codepage', 'CP949')
    check('계산기.exe' in result.err, result.err)


def test_codepage_is_checked():
    for name, word in (('CP99999', 'iconv -l'), ('', 'iconv -l'),
                       ('CP949//IGNORE', 'iconv -l'), ('UTF-16', 'ASCII'),
                       ('EBCDIC-US', 'ASCII')):
        result = vmscope('top', '--qmp', '/nowhere', '--batch', '--codepage',
                         name)
        same(result.code, 2, f'{name}: exit code ({result.err})')
        check(word in result.err, result.err)


def test_every_codepage():
    """None makes a name too long, loses a byte or harms."""
    names = subprocess.run(['iconv', '-l'], capture_output=True, check=True)
    names = re.findall(rb'^([^/\s]+)//', names.stdout, re.M)
    tried = 0
    for codepage in ('CP949', 'CP932', 'CP936', 'CP950', 'BIG5-HKSCS',
                     'CP874', 'CP1251', 'CP1258', 'TSCII', 'GB18030',
                     'EUC-JISX0213', 'TCVN5712-1'):
        if codepage.encode() not in names and names:
            continue
        tried += 1
        of = world([bytes(range(0x80 + at, 0x80 + at + 15))
                    for at in range(0, 0x70, 15)])
        clean(top('--batch', '--codepage', codepage, of=of))
        for who in json.loads(clean(top('--json', '--codepage', codepage,
                                        of=of)))['threads']:
            same(len(who['process-image-bytes']), 30, 'bytes')
            check(who['process-image'], 'it has a name')
    check(tried > 3, 'there are code pages')


def test_raw_names():
    for label in ('escape', 'c1-csi', 'bidi-override', 'code-page'):
        name = NAMES[label]
        of = world([name])
        check(name in top('--batch', '--raw-names', of=of), label)
        check(name not in top('--batch', of=of), label)
        found = json.loads(top('--json', '--raw-names', of=of))
        same(found['threads'][0]['process-image'], as_utf8(name), label)
