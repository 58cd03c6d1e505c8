"""Text that people see is marked for translation, or here with a reason.

Whatever of tools/ is a sentence, or goes to people's eyes as a word, stands
in _() or N_(), or in an argument that po/keywords names.  A plain
printf("Hello") in a command fails here.  What programs read stays English,
and so is not marked: that is told by the file it stands in, or by the
function it is given to.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re

from common import TOP, check, nothing, read

TOKEN = re.compile(r'''
    /\*.*?\*/ | //[^\n]* | ^\#(?:[^\n\\]|\\.)*$
  | (?P<text>"(?:[^"\\\n]|\\.)*") | '(?:[^'\\]|\\.)+'
  | (?P<word>[A-Za-z_]\w*) | (?P<mark>[][(){},;=?:])
''', re.VERBOSE | re.DOTALL | re.MULTILINE)

# What a printf makes of values, and what a terminal takes as commands.
NO_WORDS = re.compile(r'%[-+ 0#]*(?:\*|\d+)?(?:\.(?:\*|\d+))?'
                      r'(?:hh|h|ll|l|z|j|t)?[diouxXeEfgGcspn%]'
                      r'|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[0-7]{1,3}[\[m0-9;]*'
                      r'|\\.')
WORD = re.compile(r"[A-Za-z][A-Za-z']{1,}")

# Whatever they are given is shown to people.
SHOW = {'printf', 'fprintf', 'puts', 'fputs', 'perror', 'out_text',
        'out_printf', 'out_safe', 'page_line', 'addstr', 'mvaddstr',
        'printw', 'mvprintw', 'dprintf', 'vprintf', 'findings_add',
        'put_heading', 'put_rest', 'write_heading', 'write_chosen',
        'write_fact', 'why_wrap'}

# Their arguments that are names: of a check of doctor's.
NAMES = {('findings_add', 3), ('findings_add', 2)}

# Functions whose texts are names in formats, of files, of QEMU's members.
DATA = re.compile(r'^(jsonout_\w+|json_\w+|qmp_\w+|str(n?case)?n?cmp|strstr|'
                  r'str[cp]?spn|strpbrk|strchr|strn?cat|strftime|sscanf|fopen|'
                  r'open|access|readlink|popen|getenv|setenv|setlocale|'
                  r'format|printf_like|static_assert|_Static_assert|'
                  r'proto_\w+|csv_\w+|attribute|__attribute__|section|'
                  r'memcmp|memmem|doctor_ask|doctor_answer|dlsym|dlopen)$')

# Files that only write what programs read, and what they are called.
DATA_FILES = re.compile(
    r'/(json|csv|proto|perfetto|perfetto-who|html|summary-json|view-json|'
    r'jsonout|bundle|why-json|'
    r'view-block|'          # its words are promised: docs/formats/
    r'device-label|'        # a device is called the same in every output
    r'attach/monitor|attach/registers|'     # words of QEMU's monitor
    r'attach/status)\.c$')  # answers as QEMU gives them, in English

# Words that stay: names of things, units, and Windows' own.
TERMS = {'CPU', 'DPC', 'GiB', 'Hz', 'IRQ', 'IRQL', 'JSON', 'KVM', 'KiB',
         'MSI', 'MiB', 'PID', 'PRI', 'QEMU', 'QMP', 'SW', 'TID', 'UTC',
         'Windows', 'cpu', 'irq', 'kHz', 'ms', 'ns', 'tid', 'us', 'vCPU',
         'vmscope'}

# A command, or examples of command lines, which people copy.
EXAMPLE = re.compile(r'^(  (vmscope|irqlog-analyze) |vmscope \w+$)')

ALLOWED = {
    # what files of other kinds begin with
    'tools/vmscope/shared/file-kind.c': {
        'irq-log: ', '<!doctype html', '<!DOCTYPE html'},
    # written by a signal handler
    'tools/vmscope/source/dump-file.c': {
        'vmscope: the memory image became shorter while it was read, or '
        'cannot be read\\n'},
    # goes into the recording
    'tools/vmscope/record/record.c': {'%s%s(from outside)'},
    # lines of the log's text format, and of irqlog-analyze's blocks
    'tools/vmscope/irq/irq.c': {'         inner-calls=%u\\n'},
    'tools/irqlog-analyze/symbols.c': {
        '(unknown)', ' at ', '\\n   (inlined by) '},
    # labels of lines, the same in every output
    'tools/vmscope/irq/drivers.c': {'%s by %s'},
    'tools/vmscope/shared/trace-who.c': {'process %u', 'process at %#u'},
    'tools/vmscope/irq/rates.c': {'%s driven by %s', '%s for %s'},
    # Windows' own numbers, as Windows' names beside them
    'tools/vmscope/report/format.c': {'reason %u'},
    # names that Windows has, and bytes to try a code page with
    'tools/vmscope/shared/windows-name.c': {
        'Windows 7 SP1', 'Windows Server 2022'},
    'tools/vmscope/shared/names.c': {'AZaz09. -_+('},
    # goes into recordings and JSON, too
    'tools/vmscope/shared/driver-names.c': {'%s by %s'},
    # options and operands, to be copied
    'tools/vmscope/record/options.c': {'[-- COMMAND...]'},
    'tools/vmscope/ps/ps.c': {'--qmp %s', '--libvirt %s'},
}


def keyword_arguments():
    """{function: arguments that xgettext takes}."""
    found = {}
    for name, spec in re.findall(r'--keyword=(\w+):?([\d,]*)',
                                 read('po/keywords')):
        found.setdefault(name, set()).update(
            int(n) for n in (spec or '1').split(','))
    return found


def literals(source):
    """Each: its place, text, and calls around it from the inside out.

    The place is where it begins and ends; literals that stand side by side,
    with PRIu64 and its like in between, are one.  A call is the function and
    the number of the argument.
    """
    calls = []
    word = ''
    one = None              # [begin, end, text, calls], while it goes on
    for token in TOKEN.finditer(source):
        if token['text'] is not None:
            one = one or [token.start(), 0, '',
                          [tuple(call) for call in reversed(calls)]]
            one[1] = token.end()
            one[2] += token['text'][1:-1]
            continue
        if token['word'] and token['word'].startswith('PRI'):
            if one:
                one[1:3] = token.end(), one[2] + 'u'
            continue
        if not token['word'] and not token['mark']:
            continue        # a comment
        if one:
            yield tuple(one)
            one = None
        if token['mark'] == '(':
            calls.append([word, 1])
        elif token['mark'] in ('{', '['):
            calls.append([token['mark'] if word != '=' else '={', 1])
        elif token['mark'] in (')', '}', ']') and calls:
            calls.pop()
        elif token['mark'] == ',' and calls:
            calls[-1][1] += 1
        word = token['word'] or ('=' if token['mark'] == '=' else '')


def words_of(text):
    plain = NO_WORDS.sub(' ', text)
    return [word for word in WORD.findall(plain) if word not in TERMS]


def is_seen(text, calls):
    """Whether people would read it."""
    words = words_of(text)
    if not words or EXAMPLE.match(text):
        return False
    inner = next((name for name, _ in calls if re.match(r'\w', name)), '')
    if inner in SHOW:
        return (inner, dict(calls)[inner]) not in NAMES
    return ' ' in text      # elsewhere a sentence, or a part of one


def is_marked(calls, keywords):
    return any(argument in keywords.get(name, ())
               for name, argument in calls)


def unmarked(path, source, keywords):
    if DATA_FILES.search(path):
        return
    for begin, _, text, calls in literals(source):
        if (is_marked(calls, keywords) or not is_seen(text, calls) or
                any(DATA.match(name) for name, _ in calls) or
                text in ALLOWED.get(path, ())):
            continue
        line = source.count('\n', 0, begin) + 1
        yield f'{path}:{line}: "{text}"'


def sources():
    for folder, _, names in os.walk(os.path.join(TOP, 'tools')):
        for name in sorted(names):
            if name.endswith('.c'):
                yield os.path.relpath(os.path.join(folder, name), TOP)


def test_what_people_see_is_marked():
    keywords = keyword_arguments()
    found = [one for path in sources()
             for one in unmarked(path, read(path), keywords)]
    nothing(found, 'mark it with _() and give po/ko.po its translation, or '
            'say in test_unmarked.py why not')


def test_a_plain_text_is_noticed():
    """The check can fail: what it takes for a text, and what not."""
    keywords = keyword_arguments()
    for statement, noticed in (
            ('printf("Hello");', True),
            ('printf(_("Hello"));', False),
            ('fputs("Hello\\n", stderr);', True),
            ('out_printf(out, "%s: %" PRIu64 " lost\\n", name, n);', True),
            ('out_printf(out, _("%" PRIu64 " lost\\n"), n);', False),
            ('out_printf(out, "%s", lost ? "lost" : _("kept"));', True),
            ('snprintf(buf, size, "no vCPU ran");', True),
            ('page_line(page, LINE_PLAIN, "%6s %s", pid, name);', False),
            ('message("%s: %s", "a file", path);', True),
            ('message("nothing was found");', False),
            ('findings_add(f, GRADE_OK, "ring", NULL, _("a ring"));', False),
            ('static const char *const words[] = { "not known" };', True),
            ('static const char *const words[] = { N_("not known") };',
             False),
            ('jsonout_text(json, "a name", "a word");', False),
            ('/* printf("Hello") */', False)):
        source = 'static void f(void)\n{\n    ' + statement + '\n}\n'
        found = list(unmarked('tools/vmscope/x.c', source, keywords))
        check(bool(found) == noticed, f'{statement}: {found}')
