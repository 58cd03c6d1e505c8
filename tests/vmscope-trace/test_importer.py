"""What other programs' importers make of vmscope export, by their rules.

Perfetto's importer is modelled in importer.py; here its tables are compared
with the CSV, for recordings of a made-up guest and for crafted ones in which
threads and processes come, go and get each other's ids.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re

from importer import Import, lanes
from perfetto import packets
from rig import (check, folder, make_trace, report, rows, same, script_trace,
                 vmscope)

BEGIN = 12508130441000


def trace(**options):
    return make_trace(os.path.join(folder(), 't.vms'), **options)


def script(*lines):
    return script_trace(os.path.join(folder(), 't.vms'), *lines)


def imported(path, *arguments):
    found = Import(packets(path, *arguments))
    same(found.errors, [], 'what the importer counts as errors')
    return found


def runs(path, *arguments):
    """[(ns, vCPU, row)] of who runs from then on, by the CSV."""
    found = [(int(row['monotonic_ns']), int(row['vcpu']), row)
             for row in rows(path, *arguments)
             if row['event'] in ('switch', 'running', 'unknown')]
    return sorted(found, key=lambda run: run[0])


def plain(cell):
    """A name as it is where it cannot become a spreadsheet's formula."""
    return re.sub(r'^\\x(3d|2b|2d|40)',
                  lambda found: chr(int(found.group(1), 16)), cell)


def compare_runs(found, path, *arguments):
    """Every slice is its row of the CSV: who, from when and until when."""
    wanted = runs(path, *arguments)
    ends = {}
    for number in reversed(range(len(wanted))):
        ns, cpu, row = wanted[number]
        wanted[number] = ns, ends.get(cpu), cpu, row
        ends[cpu] = ns
    end = max(row[0] for row in found.sched)
    closing = [row for row in found.sched if row[1] == -1]
    same({row[0] for row in closing} - {end}, set(), 'how the runs end')
    slices = [row for row in found.sched if row[1] != -1]
    same(len(slices), len(wanted), 'slices')
    for (ns, dur, cpu, utid, _), (start, until, vcpu, row) in \
            zip(slices, wanted):
        same((ns, cpu, dur), (start, vcpu, (until or end) - start), 'slice')
        pid, tid, process, name = found.who(utid)
        if row['idle'] == '1':
            same(tid, 0, 'idle thread')
        elif row['tid']:
            same((tid, pid, process), (int(row['tid']), int(row['pid']),
                                       plain(row['process'])),
                 f'who at {ns}')
            if row['thread']:
                same(name, plain(row['thread']), f'name at {ns}')


def compare_states(found):
    """Running is what sched says it is, nothing is invented or overlaps."""
    running = {}
    for ns, dur, cpu, utid, state, _ in found.states:
        if state == 'Running':
            check(cpu is not None, f'running on no CPU at {ns}')
            running[utid] = running.get(utid, 0) + max(dur, 0)
    really = {}
    for _, dur, _, utid, _ in found.sched:
        if utid and dur != -1:
            really[utid] = really.get(utid, 0) + dur
    same({utid: ns for utid, ns in running.items() if ns > 0},
         {utid: ns for utid, ns in really.items() if ns > 0}, 'running time')


def test_made_up_guest():
    for options in ({}, {'missed': 1}, {'lost': 1}, {'vcpus': 9},
                    {'hostile': 1}, {'end': 0}):
        path = trace(events=4000, **options)
        found = imported(path)
        compare_runs(found, path)
        # A thread that came to another vCPU unseen runs on both for a while.
        if 'missed' not in options:
            compare_states(found)


def test_spans():
    path = trace(events=4000)
    span = '--since', '10ms', '--until', '20ms'
    found = imported(path, *span)
    compare_runs(found, path, *span)
    compare_states(found)


def test_end():
    """A mark made while reading says when it was read, not when it ended."""
    path = script('switch ns=1000 vcpu=0 thread=0x1000 pid=4 tid=8',
                  'mark ns=5891000000000', 'mark ns=4800000', 'end ns=4800000')
    found = imported(path)
    end = BEGIN + 4800000
    same(report(path)['end-ns'], end, 'end in the report')
    same(max(row[0] for row in found.sched), end, 'end in Perfetto')
    data = json.loads(vmscope('export', '--format', 'json', path).out)
    same([e['dur'] for e in data['traceEvents'] if e['ph'] == 'X'], [4799],
         'length in JSON')
    # without an end, the last mark tells
    path = script('switch ns=1000 vcpu=0 thread=0x1000 pid=4 tid=8',
                  'mark ns=4800000')
    same(max(row[0] for row in imported(path).sched), end, 'end, if cut short')


