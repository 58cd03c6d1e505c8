"""vmscope report: its figures against the events, computed once more here.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import collections
import json
import os
import re
import unicodedata

from rig import (check, folder, make_trace, report, rows, same, vmscope)


def trace(**options):
    return make_trace(os.path.join(folder(), 't.vms'), **options)


def recompute(path, begin=None, end=None):
    """Times of threads, switches and moves, from the rows of the CSV."""
    who = {}
    since = {}
    last = {}
    time_ns = collections.Counter()
    switches = collections.Counter()
    moves = collections.Counter()
    idle_ns = 0
    events = rows(path)
    figures = report(path)
    begin = figures['begin-ns'] if begin is None else begin
    end = figures['end-ns'] if end is None else end

    def settle(vcpu, until):
        nonlocal idle_ns
        span = max(0, min(until, end) - max(since[vcpu], begin))
        if who[vcpu] == 'idle':
            idle_ns += span
        elif who[vcpu]:
            time_ns[who[vcpu]] += span

    for row in events:
        now = int(row['monotonic_ns'])
        if row['event'] == 'unknown':
            settle(row['vcpu'], now)
            who[row['vcpu']], since[row['vcpu']] = None, now
        if row['event'] != 'switch':
            continue
        vcpu = row['vcpu']
        key = 'idle' if row['idle'] == '1' else (row['pid'], row['tid'])
        if vcpu in who:
            settle(vcpu, now)
        who[vcpu], since[vcpu] = key, now
        if key != 'idle' and begin <= now < end:
            switches[key] += 1
            if last.get(key, vcpu) != vcpu:
                moves[key] += 1
        last[key] = vcpu
    for vcpu in who:
        settle(vcpu, end)
    return time_ns, switches, moves, idle_ns


def compare(path, *arguments):
    figures = report(path, *arguments)
    time_ns, switches, moves, idle_ns = recompute(
        path, figures['begin-ns'], figures['end-ns'])
    found = {(str(t['pid']), str(t['tid'])): t for t in figures['threads']}
    for key, thread in found.items():
        same(thread['time-ns'], time_ns[key], f'time of {key}')
        same(thread['switches'], switches[key], f'switches to {key}')
        same(thread['moves'], moves[key], f'moves of {key}')
    same(set(found), {key for key in time_ns if time_ns[key] or
                      switches[key]}, 'threads')
    same(figures['idle-ns'], idle_ns, 'idle time')
    return figures


def test_figures():
    for seed in range(1, 4):
        for options in ({}, {'lost': 1}, {'missed': 1}, {'vcpus': 1},
                        {'vcpus': 13, 'threads': 500}):
            figures = compare(trace(events=6000, seed=seed, **options))
            check(len(figures['threads']) > 5, 'there are threads')


def ready_waits(path):
    """From leaving a vCPU ready to coming back to any."""
    since = {}
    waits = []
    running = {}
    for row in rows(path):
        if row['event'] == 'unknown':
            since.clear()
            running[row['vcpu']] = None
        if row['event'] != 'switch':
            continue
        now = int(row['monotonic_ns'])
        old = row['old_thread_pointer']
        if old and old == running.get(row['vcpu']) and \
                row['old_state'] in ('1', '3', '7'):
            since[old] = now
        running[row['vcpu']] = row['thread_pointer']
        if row['thread_pointer'] in since:
            waits.append(now - since.pop(row['thread_pointer']))
    return [ns for ns in waits if ns]


def test_ready_waits():
    for seed in (1, 2):
        path = trace(events=6000, seed=seed)
        figures = report(path)['ready-to-running']
        waits = ready_waits(path)
        same((figures['count'], figures['sum-ns'], figures['max-ns']),
             (len(waits), sum(waits), max(waits)), 'waits')
    # where a thread may have run unseen, its wait is not counted
    path = trace(events=6000, missed=1)
    certain = report(path)['ready-to-running']['count']
    check(0 < certain < len(ready_waits(path)), f'{certain} waits')


def test_sums():
    """No time is counted twice, and none goes missing."""
    for options in ({}, {'lost': 1}, {'missed': 1, 'vcpus': 7}):
        figures = report(trace(events=20000, **options))
        span = figures['end-ns'] - figures['begin-ns']
        for vcpu in figures['vcpus']:
            same(vcpu['busy-ns'] + vcpu['idle-ns'] + vcpu['unknown-ns'], span,
                 f'time of vCPU {vcpu["vcpu"]}')
        same(sum(p['time-ns'] for p in figures['processes']),
             figures['busy-ns'], 'time of all processes')
        same(sum(t['time-ns'] for t in figures['threads']),
             figures['busy-ns'], 'time of all threads')
        for key in ('run-lengths', 'ready-to-running'):
            same(sum(b['count'] for b in figures[key]['buckets']),
                 figures[key]['count'], f'buckets of {key}')
        same(sum(m['count'] for m in figures['vcpu-moves']),
             figures['moves'], 'moves')
        same(sum(line['events'] for line in figures['lines']),
             figures['interrupts'], 'interrupts of all lines')


def test_spans():
    """Two halves make a whole; a span's figures are those of its events."""
    path = trace(events=20000)
    whole = report(path)
    half = (whole['end-ns'] - whole['begin-ns']) // 2
    first = report(path, '--until', f'{half}ns')
    second = report(path, '--since', f'{half}ns')
    for key in ('busy-ns', 'idle-ns', 'unknown-ns', 'switches', 'interrupts'):
        same(first[key] + second[key], whole[key], key)
    compare(path, '--since', f'{half}ns')
    compare(path, '--since', f'{half // 2}ns', '--until', f'{half}ns')
    nothing = report(path, '--since', '1h')
    same(nothing['switches'], 0, 'switches behind the end')


