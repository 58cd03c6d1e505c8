"""vmscope report: its figures against the events, computed once more here.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import collections
import json
import os
import re
import unicodedata

from rig import (Ring, check, folder, make_trace, report, rows, same,
                 script_trace, vmscope)


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


def test_since_beyond_the_end():
    """Nothing is no answer: how long the recording is."""
    path = trace(events=20000)
    whole = report(path)
    length = whole['end-ns'] - whole['begin-ns']
    page = os.path.join(folder(), 'page.html')
    for arguments in ([], ['--json'], ['--html', '-o', page],
                      ['--until', '2h']):
        for since in ('1h', f'{length}ns'):
            result = vmscope('report', '--since', since, *arguments, path,
                             code=1)
            same(result.out, '', 'output')
            check('--since' in result.err and
                  f'{length / 1e9:.3f} s long' in result.err, result.err)
    check(not os.path.exists(page), 'a page was begun')
    for way in ('csv', 'json', 'perfetto'):
        result = vmscope('export', '--format', way, '--since', '1h', path,
                         code=1, raw=True)
        check('s long' in result.err, result.err)
    # one that is still written, and one with nothing in it
    vmscope('report', '--since', f'{length - 1}ns', path)
    vmscope('report', trace(events=0))


def test_failure_keeps_the_old_file():
    """What failed leaves nothing, and the file that was there; links stay."""
    path = trace(events=100)
    place = folder()
    old = os.path.join(place, 'old')
    link = os.path.join(place, 'link')
    with open(old, 'w', encoding='ascii') as file:
        file.write('mine')
    os.symlink('old', link)
    for arguments in (['export', '--format', 'csv'], ['report', '--html']):
        vmscope(*arguments, '--since', '1h', '-o', link, path, code=1)
        with open(old, encoding='ascii') as file:
            same(file.read(), 'mine', f'{arguments}')
    vmscope('export', '--format', 'csv', '-o', link, path)
    check(os.path.islink(link), 'the link was replaced')
    check(os.path.getsize(old) > 1000, 'nothing was written')
    same(sorted(os.listdir(place)), ['link', 'old'], 'files')


def test_who_may_read_it():
    """A report has the guest's names, as the recording has: yours alone."""
    path = trace(events=100)
    place = folder()
    for number, arguments in enumerate(
            (['report'], ['report', '--json'], ['report', '--html'],
             ['export', '--format', 'csv'], ['export', '--format', 'json'],
             ['export', '--format', 'perfetto'])):
        out = os.path.join(place, str(number))
        vmscope(*arguments, '-o', out, path)
        same(os.stat(out).st_mode & 0o777, 0o600, f'mode of {arguments}')
        # one that is there already stays as its owner wants it
        os.chmod(out, 0o644)
        vmscope(*arguments, '-o', out, path)
        same(os.stat(out).st_mode & 0o777, 0o644, f'mode of {arguments}')


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
        # A name that is mostly escapes is not cut to make it fit.
        wide = [line for line in text.splitlines() if width(line) > 80
                and '\\x' not in line]
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
    check('Switches' not in text and '\n vCPU ' not in text, text)


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
    same(page.count('</script>'), 8, 'ends of scripts')
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


def test_other_kinds():
    """A file of another kind is called by name, with what reads it."""
    place = folder()
    path = trace(events=100)
    ring = Ring(events=1)
    made = {}
    for name, data in (('core', b'\x7fELF' + bytes(100)),
                       ('log', b'irq-log: enabled format=1\n'),
                       ('log.gz', b'\x1f\x8b\x08' + bytes(100)),
                       ('disk', b'QFI\xfb' + bytes(100)), ('empty', b''),
                       ('noise', bytes(range(200)))):
        made[name] = os.path.join(place, name)
        with open(made[name], 'wb') as file:
            file.write(data)
    for name, arguments in (('page', ['report', '--html']),
                            ('json', ['report', '--json']),
                            ('csv', ['export', '--format', 'csv'])):
        made[name] = os.path.join(place, name)
        vmscope(*arguments, '-o', made[name], path)
    for arguments, words in (
            (['report', ring.sched],
             f'vmscope record --sched-ring {ring.sched} -o'),
            (['export', '--format', 'csv', ring.irq],
             f'vmscope record --irq-ring {ring.irq} -o'),
            (['report', made['core']], f'vmscope image {made["core"]}'),
            (['report', made['log']], f'irqlog-analyze {made["log"]}'),
            (['report', made['log.gz']], 'gunzip'),
            (['report', made['page']], 'browser'),
            (['report', made['json']], 'JSON'),
            (['report', made['csv']], 'an export'),
            (['report', made['disk']], 'a disk'),
            (['report', made['empty']], 'empty'),
            (['report', made['noise']], 'not a recording'),
            (['image', path], f'vmscope report {path}'),
            (['image', ring.irq], '--irq-ring'),
            (['record', '-o', 'x', '--sched-ring', path],
             f'vmscope report {path}'),
            (['record', '-o', 'x', '--sched-ring', ring.irq],
             f'--irq-ring {ring.irq}'),
            (['record', '-o', 'x', '--irq-ring', ring.sched],
             f'--sched-ring {ring.sched}')):
        result = vmscope(*arguments, code=1, cwd=place)
        check(words in result.err, f'{arguments}: {result.err}')
        same(result.err.count('\n'), 1, f'lines of {result.err}')
    check(not os.path.exists(os.path.join(place, 'x')), 'a file was begun')
    # what it cannot be said of: no more than that it is none
    os.mkfifo(os.path.join(place, 'fifo'))
    vmscope('report', os.path.join(place, 'fifo'), code=1)