def test_tid_used_again():
    """The first run of a new thread is its own, not that of the dead one."""
    path = script(
        'switch ns=1000 vcpu=0 thread=0x1000 process=0x10 pid=8 tid=100 '
        'image=old.exe name=first',
        'switch ns=2000 vcpu=0 thread=0x2000 process=0x20 pid=12 tid=104 '
        'image=mid.exe name=between',
        'switch ns=3000 vcpu=0 thread=0x3000 process=0x30 pid=16 tid=100 '
        'image=new.exe name=second',
        'switch ns=4000 vcpu=0 thread=0x3000 process=0x30 pid=16 tid=100 '
        'image=new.exe name=second', 'end ns=5000')
    found = imported(path)
    compare_runs(found, path)
    same([found.who(row[3])[3] for row in found.sched[:3]],
         ['first', 'between', 'second'], 'who')


def test_tid_used_again_in_the_same_process():
    path = script(
        'switch ns=1000 vcpu=0 thread=0x1000 process=0x10 pid=8 tid=100 '
        'image=a.exe name=first',
        'switch ns=3000 vcpu=0 thread=0x3000 process=0x10 pid=8 tid=100 '
        'image=a.exe name=second', 'end ns=5000')
    found = imported(path)
    same([found.who(row[3]) for row in found.sched[:2]],
         [(8, 100, 'a.exe', 'first'), (8, 100, 'a.exe', 'second')], 'who')


def test_ids_go_round():
    """A pid becomes a tid, a tid a pid, and an old owner comes back."""
    path = script(
        'switch ns=1000 vcpu=0 thread=0x1000 process=0x10 pid=100 tid=104 '
        'image=a.exe name=a',
        'switch ns=2000 vcpu=0 thread=0x2000 process=0x20 pid=8 tid=100 '
        'image=b.exe name=b',
        'switch ns=2500 vcpu=0 thread=0x5000 process=0x40 pid=16 tid=20 '
        'image=d.exe name=e',
        'switch ns=3000 vcpu=0 thread=0x3000 process=0x30 pid=100 tid=108 '
        'image=c.exe name=c',
        'switch ns=3500 vcpu=0 thread=0x5000 process=0x40 pid=16 tid=20 '
        'image=d.exe name=e',
        'switch ns=4000 vcpu=0 thread=0x2000 process=0x20 pid=8 tid=100 '
        'image=b.exe name=b',
        'switch ns=4500 vcpu=0 thread=0x5000 process=0x40 pid=16 tid=20 '
        'image=d.exe name=e',
        'switch ns=5000 vcpu=0 thread=0x1000 process=0x10 pid=100 tid=104 '
        'image=a.exe name=a', 'end ns=6000')
    found = imported(path)
    compare_runs(found, path)
    compare_states(found)


def test_no_ids():
    """Ids that are made up meet no others, of processes or of threads."""
    lines = [f'switch ns={1000 * i} vcpu=0 thread={0x1000 * i} '
             f'process={0x10 * i} image=p{i}.exe name=t{i}'
             for i in range(1, 6)]
    path = script(*lines, 'end ns=9000')
    found = imported(path)
    same([found.who(row[3])[2:] for row in found.sched[:5]],
         [(f'p{i}.exe', f't{i}') for i in range(1, 6)], 'who')
    same(len({row[3] for row in found.sched[:5]}), 5, 'threads')


def test_ids_learned_later():
    """A thread gets its ids while it runs; the switch from it names the old."""
    path = script(
        'switch ns=1000 vcpu=0 thread=0x1000 image=a.exe name=a',
        'switch ns=1500 vcpu=1 thread=0x1000 process=0x10 pid=8 tid=12 '
        'image=a.exe name=a',
        'switch ns=2000 vcpu=0 thread=0x2000 process=0x20 pid=8 tid=16 '
        'image=a.exe name=b old=0x1000 state=5 reason=6', 'end ns=3000')
    found = imported(path)
    same(found.who(found.sched[1][3]), (8, 12, 'a.exe', 'a'), 'later')
    check(found.sched[0][3] != found.sched[1][3], 'two threads there')
    same(found.sched[0][1], 1000, 'how long the first one ran')


