"""Messages in Korean: help, errors and the screen; what programs read stays.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import shutil

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
