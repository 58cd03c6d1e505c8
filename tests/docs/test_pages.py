"""Pages: links lead somewhere, make targets exist, Korean ones are there.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re
import subprocess

from common import FENCED, TOP, check, code, nothing, pages, read

LINK = re.compile(r'\]\(([^)\s]+)\)')
# Pages that users read, and where each is in Korean.
KOREAN = {
    'README.md': 'docs/ko/README.md',
    'docs/building.md': 'docs/ko/building.md',
    'docs/exact-mode.md': 'docs/ko/exact-mode.md',
    'docs/guest.md': 'docs/ko/guest.md',
    'docs/irq-log.md': 'docs/ko/irq-log.md',
    'docs/libvirt.md': 'docs/ko/libvirt.md',
    'docs/sched-trace.md': 'docs/ko/sched-trace.md',
    'docs/slow.md': 'docs/ko/slow.md',
    'docs/tutorial.md': 'docs/ko/tutorial.md',
    'docs/tools/irqlog-analyze.md': 'docs/ko/irqlog-analyze.md',
    'docs/tools/vmscope.md': 'docs/ko/vmscope.md',
}


def anchor_of(heading):
    """As the usual web front ends make it of a heading."""
    text = re.sub(r'[`*]|\]\([^)]*\)|\[', '', heading.strip().lower())
    return re.sub(r'[^\w\- ]', '', text).replace(' ', '-')


def anchors(path):
    text = FENCED.sub('', read(path))
    return {anchor_of(h) for h in re.findall(r'^#+ (.*)$', text,
                                             re.MULTILINE)}


def test_links():
    wrong, seen = [], 0
    for page in pages():
        for target in LINK.findall(FENCED.sub('', read(page))):
            if re.match(r'[a-z]+:', target):
                continue
            seen += 1
            path, _, anchor = target.partition('#')
            path = os.path.normpath(os.path.join(os.path.dirname(page), path)
                                    if path else page)
            if not os.path.exists(os.path.join(TOP, path)):
                wrong.append(f'{page}: {target}')
            elif anchor and anchor not in anchors(path):
                wrong.append(f'{page}: {target} (no such heading)')
    check(seen > 20, f'only {seen} links were found')
    nothing(wrong, 'links to nothing')


def make_targets():
    """Those a person may call."""
    text = read('Makefile').replace('\\\n', ' ')
    return set(re.search(r'^\.PHONY:(.*)$', text, re.MULTILINE)[1].split())


def test_make_targets_exist():
    wrong = []
    told = {page: code(read(page)) for page in pages()}
    told['make help'] = read('scripts/setup/help')
    for page, text in told.items():
        wrong += [f'{page}: make {name}' for name in
                  re.findall(r'^make ([a-z][a-z-]*)', text, re.MULTILINE)
                  if name not in make_targets()]
    nothing(wrong, 'no such target')


def test_help_has_every_target():
    text = read('scripts/setup/help')
    short = {'check-' + name for name in re.findall(r'[ ,]-([a-z-]+)', text)}
    named = set(re.findall(r'^make ([a-z-]+)', text, re.MULTILINE)) | short
    nothing(sorted(make_targets() - named - {'all', 'help'}),
            'not told of by make help')


def test_korean_pages():
    nothing([ko for en, ko in KOREAN.items()
             if os.path.exists(os.path.join(TOP, en)) and
             not os.path.exists(os.path.join(TOP, ko))], 'missing')


def test_korean_pages_are_korean():
    for page in KOREAN.values():
        if os.path.exists(os.path.join(TOP, page)):
            text = FENCED.sub('', read(page))
            letters = len(re.findall(r'[가-힣]', text))
            check(letters > 300, f'{page} has {letters} Korean letters')


def test_no_folders_of_one_machine():
    wrong = []
    for page in pages():
        wrong += [f'{page}: {found}' for found in re.findall(
            r'/(?:work|root|mnt)/[\w./-]*', read(page))]
    nothing(wrong, 'folders of somebody in particular')


# Of a line that only a merge leaves; "=======" alone also underlines titles.
MARK = re.compile(rb'^(<{7}|>{7}|\|{7})( |$)', re.MULTILINE)


def tracked():
    """All files of the repository; without git, all below the top."""
    try:
        listed = subprocess.run(['git', 'ls-files', '-z'], cwd=TOP,
                                check=True, capture_output=True).stdout
        return [os.fsdecode(name) for name in listed.split(b'\0') if name]
    except (OSError, subprocess.CalledProcessError):
        pass    # not installed, or this is no clone
    return [os.path.relpath(os.path.join(folder, name), TOP)
            for folder, folders, names in os.walk(TOP)
            for name in names
            if not os.path.relpath(folder, TOP).startswith('build')]


def test_merge_marks():
    """They once stood in a header, inside a comment, so it compiled."""
    wrong, seen = [], 0
    for name in tracked():
        path = os.path.join(TOP, name)
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        seen += 1
        with open(path, 'rb') as file:
            mark = MARK.search(file.read())
        if mark:
            wrong.append(f'{name}: {mark[1].decode()}')
    check(seen > 100, f'only {seen} files were found')
    nothing(wrong, 'marks of a merge')
