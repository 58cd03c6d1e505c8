"""QMP: what pages send exists, and what exists is explained.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import ast
import json
import re

from common import check, nothing, pages, read

SCHEMA = 'qemu/files/qapi/vmscope.json'
# Where the members of each type are explained, in both languages.
EXPLAINED = {
    'irq-log': ('IrqLogOptions', 'IrqLogQuery'),
    'sched-trace': ('WindowsSchedTraceOptions', 'WindowsSchedOverrides',
                    'WindowsSchedTraceQuery', 'WindowsSchedVcpu',
                    'WindowsSchedEntry', 'WindowsSchedTraceStatus',
                    'WindowsSchedOffset', 'WindowsSchedDetection',
                    'WindowsKernelFile', 'WindowsModule', 'WindowsModules',
                    'WindowsProcess', 'WindowsProcesses',
                    'WindowsProfile', 'WindowsProfileSample'),
}
EXAMPLE = re.compile(r'\{"execute":')


def schema():
    """Definitions by name; the language is a Python literal by design."""
    text = re.sub(r'^\s*#.*$', '', read(SCHEMA), flags=re.MULTILINE)
    found = {}
    while text.strip():
        depth = 0
        for at, letter in enumerate(text):
            depth += letter in '{[' or -(letter in '}]')
            if letter == '}' and depth == 0:
                break
        item = ast.literal_eval(re.sub(r'\btrue\b', 'True', text[:at + 1])
                                .strip())
        text = text[at + 1:]
        found[next(iter(item.values()))] = item
    return found


def members(definitions, data):
    if isinstance(data, str):
        item = definitions[data]
        data = {**definitions.get(item.get('base'), {}).get('data', {}),
                **item['data']}
    return {name.lstrip('*'): kind for name, kind in data.items()}


def wrong_members(definitions, data, given, where):
    known = members(definitions, data)
    for name, value in given.items():
        kind = known.get(name)
        if kind is None:
            yield f'{where}.{name}'
        elif isinstance(value, dict):
            yield from wrong_members(definitions, kind, value,
                                     f'{where}.{name}')


def examples():
    """Of all pages: what is sent, and where it stands."""
    for page in pages():
        text = read(page)
        for match in EXAMPLE.finditer(text):
            value, _ = json.JSONDecoder().raw_decode(text[match.start():])
            yield page, value


def test_examples_are_valid():
    definitions = schema()
    wrong, seen = [], 0
    for page, sent in examples():
        name = sent['execute']
        if name == 'qmp_capabilities':
            continue                    # QEMU's own, and where pages begin
        if name not in definitions:
            wrong.append(f'{page}: {name}')
            continue
        seen += 1
        wrong += [f'{page}: {w}' for w in wrong_members(
            definitions, definitions[name].get('data', {}),
            sent.get('arguments', {}), name)]
    check(seen > 5, f'only {seen} examples were found')
    nothing(wrong, 'no such command or member')


def names_in(text):
    """What stands in backticks, with `a-...` for all that begin with a-."""
    return set(re.findall(r'`([^`\n]+)`', text))


def told(name, said):
    return any(name == word or (word.endswith('...') and
                                name.startswith(word[:-3])) for word in said)


def test_members_are_explained():
    definitions = schema()
    for page, types in EXPLAINED.items():
        for path in (f'docs/{page}.md', f'docs/ko/{page}.md'):
            said = names_in(read(path))
            for kind in types:
                check(kind in definitions, f'there is no {kind}')
                nothing([name for name in members(definitions, kind)
                         if not told(name, said)],
                        f'{kind} is not told of in {path}')


def test_states_and_standings_are_explained():
    definitions = schema()
    for path in ('docs/sched-trace.md', 'docs/ko/sched-trace.md'):
        said = names_in(read(path))
        for kind in ('WindowsSchedTraceState', 'WindowsOffsetStanding',
                     'WindowsOffsetSource', 'WindowsSchedTraceMode'):
            nothing([name for name in definitions[kind]['data']
                     if name not in said], f'{kind} is not told of in {path}')


def test_lines_are_short_enough_for_qemu():
    """QEMU 10.2 builds with no line of documentation beyond 70 characters."""
    nothing([f'{SCHEMA}:{number}'
             for number, line in enumerate(read(SCHEMA).splitlines(), 1)
             if line.startswith('#') and len(line) > 70],
            'documentation lines longer than 70 characters')