def test_storm():
    """The scene has one storm on one line, 40 ms from its beginning."""
    figures = report(trace(events=20000))
    stormy = [line for line in figures['lines'] if line['storms']]
    check(stormy, 'no storm was seen')
    for line in stormy:
        check(line['storm-events'] >= 100, f'{line}')
    check('Storms: 100 interrupts or more within 10 ms' in
          vmscope('report', trace(events=20000)).out, 'the text tells of it')


def nearest_runs(path, window):
    """Of each line: how often a thread ran within the window behind it."""
    idle_now = {}
    followed = collections.Counter()
    raised = collections.Counter()
    pending = []
    for row in rows(path):
        now = int(row['monotonic_ns'])
        if row['event'] == 'irq' and row['depth'] == '0' and \
                row['level'] != '0':
            raised[row['line']] += 1
            pending.append((row['line'], now))
        elif row['event'] == 'switch':
            key = row['thread_pointer']
            changed = idle_now.get(row['vcpu']) != key
            idle_now[row['vcpu']] = key
            if row['idle'] == '0' and changed:
                for line, then in pending:
                    followed[line] += now - then <= window
                pending = []
    return raised, followed


def test_interrupt_to_thread():
    path = trace(events=20000)
    for window in (50000, 1000000):
        figures = report(path, '--window', f'{window}ns')
        raised, followed = nearest_runs(path, window)
        for line in figures['lines']:
            key = str(line['line'])
            same(line['followed'] + line['not-followed'], raised[key],
                 f'raised by line {key}')
            same(line['followed'], followed[key], f'followed, of line {key}')


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else
               0 if unicodedata.combining(c) else 1 for c in line)


def test_text():
    path = trace(events=20000)
    text = vmscope('report', path).out
    for words in ('QEMU 10.0.2 running win11', 'Windows build 26100',
                  'chrome.exe: Compos', '렌더러', 'How long threads ran',
                  'What threads waited for', 'from\\to',
                  'From interrupt to thread', 'How far to trust this'):
        check(words in text, f'no "{words}"')
    short = vmscope('report', '--top', '3', path).out
    check('and 37 more threads' in short, short)
    check(len(short) < len(text), 'fewer lines')


def test_text_is_narrow_and_clean():
    for options in ({}, {'hostile': 1}, {'lost': 1}, {'missed': 1},
                    {'threads': 400, 'vcpus': 8}):
        text = vmscope('report', '--top', '0',
                       trace(events=20000, **options)).out
        wide = [line for line in text.splitlines() if width(line) > 80]
        check(not wide, f'{options}: {wide[:3]}')
        bad = re.findall('[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]', text)
        check(not bad, f'{options}: {bad[:3]}')


def test_loss_and_missing_are_told():
    text = vmscope('report', trace(events=20000, lost=1)).out
    check('50 LOST' in text and '20 LOST' in text, text)
    check('50 switches and 20 interrupts were lost' in text, text)
    text = vmscope('report', trace(events=20000, missed=1)).out
    check('switches that were not seen' in text, text)


def test_unknown_is_not_nought():
    """What was not recorded has no section instead of zeroes."""
    text = vmscope('report', trace(events=5000, irq=0)).out
    check('Interrupts' not in text and 'storms' not in text, text)
    text = vmscope('report', trace(events=5000, sched=0)).out
    check('Switches' not in text and ' vCPU ' not in text, text)


def test_unfinished():
    result = vmscope('report', trace(events=30000, end=0))
    check('was not finished' in result.err, result.err)
    check('It ended' not in result.out, result.out)


def test_json_is_valid():
    """Also with names that try to break it."""
    path = trace(events=5000, hostile=1)
    names = {t['image'] for t in report(path)['threads']}
    check('a"b\'c\\d' in names, f'{names}')
    check('</script><b>' in names, f'{names}')


def test_page_of_hostile_names():
    """No name ends an element of the page, or begins one."""
    page = vmscope('report', '--html', trace(events=5000, hostile=1)).out
    begin = page.index('<script id="report"')
    data = page[begin:page.index('<script>', begin)]
    body = data.replace('<script id=', '').replace('</script>', '')
    check('<' not in body, 'there is a < in the data')
    same(page.count('</script>'), 4, 'ends of scripts')
    text = data[data.index('>') + 1:data.index('</script>')]
    names = {t['image'] for t in json.loads(text)['threads']}
    check('</script><b>' in names, f'{names}')
    check('http://' not in page and 'https://' not in page, 'it is alone')


def test_output_file():
    path = trace(events=2000)
    out = os.path.join(folder(), 'out')
    for arguments in ([], ['--json'], ['--html']):
        vmscope('report', *arguments, '-o', out, path)
        with open(out, encoding='utf-8') as file:
            same(file.read(), vmscope('report', *arguments, path).out, 'file')
    result = vmscope('report', '-o', path, path, code=1)
    check('is the recording itself' in result.err, result.err)
    check(report(path)['switches'] > 0, 'it is untouched')
    result = vmscope('report', '-o', '/dev/full', path, code=1)
    check('No space left' in result.err, result.err)


def test_wrong_usage():
    path = trace(events=100)
    for arguments, words in (
            ([], 'give a recording'), ([path, path], 'give one recording'),
            (['--json', '--html', path], 'not both'),
            (['--since', '2s', '--until', '1s', path], '--until must be'),
            (['--since', 'x', path], "'x'"), (['--top', '-1', path], "'-1'"),
            (['--frobnicate', path], 'frobnicate')):
        result = vmscope('report', *arguments, code=2)
        check(words in result.err, f'{arguments}: {result.err}')


def test_impossible():
    for name in ('/nowhere/t.vms', folder(), '/dev/null'):
        result = vmscope('report', name, code=1)
        check(name in result.err, result.err)