def test_host():
    """The host's side of vCPUs: sums, what is in a span, and old files."""
    path = script_trace(
        os.path.join(folder(), 't.vms'),
        'switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
        'host vcpu=0 from=0 ns=10000000 run=4000000 wait=5000000',
        'host vcpu=2 from=0 ns=10000000 run=0 wait=0',
        'host vcpu=0 from=10000000 ns=20000000 wait=12000000',
        'end ns=20000000')

    def host(*arguments):
        return [tuple(cpu.get(f'host-{key}ns') for key in
                      ('', 'run-', 'wait-', 'blocked-', 'longest-wait-'))
                for cpu in report(path, *arguments)['vcpus']]

    same(host(), [(20000000, 4000000, 17000000, 0, 12000000),
                  (10000000, 0, 0, 10000000, 0)], 'all')
    same(host('--until', '5ms'), [(5000000, 2000000, 2500000, 500000, 5000000),
                                  (5000000, 0, 0, 5000000, 0)], 'a span')
    text = vmscope('report', path).out
    check('    0         20.0%           85.0%     0.0%       12.0 ms' in text,
          text)
    path = script_trace(os.path.join(folder(), 't.vms'),
                        'switch ns=0 vcpu=0 thread=0x100', 'end ns=10')
    same(host(), [(None,) * 5], 'of a recording without')
    check('host CPU' not in vmscope('report', path).out, 'no table')


def test_paths():
    """The whole name of an image, and where it lies; one for nobody."""
    at = ('\\Device\\HarddiskVolume3\\사용자\\'
          '이름이-열다섯-바이트에서-잘리지-않는-프로그램.exe')
    path = script_trace(
        os.path.join(folder(), 't.vms'),
        f'path process=0x1000 pid=8 image=long path={at}',
        'path process=0x2000 pid=4 image=System path=',
        'path process=0x3000 pid=16 image=never.exe path=\\never.exe',
        'path process=0x4000 pid=20 path=\\x\\\x1b[2Jb.exe',
        'switch ns=0 vcpu=0 thread=0x100 process=0x1000 pid=8 tid=12 '
        'image=long',
        'switch ns=5 vcpu=0 thread=0x200 process=0x2000 pid=4 tid=16 '
        'image=System',
        'switch ns=9 vcpu=0 thread=0x400 process=0x4000 pid=20 tid=24 '
        'image=short', 'end ns=10')
    same({p['image']: p.get('process-path')
          for p in report(path)['processes']},
         {'long': at, 'System': None, 'short': '\\x\\\x1b[2Jb.exe'}, 'JSON')
    text = vmscope('report', path).out
    check(f'\n    pid  path of the image\n      8  {at}\n' in text, text)
    check('\\x\\\\x1b[2Jb.exe' in text and '\x1b' not in text, text)
    check('never.exe' not in text, text)
    check('이름이-열다섯' in text.split('path of')[0], text)
    page = vmscope('report', '--html', path).out
    check('never.exe' not in page and '사용자' in page, 'page')


TICKS = ('switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
         'host vcpu=0 from=0 ns=1000000000 run=800000000 wait=200000000',
         'ticks vcpu=0 from=0 ns=1000000000 user=32 kernel=16 dpc=8 '
         'interrupt=4 idle=4 irqs=900 dpcs=70',
         'ticks vcpu=2 from=0 ns=1000000000 idle=64 irqs=64',
         'ticks vcpu=0 from=1000000000 ns=2000000000 user=32 kernel=16 dpc=8 '
         'interrupt=4 idle=4 irqs=900 dpcs=70',
         'end ns=2000000000')


