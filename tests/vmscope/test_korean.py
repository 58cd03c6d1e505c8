"""Messages in Korean: help, errors and the screen; what programs read stays.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re
import shutil
import unicodedata

from guests import calm
from harness import (VMSCOPE, Skip, Terminal, check, fake, folder, same,
                     vmscope, wait_for)

# Every Debian has the files of this locale; those of Korea's need not be
# there, and its name is all that messages depend on.
PLAIN = '/usr/lib/locale/C.utf8'


def korean():
    """An environment for it."""
    built = os.path.join(os.path.dirname(os.path.realpath(VMSCOPE)), '..',
                         '..', 'po', 'ko', 'LC_MESSAGES', 'vmscope.mo')
    if not os.path.exists(built) and not shutil.which('msgfmt'):
        raise Skip('it was built without gettext')
    if not os.path.isdir(PLAIN):
        raise Skip(f'there is no {PLAIN}')
    places = folder()
    os.symlink(PLAIN, os.path.join(places, 'ko_KR.UTF-8'))
    return {'LOCPATH': places, 'LC_ALL': 'ko_KR.UTF-8'}


def test_help():
    env = korean()
    for words, wanted in ((('--help',), '사용법: vmscope COMMAND'),
                          (('help',), 'vCPU마다 누가 실행 중인지'),
                          (('top', '--help'), '스레드 대신 프로세스'),
                          (('doctor', '--help'), '종료 코드: 0 정상')):
        result = vmscope(*words, env=env)
        same((result.code, result.err), (0, ''), ' '.join(words))
        check(wanted in result.out, result.out)
        check('--' in result.out, 'options are gone')


def test_errors():
    env = korean()
    for words, code, wanted in (
            (('nonesuch',), 2, "'nonesuch'이라는 명령은 없습니다"),
            (('top', '--delay', '1ms', '--qmp', '/none'), 2,
             '너무 작습니다: 50ms에서 1h까지'),
            (('irq', '--qmp', '/none'), 1, '소켓이 없습니다'),
            (('report', '/dev/null/none'), 1, '열 수 없습니다')):
        result = vmscope(*words, env=env)
        same(result.code, code, ' '.join(words))
        check(wanted in result.err, result.err)


def test_json_is_english():
    """Programs read it: a sentence in it is the same everywhere."""
    world = calm()
    world.reason = 'a sentence of QEMU'
    result = vmscope('top', '-d', '50ms', '--json', '-n', '1', '--qmp',
                     fake(world).path, env=korean())
    same(result.code, 0, f'exit code ({result.err})')
    check(result.out.isascii() or '메모장' in result.out, result.out)
    same(json.loads(result.out)['state'], 'active', 'state')
    plain = vmscope('why', '--json', '--qmp', '/none')
    same(vmscope('why', '--json', '--qmp', '/none', env=korean()).out,
         plain.out, 'JSON')


def test_screen():
    terminal = Terminal('top', '--qmp', fake(calm(300)).path, '-d', '200ms',
                        env=korean())
    wait_for('threads', lambda: 'chrome.exe' in terminal.screen())
    terminal.keys('h')
    terminal.wait('프로세스별 트리')
    terminal.keys('h')
    terminal.wait('q 종료')
    terminal.keys('q')
    same(terminal.exit_code(), 0, 'exit code')


def test_other_languages_are_english():
    env = {**korean(), 'LC_ALL': 'C.UTF-8'}
    result = vmscope('top', '--help', env=env)
    check('Usage: vmscope top' in result.out, result.out)


def columns(line):
    """Of a row or a head: where its cells end on a terminal."""
    found = []
    for cell in re.finditer(r'\S+', line):
        found.append(sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1
                         for c in line[:cell.end()]))
    return found


def test_top():
    """Heads stand above their columns, and what the guest says stays."""
    result = vmscope('top', '-d', '50ms', '--batch', '-n', '1', '--qmp',
                     fake(calm()).path, env=korean())
    same(result.code, 0, f'exit code ({result.err})')
    lines = result.out.splitlines()
    head = next(line for line in lines if line.startswith('   PID'))
    row = next(line for line in lines if 'chrome.exe' in line and
               lines.index(line) > lines.index(head))
    check('스레드' in head and '상태' in head, head)
    same(columns(head)[:3], columns(row)[:3], 'ends of the first columns')
    check('사용 ' in result.out and '놓침 ' in result.out, result.out)
    same([word for word in ('busy', 'switches/s', 'missed', 'lost')
          if word in result.out], [], 'English words')


def test_doctor():
    """The verdict, grades and tables; every line fits 80 columns."""
    result = vmscope('doctor', '-v', '--wait', '1s', '--qmp',
                     fake(calm()).path, env=korean())
    check(result.code in (0, 1), f'exit code ({result.err})')
    check('인터럽트: ' in result.out and '오프셋 ' in result.out, result.out)
    for line in result.out.splitlines():
        check(not line or columns(line)[-1] <= 80, f'too wide: {line}')


def test_bundle_and_folded_are_english():
    """So is what goes into files."""
    bundle = os.path.join(folder(), 'bundle')
    world = calm()
    vmscope('doctor', '--wait', '1s', '--bundle', bundle, '--no-names',
            '--qmp', fake(world).path, env=korean())
    with open(bundle, encoding='utf-8') as file:
        text = file.read()
    check(text.isascii(), text)
    check('all commands are there' in text, text)
