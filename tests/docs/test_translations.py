"""Messages: each is translated, and its translation takes the same values.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re
import shutil
import subprocess
import tempfile
import unicodedata

from common import TOP, Skip, check, read

# What xgettext takes messages from, in the words of po/keywords.
CALLS = re.compile(r'(?<![\w"])(_|N_|message|warn|err_set|err_prefix|'
                   r'options_refuse|options_wrong)\(\s*[^)]*"')


def languages():
    return read('po/LINGUAS').split()


def run(*words):
    """Output and complaints of one of gettext's programs."""
    if not shutil.which(words[0]):
        raise Skip(f'there is no {words[0]}')
    done = subprocess.run(words, cwd=TOP, capture_output=True, text=True,
                          timeout=120, check=False,
                          env={**os.environ, 'LC_ALL': 'C.UTF-8'})
    return done.returncode, done.stdout + done.stderr


def sources():
    """Those that say something."""
    for top in ('core', 'tools'):
        for folder, _, names in os.walk(os.path.join(TOP, top)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), TOP)
                if name.endswith('.c') and CALLS.search(read(path)):
                    yield path


def template(folder):
    """The messages that are in the sources now."""
    path = os.path.join(folder, 'vmscope.pot')
    code, text = run('xgettext', '--from-code=UTF-8', *sources(),
                     *read('po/keywords').split(), '-o', path)
    check(code == 0, text)
    return path


def test_every_message_is_translated():
    with tempfile.TemporaryDirectory() as folder:
        path = template(folder)
        for language in languages():
            # untranslated and fuzzy ones are complained of
            code, text = run('msgcmp', f'po/{language}.po', path)
            check(code == 0, text)


def test_values_agree():
    for language in languages():
        code, text = run('msgfmt', '--check', '-o', os.devnull,
                         f'po/{language}.po')
        check(code == 0, text)


def columns(line, cell=r'\S+(?: \S+)*'):
    """Of the cells of a table's head: (begin, end), as a terminal has them."""
    found = []
    for cell in re.finditer(cell, line):
        begin = width(line[:cell.start()])
        found.append((begin, begin + width(cell.group())))
    return found


def words(line):
    """The same of its words: some columns have one blank between them."""
    return columns(line, r'\S+')


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1
               for c in text)


def entries(language):
    """(msgid, msgstr) of each."""
    text = read(f'po/{language}.po')
    for one in re.finditer(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', text,
                           re.MULTILINE):
        yield tuple(''.join(re.findall(r'"(.*)"\n?', part))
                    .replace('\\n', '\n') for part in one.groups())


def test_heads_stand_above_their_columns():
    """Characters of double width do not shift a table's heads."""
    for language in languages():
        seen = 0
        for plain, translated in entries(language):
            for old, new in zip(plain.split('\n')[-2:],
                                translated.split('\n')[-2:]):
                if not re.search(r'\S {3,}\S', old) or '%' in old:
                    continue
                seen += 1
                there = words(new)
                for begin, end in set(columns(old)) & set(words(old)):
                    check(any(begin == first or end == last
                              for first, last in there),
                          f'"{old[:end].split()[-1]}": nothing of "{new}" '
                          f'stands there')
        check(seen >= 20, f'only {seen} heads of tables were found')