def test_ticks():
    """Where time went by Windows' ticks: sums, a span, and old files."""
    path = script_trace(os.path.join(folder(), 't.vms'), *TICKS)

    def ticks(*arguments):
        return {cpu['vcpu']: (*cpu['windows-ticks'].values(),
                              cpu['windows-ticks-ns'],
                              cpu['windows-interrupts'], cpu['windows-dpcs'])
                for cpu in report(path, *arguments)['vcpus']
                if 'windows-ticks' in cpu}

    same(ticks(), {0: (64, 32, 16, 8, 8, 2000000000, 1800, 140),
                   2: (0, 0, 0, 0, 64, 1000000000, 64, 0)}, 'all')
    same(ticks('--until', '500ms'),
         {0: (16, 8, 4, 2, 2, 500000000, 450, 35),
          2: (0, 0, 0, 0, 32, 500000000, 32, 0)}, 'a span')
    text = vmscope('report', path).out
    check('    0   50.0%   25.0%   12.5%       6.2%    6.2%     900'
          '        20.0%\n' in text, text)
    check('    2    0.0%    0.0%    0.0%       0.0%  100.0%      64'
          '            ?\n' in text, text)
    path = script_trace(os.path.join(folder(), 't.vms'),
                        'switch ns=0 vcpu=0 thread=0x100', 'end ns=10')
    same(ticks(), {}, 'of a recording without')
    check('interrupt    idle' not in vmscope('report', path).out, 'no table')


def test_who_preempted_whom():
    """A thread that could go on and did not: by whom, and for how long."""
    path = script_trace(
        os.path.join(folder(), 't.vms'),
        'switch ns=0 vcpu=0 thread=0x100 pid=80 tid=84 image=game.exe',
        'switch ns=5000000 vcpu=0 thread=0x200 pid=90 tid=94 image=scan.exe '
        'old=0x100 state=1',
        'switch ns=7000000 vcpu=0 thread=0x100 pid=80 tid=84 image=game.exe '
        'old=0x200 state=5 reason=15',
        'switch ns=8000000 vcpu=0 thread=0x200 pid=90 tid=94 image=scan.exe '
        'old=0x100 state=3',
        'switch ns=9000000 vcpu=0 thread=0x300 idle=1 old=0x200 state=5',
        'end ns=10000000')
    figures = report(path)
    threads = {t['thread']: t['image'] for t in figures['threads']}
    found = [(threads[p['thread']], threads[p['by']], p['count'], p['waits'],
              p['waited-ns'], p['max-ns']) for p in figures['preemptions']]
    same(found, [('game.exe', 'scan.exe', 2, 1, 2000000, 2000000)], 'pairs')
    text = vmscope('report', path).out
    check('        2   2.00 ms   2.00 ms  game.exe 84             scan.exe 94'
          in text, text)


def test_courses():
    """What is raised at the end, and when each line was last heard of."""
    path = trace()
    level, since, again, last = {}, {}, collections.Counter(), {}
    for row in rows(path):
        if row['event'] == 'lost':
            level.clear()
        if row['event'] != 'irq':
            continue
        line, now = int(row['line']), int(row['level'])
        ns = int(row['monotonic_ns'])
        last[line] = max(ns, last.get(line, 0))
        if row['kind'] == 'msi':
            continue
        again[line] += bool(now and level.get(line))
        if now and not level.get(line):
            since[line] = ns
        level[line] = now
    check(last, 'there are no interrupts')
    for line in report(path)['lines']:
        number = line['line']
        same(line['last-ns'], last[number], f'{line["path"]}: last')
        if line['kind'] != 'msi':
            same(line['raised-again'], again[number], f'{number}: again')
            same(line.get('raised-since-ns'),
                 since[number] if level.get(number) else None,
                 f'{number}: since')
    text = vmscope('report', path).out
    check('\nStill raised at the end\n' in text, text)
    check('\nMessages, the longest silent first\n' in text, text)


def routes(path, *arguments):
    """By the device, vector and APIC id."""
    found = report(path, *arguments)
    threads = {t['thread']: t['tid'] for t in found['threads']}
    return {(r['label'].split()[0], r.get('vector'), r.get('apic-id')): {
        **r, 'next-threads': {threads[n['thread']]: n['count']
                              for n in r['next-threads']}}
            for r in found['message-routes']}


