"""What the tests of the documents share: pages, and what programs say.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import functools
import glob
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, '..', '..'))
BUILD = os.path.join(TOP, 'build')
PROGRAMS = {
    'vmscope': os.path.abspath(os.environ.get(
        'VMSCOPE', os.path.join(BUILD, 'vmscope'))),
    'irqlog-analyze': os.path.abspath(os.environ.get(
        'IRQLOG_ANALYZE', os.path.join(BUILD, 'irqlog-analyze'))),
}
OPTION = re.compile(r'(?<![\w-])--([a-z][a-z0-9-]*)')
FENCED = re.compile(r'^```.*?^```', re.MULTILINE | re.DOTALL)
HELP_OPTION = re.compile(r'^  (?:-(\w), |    )--([\w-]+)', re.MULTILINE)


class Skip(Exception):
    """This test cannot run here; says why."""


def check(good, why):
    if not good:
        raise AssertionError(why)


def nothing(found, what):
    """Of things that must not be there."""
    check(not found, f"{what}: {'; '.join(map(str, found))}")


def read(path):
    path = os.path.join(TOP, path)
    check(os.path.exists(path), f'there is no {path}')
    with open(path, encoding='utf-8') as file:
        return file.read()


def code(text):
    """What a page shows as code, whatever way, a line or a piece a line."""
    blocks = re.findall(r'^```\w*\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    text = FENCED.sub('', text)
    return '\n'.join([*blocks, *re.findall(r'^(?:    |\t)(.*)$', text,
                                           re.MULTILINE),
                      *re.findall(r'`([^`]+)`', text)])


def pages():
    """All documents, by their path below the top."""
    found = [os.path.join(TOP, name) for name in
             ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')]
    found += glob.glob(os.path.join(TOP, 'docs', '**', '*.md'),
                       recursive=True)
    found += glob.glob(os.path.join(TOP, 'data', '*.md'))
    return sorted(os.path.relpath(path, TOP) for path in found)


@functools.lru_cache(maxsize=None)
def help_of(program, *words):
    result = subprocess.run([PROGRAMS[program], *words, '--help'], text=True,
                            stdout=subprocess.PIPE, timeout=60, check=False)
    check(result.returncode == 0, f'{program} {words} --help fails')
    return result.stdout


def commands():
    """Of vmscope."""
    listed = help_of('vmscope').partition('\nCommands:\n')[2]
    found = re.findall(r'^  (\w+)  ', listed.partition('\n\n')[0],
                       re.MULTILINE)
    check(len(found) >= 7, f'vmscope lists only {found}')
    return found


def options(program, *words):
    return {name for _, name in HELP_OPTION.findall(help_of(program, *words))}


def all_options():
    """Of any command of vmscope."""
    return set().union(*(options('vmscope', name) for name in commands()))


def command_lines():
    """(program, words) for each of a program of ours that --help speaks of."""
    yield 'irqlog-analyze', ()
    for command in commands():
        yield 'vmscope', (command,)
