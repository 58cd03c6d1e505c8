"""Options: in --help, in man pages, and wherever a document shows a command.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re
import shutil
import subprocess

from common import (HELP_OPTION, OPTION, TOP, Skip, all_options, check, code,
                    command_lines, commands, help_of, nothing, options, pages,
                    read)

# What stands between a program's name and the end of what it is given.
SHOWN = re.compile(r'(?<![\w/.-])(?:\w+/|scripts/)?'
                   r'(vmscope|irqlog-analyze(?:\.py)?)((?: +[^\s|;`]+)*)')


def man_path(program, words):
    return os.path.join('docs', 'man', '-'.join([program, *words]) + '.1')


def man_text(program, words):
    """A man page's source, with plain hyphens and without its fonts."""
    path = man_path(program, words)
    check(os.path.exists(os.path.join(TOP, path)), f'there is no {path}')
    return read(path).replace('\\-', '-')


def man_options(program, words):
    """Those that have an entry of their own."""
    text = man_text(program, words)
    begin = text.index('\n.SH OPTIONS')
    end = text.index('\n.SH', begin + 1)
    tags = [line for line in text[begin:end].split('\n')
            if re.match(r'\.[BI]+R? ["\\ ]*-', line)]
    return set(OPTION.findall('\n'.join(tags)))


def test_man_has_every_option():
    for program, words in command_lines():
        missing = options(program, *words) - man_options(program, words)
        nothing(sorted(missing), f'not in {man_path(program, words)}')


def test_man_has_no_other_option():
    for program, words in command_lines():
        extra = man_options(program, words) - options(program, *words)
        nothing(sorted(extra), f'only in {man_path(program, words)}')


def test_man_has_every_short_option():
    for program, words in command_lines():
        text = man_text(program, words)
        missing = [f'-{short} (--{name})' for short, name
                   in HELP_OPTION.findall(help_of(program, *words))
                   if short and not re.search(rf'-{short}"?,? .*--{name}\b',
                                              text) and name != 'help']
        nothing(missing, f'not in {man_path(program, words)}')


def test_main_page_names_commands():
    text = man_text('vmscope', ())
    nothing([name for name in commands() if f'vmscope-{name} (1)' not in text],
            'not in docs/man/vmscope.1')


def test_man_pages_are_clean():
    if not shutil.which('groff'):
        raise Skip('there is no groff')
    for program, words in [('vmscope', ()), *command_lines()]:
        path = os.path.join(TOP, man_path(program, words))
        result = subprocess.run(['groff', '-man', '-ww', '-z', '-Kutf8', path],
                                stderr=subprocess.PIPE, text=True, timeout=60,
                                check=False)
        check(result.returncode == 0 and not result.stderr,
              f'{path}: {result.stderr}')


def shown_commands():
    """(page, program, words, options) of each command line in the pages."""
    for page in pages():
        for program, rest in SHOWN.findall(code(read(page))):
            program = program.replace('.py', '')
            words = ()
            first = rest.split()[:1]
            if program == 'vmscope' and first and first[0] in commands():
                words = (first[0],)
            # behind -- stands somebody else's command
            yield page, program, words, OPTION.findall(
                rest.partition(' -- ')[0])


def test_pages_show_no_other_option():
    wrong, seen = [], 0
    for page, program, words, given in shown_commands():
        known = options(program, *words)
        if program == 'vmscope' and not words:
            known |= all_options()
        seen += len(given)
        wrong += [f"{page}: {' '.join([program, *words])} --{name}"
                  for name in given if name not in known]
    check(seen > 20, f'only {seen} options are shown: are they found?')
    nothing(wrong, 'no such option')


def test_pages_show_no_other_command():
    wrong = []
    for page in pages():
        for word in re.findall(r'^(?:\$ |build/)*vmscope ([a-z]+)',
                               code(read(page)), re.MULTILINE):
            if word not in commands() + ['help']:
                wrong.append(f'{page}: vmscope {word}')
    nothing(wrong, 'no such command')


def test_tool_page_shows_every_command():
    for page in ('docs/tools/vmscope.md', 'docs/ko/vmscope.md'):
        text = read(page)
        nothing([name for name in commands() if f'\n## {name}' not in text],
                f'no section in {page}')