# vCPU 0 has APIC id 4, vCPU 1 has 6.
ROUTES = ('line id=0 path=/d device=disk msi=1 n=0x91',
          'line id=1 path=/n device=net msi=1 n=1',
          'vector vcpu=0 vector=0x91 apic=4 drivers=viostor.sys',
          'vector vcpu=1 vector=0x91 apic=6 drivers=netkvm.sys',
          'vector vcpu=1 vector=0x61 apic=6 drivers=a.sys,b.sys',
          'switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
          'switch ns=0 vcpu=1 thread=0x200 pid=4 tid=12 image=b',
          # to vCPU 0: the switch on vCPU 1 is none of its business
          'irq ns=1000000 line=0 level=1 address=0xfee04000 data=0x4091',
          'switch ns=1010000 vcpu=1 thread=0x300 pid=4 tid=16 image=c',
          'switch ns=1020000 vcpu=0 thread=0x400 pid=4 tid=20 image=d',
          # to vCPU 1, too late, and in time
          'irq ns=2000000 line=0 level=1 address=0xfee06000 data=0x91',
          'switch ns=3500000 vcpu=1 thread=0x200 pid=4 tid=12 image=b',
          'irq ns=4000000 line=0 level=1 address=0xfee06000 data=0x91',
          'switch ns=4100000 vcpu=1 thread=0x300 pid=4 tid=16 image=c',
          # a logical id, one that is nobody's, an IOMMU's, an NMI
          'irq ns=5000000 line=1 level=1 address=0xfee01004 data=0x91',
          'irq ns=5100000 line=1 level=1 address=0xfee09000 data=0x91',
          'irq ns=5200000 line=1 level=1 address=0xfee00010 data=0',
          'irq ns=5300000 line=1 level=1 address=0xfee04000 data=0x491',
          # an APIC id of more than 8 bits
          'irq ns=5400000 line=1 level=1 address=0xfee06020 data=0x61',
          'irq ns=5500000 line=1 level=1 address=0xfee06000 data=0x61',
          'end ns=6000000')


def test_routes():
    """From a message to the driver of its vector on the vCPU it is sent to."""
    path = script_trace(os.path.join(folder(), 't.vms'), *ROUTES)
    found = routes(path)

    def of(*key):
        route = found[key]
        return (route.get('vcpu'), route.get('drivers'), route['events'],
                route['followed'], route['next-threads'])

    same(of('disk', 0x91, 4), (0, 'viostor.sys', 1, 1, {20: 1}), 'vCPU 0')
    same(of('disk', 0x91, 6), (1, 'netkvm.sys', 2, 1, {16: 1}), 'vCPU 1')
    same(found['disk', 0x91, 4]['max-ns'], 20000, 'time')
    same(found['disk', 0x91, 6]['last-ns'] - report(path)['begin-ns'],
         4000000, 'the last one')
    same(of('net', 0x91, None), (None, 'viostor.sys, netkvm.sys', 1, 0, {}),
         'a logical id')
    same(of('net', 0x91, 9), (None, None, 1, 0, {}), 'nobody')
    same(of('net', None, None), (None, None, 1, 0, {}), 'an IOMMU')
    same(of('net', 0x61, 0x106), (None, None, 1, 0, {}), 'a long id')
    same(of('net', 0x61, 6), (1, 'a.sys, b.sys', 1, 0, {}), 'two drivers')
    same(len(found), 7, 'routes')
    same(sum(r['events'] for r in found.values()), 8, 'but for the NMI')
    text = vmscope('report', path).out
    check('        1        1   20.0 us   20.0 us  disk · message 145\n'
          '        -> vector 0x91 on vCPU 0 -> viostor.sys\n'
          '           then d 20, 1 times\n' in text, text)
    for line in text.splitlines():
        check(len(line) <= 80, line)


def test_routes_change():
    """A driver that came later, and an APIC id that is known later."""
    path = script_trace(
        os.path.join(folder(), 't.vms'), 'line id=0 path=/d device=disk msi=1 n=0x91',
        'irq ns=1000 line=0 level=1 address=0xfee04000 data=0x91',
        'vector vcpu=2 vector=0x91 drivers=old.sys',
        'vector vcpu=2 vector=0x91 apic=4 drivers=new.sys',
        'vector vcpu=2 vector=0x91 apic=4 drivers=old.sys', 'end ns=6000000')
    route = routes(path)['disk', 0x91, 4]
    same((route['vcpu'], route['drivers']), (2, 'old.sys, new.sys'), 'both')


def test_routes_without():
    """No table, no promise; and only the part that is asked for."""
    path = script_trace(os.path.join(folder(), 't.vms'),
                        *[line for line in ROUTES if 'drivers' not in line])
    check('From message to driver' not in vmscope('report', path).out, 'text')
    same({r.get('vcpu') for r in routes(path).values()}, {None}, 'vCPUs')
    path = script_trace(os.path.join(folder(), 't.vms'), *ROUTES)
    same(sum(r['events'] for r in
             routes(path, '--until', '4500us').values()), 3, 'until')
