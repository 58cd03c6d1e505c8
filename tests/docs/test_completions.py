"""Completions: made for each shell, complete, and tried where it is there.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile

from common import (PROGRAMS, TOP, Skip, check, command_lines, commands,
                    help_of, nothing, options)

SCRIPT = os.path.join(TOP, 'scripts', 'setup', 'completions')
# What bash would do on the last of these words.
TRY_BASH = '''
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }
function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$function; printf '%s\\n' "${COMPREPLY[@]}"
'''


def made(shell, program):
    result = subprocess.run([SCRIPT, shell, PROGRAMS[program]], text=True,
                            stdout=subprocess.PIPE, timeout=60, check=False)
    check(result.returncode == 0, f'completions {shell} {program} fails')
    return result.stdout


def shell(name, *arguments):
    if not shutil.which(name):
        raise Skip(f'there is no {name}')
    result = subprocess.run([name, *arguments], text=True, timeout=60,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False)
    check(result.returncode == 0, f'{name}: {result.stdout}')
    return result.stdout


def with_file(text, name, use):
    with tempfile.TemporaryDirectory(prefix='vmscope-') as folder:
        path = os.path.join(folder, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return use(path)


def test_every_option_is_there():
    for name, spelled in (('bash', '--{}'), ('zsh', '--{}'), ('fish',
                                                              '-l {}')):
        for program, words in command_lines():
            text = made(name, program)
            nothing([option for option in sorted(options(program, *words))
                     if spelled.format(option) not in text],
                    f'not completed by {name} for {program} {words}')


def test_choices_are_those_of_help():
    loader = importlib.machinery.SourceFileLoader('completions', SCRIPT)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader('completions', loader))
    loader.exec_module(module)
    texts = [help_of(program, *words) for program, words in command_lines()]
    for option, words in module.CHOICES.items():
        of_option = [text for text in texts if f'--{option} ' in text]
        check(of_option, f'no command has --{option}')
        for text in of_option:
            said = text.partition(f'--{option} ')[2].partition('\n  -')[0]
            nothing([word for word in words
                     if not re.search(rf'\b{word}\b', said)],
                    f'--{option} does not take')


def bash_words(program, *words):
    """What bash offers for the last of the words."""
    return with_file(
        made('bash', program), program,
        lambda path: shell('bash', '-c', TRY_BASH, 'bash', path, program,
                           *words)).split()


def test_bash():
    check(set(commands()) <= set(bash_words('vmscope', '')), 'commands')
    check(bash_words('vmscope', 'do') == ['doctor'], 'vmscope do')
    for program, words in command_lines():
        offered = bash_words(program, *words, '--')
        nothing(sorted(options(program, *words) -
                       {word[2:] for word in offered}), f'{program} {words}')
    check(bash_words('vmscope', 'top', '--sort', 's') == ['switches'],
          'vmscope top --sort s')
    check(bash_words('vmscope', 'top', '--sort', '=', 'p') == ['pid'],
          'vmscope top --sort=p')
    check(bash_words('vmscope', 'report', SCRIPT[:-3]) == [SCRIPT],
          'vmscope report FILE')
    check(bash_words('irqlog-analyze', '--kind', 'm') == ['msi'],
          'irqlog-analyze --kind m')


def test_zsh():
    for program in PROGRAMS:
        with_file(made('zsh', program), f'_{program}',
                  lambda path: shell('zsh', '-n', path))


def test_fish():
    text = made('fish', 'vmscope')

    def offered(line):
        said = with_file(text, 'vmscope.fish', lambda path: shell(
            'fish', '-N', '-c', f'source {path}; complete -C "{line}"'))
        return {row.split('\t')[0] for row in said.splitlines() if row}

    check(offered('vmscope ') == set(commands()), 'commands')
    check(offered('vmscope top --so') == {'--sort'}, 'vmscope top --so')
    check('csv' in offered('vmscope export --format '), '--format')