def switch_pair(state, reason=None):
    return script(
        'switch ns=1000 vcpu=0 thread=0x1000 pid=8 tid=12 image=a',
        'switch ns=2000 vcpu=0 thread=0x2000 pid=8 tid=16 image=a '
        f'old=0x1000 state={state}' +
        (f' reason={reason}' if reason is not None else ''), 'end ns=3000')


def test_end_states():
    """Running is nobody's end; what is not known is Initialized there."""
    for state, reason, wanted, why in (
            (1, None, 'Ready', None), (3, None, 'Standby', None),
            (5, 6, 'Waiting', 6), (5, 36, 'Waiting', 36),
            (5, 37, 'Waiting', None), (5, None, 'Waiting', None),
            (2, 30, 'Ready', None), (2, 32, 'Ready', None),
            (2, 33, 'Ready', None), (2, 6, 'Initialized', None),
            (2, 34, 'Initialized', None), (2, None, 'Initialized', None),
            (4, 22, 'Terminated', None), (7, None, 'DeferredReady', None),
            (8, 6, 'Waiting', 6), (9, 23, 'Waiting', 23),
            (10, None, 'Initialized', None)):
        found = imported(switch_pair(state, reason))
        what = f'state {state}, reason {reason}'
        same(found.sched[0][4], wanted, what)
        same([row[5] for row in found.states if row[3] == found.sched[0][3]],
             [None, why], what)
        compare_states(found)


def test_not_known():
    """Where nobody is known, each vCPU has its own; at first there is none."""
    path = trace(events=4000, lost=1)
    found = imported(path)
    for utid, thread in enumerate(found.threads):
        if thread.name == '(not known)':
            same(len({row[2] for row in found.sched if row[3] == utid}), 1,
                 'vCPUs with one of them')
    first = min(found.sched)
    same([row for row in found.states if row[3] != first[3] and
          row[0] == first[0]], [], 'states at the first switch')


def test_many_vcpus():
    """Those that the importer refuses are left out, and that is said."""
    path = script('switch ns=1000 vcpu=1023 thread=0x1000 pid=8 tid=12',
                  'switch ns=1100 vcpu=1024 thread=0x2000 pid=8 tid=16',
                  'end ns=2000')
    imported(path)
    result = vmscope('export', '--format', 'perfetto', '-o',
                     os.path.join(folder(), 'o'), path)
    check('vCPU 1024' in result.err, result.err)


def test_lines_of_one_name():
    """Two lines without a name are two tracks."""
    path = script('line id=1 n=1', 'line id=2 n=2', 'irq ns=1000 line=1',
                  'irq ns=1100 line=2', 'irq ns=1200 line=1', 'end ns=2000')
    found = imported(path)
    keys = [key for _, key, _ in found.instants]
    same(len(set(keys)), 2, 'tracks')
    same(keys[0], keys[2], 'the track of line 1')


def test_json_lanes():
    """No lane of the JSON has two owners, whatever becomes of tid 0."""
    path = trace(events=4000, lost=1)
    data = json.loads(vmscope('export', '--format', 'json', path).out)
    for lane, names in lanes(data['traceEvents']).items():
        same(len({tid for tid, _ in names}) <= 1, True, f'lane {lane}: {names}')
    same(len({lane for lane in lanes(data['traceEvents']) if lane[0] == 1}), 4,
         'lanes of vCPUs')


def test_json_keeps_nanoseconds():
    """Of a recording of 40 days, too."""
    day = 86400 * 10**9
    path = script(
        'switch ns=1001 vcpu=0 thread=0x1000 pid=8 tid=12 image=a',
        f'switch ns={40 * day + 1} vcpu=0 thread=0x2000 pid=8 tid=16 image=a',
        f'switch ns={40 * day + 1002} vcpu=0 thread=0x3000 pid=8 tid=20',
        f'end ns={40 * day + 2005}')
    text = vmscope('export', '--format', 'json', path).out
    for wanted in (f'"ts": {40 * 86400000000}.001, "dur": 1.001',
                   f'"ts": {40 * 86400000000 + 1}.002, "dur": 1.003'):
        check(wanted in text, f'{wanted} in {text}')


def test_json_warns_of_its_size():
    path = trace(events=1500000)
    out = os.path.join(folder(), 'o.json')
    result = vmscope('export', '--format', 'json', '-o', out, path)
    check('--format perfetto' in result.err, f'{result.err!r}')
    result = vmscope('export', '--format', 'json', '--until', '1s', '-o', out,
                     path)
    same(result.err, '', 'of a part')
