"""vmscope export: other programs' formats, read by other programs.

Perfetto's is decoded by protoc with perfetto.proto, in which no field is
unknown then; every event is compared with its row in the CSV.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import csv
import io
import json
import os

from perfetto import packets, switches
from rig import (check, folder, make_trace, report, rows, same, script_trace,
                 vmscope)

from nasty import unescape  # noqa: E402

COLUMNS = 30
NOBODY = 0x7fffeffe         # to 0x7ffffffe, one a vCPU


def trace(**options):
    return make_trace(os.path.join(folder(), 't.vms'), **options)


def unknown_fields(message):
    """Names that are numbers: fields that are not in perfetto.proto."""
    for name, values in message.items():
        if name.isdigit():
            yield name
        for value in values:
            if isinstance(value, dict):
                yield from unknown_fields(value)


def compare_switches(found, path):
    wanted = [row for row in rows(path) if row['event'] == 'switch']
    seen = [s for s in switches(found) if s[2]['new_thread_id'][0] < NOBODY]
    same(len(seen), len(wanted), 'switches')
    for (time_ns, cpu, event), row in zip(seen, wanted):
        same((time_ns, cpu), (int(row['monotonic_ns']), int(row['vcpu'])),
             'switch')
        same(event['new_thread_id'][0],
             0 if row['idle'] == '1' else int(row['tid']), 'thread')
        if row['priority']:
            same(event['new_thread_priority'][0], int(row['priority']),
                 'priority')
        state = event['old_thread_state_int'][0]
        if row['old_state'] and row['missed'] in ('', '0') and state:
            same(state, int(row['old_state']), 'state')
            if row['old_wait_reason']:
                same(event['old_thread_wait_reason_int'][0],
                     int(row['old_wait_reason']), 'wait reason')


def check_chains(found):
    """Each vCPU's old thread is the one it switched to before."""
    running = {}
    for _, cpu, event in switches(found):
        same(event['old_thread_id'][0], running.get(cpu, 0),
             f'old thread of vCPU {cpu}')
        running[cpu] = event['new_thread_id'][0]
    check(min(running.values()) >= NOBODY, f'at the end {running} run')
    same(len(set(running.values())), len(running), 'one nobody a vCPU')


def test_perfetto():
    for options in ({}, {'missed': 1}, {'lost': 1}, {'vcpus': 9}):
        path = trace(events=4000, **options)
        found = packets(path)
        same(list(unknown_fields({'packet': found})), [], 'unknown fields')
        compare_switches(found, path)
        check_chains(found)


def test_perfetto_states_are_known():
    """Where nothing is missing, what became of a thread is known."""
    found = list(switches(packets(trace(events=4000))))
    known = [e for _, _, e in found if e['old_thread_state_int'][0]]
    check(len(known) > len(found) * 0.8, f'{len(known)} of {len(found)}')
    reasons = {e['old_thread_wait_reason_int'][0] for e in known
               if 'old_thread_wait_reason_int' in e}
    check(len(reasons) > 2, f'reasons {reasons}')


def test_perfetto_clocks():
    path = trace(events=100)
    first = packets(path)[0]
    clocks = {c['clock_id'][0]: c['timestamp'][0]
              for c in first['clock_snapshot'][0]['clocks']}
    recording = report(path)['recording']
    same(clocks, {1: recording['realtime-ns'], 3: recording['monotonic-ns'],
                  6: recording['monotonic-ns']}, 'clocks')
    same(first['sequence_flags'], [1], 'flags')


def test_perfetto_names():
    """Whoever runs was told of before, with pid and names."""
    for options in ({}, {'hostile': 1}):
        path = trace(events=4000, **options)
        names = {}
        processes = {}
        for packet in packets(path):
            for track in packet.get('track_descriptor', []):
                for thread in track.get('thread', []):
                    names[thread['tid'][0]] = (thread['pid'][0], thread.get(
                        'thread_name', [''])[0])
                for process in track.get('process', []):
                    processes[process['pid'][0]] = process['process_name'][0]
            for _, _, event in switches([packet]):
                tid = event['new_thread_id'][0]
                check(not tid or tid in names, f'who is {tid}?')
        for row in rows(path):
            if row['event'] == 'switch' and row['idle'] == '0':
                pid, name = names[int(row['tid'])]
                same(pid, int(row['pid']), 'pid')
                same(unescape(processes[pid]), unescape(row['process']),
                     'image')
                if row['thread']:
                    same(unescape(name), unescape(row['thread']),
                         'name of a thread')


def annotation(event, name):
    for item in event['debug_annotations']:
        if item['name'][0] == name:
            return (item.get('int_value') or item.get('pointer_value') or
                    item.get('string_value'))[0]
    return None


def test_perfetto_interrupts():
    path = trace(events=4000)
    tracks = {}
    seen = []
    for packet in packets(path):
        for track in packet.get('track_descriptor', []):
            if 'parent_uuid' in track:
                tracks[track['uuid'][0]] = track['name'][0]
        for event in packet.get('track_event', []):
            seen.append((packet['timestamp'][0], tracks[event['track_uuid'][0]],
                         event))
    wanted = [row for row in rows(path) if row['event'] == 'irq']
    same(len(seen), len(wanted), 'interrupts')
    for (time_ns, name, event), row in zip(seen, wanted):
        same(time_ns, int(row['monotonic_ns']), 'time')
        same(name, row['device'], 'the line is named by its device')
        same(annotation(event, 'path'), row['line_path'], 'path')
        same(event['type'], [3], 'an instant')
        same(event['categories'], [row['kind']], 'kind')
        same(annotation(event, 'level'), int(row['level']), 'level')
        same(annotation(event, 'host_thread'), row['host_thread'], 'thread')
        same(annotation(event, 'caller'), int(row['caller'] or '0', 16),
             'caller')


def test_perfetto_loss():
    names = [event['name'][0] for packet in packets(trace(events=4000, lost=1))
             for event in packet.get('track_event', [])]
    check('50 switches lost' in names and '20 interrupts lost' in names,
          f'{set(names)}')


def test_json():
    """Chrome's format: runs as complete events, interrupts as instants."""
    for options in ({}, {'hostile': 1}, {'lost': 1}):
        path = trace(events=4000, **options)
        data = json.loads(vmscope('export', '--format', 'json', path).out)
        figures = report(path)
        begin = figures['begin-ns']
        runs = [e for e in data['traceEvents'] if e['ph'] == 'X']
        same(round(sum(e['dur'] for e in runs) * 1000), figures['busy-ns'],
             'time of all runs')
        instants = [e for e in data['traceEvents'] if e['ph'] == 'i' and
                    e['pid'] == 2]
        wanted = [row for row in rows(path) if row['event'] == 'irq']
        same([round(e['ts'] * 1000) + begin for e in instants],
             [int(row['monotonic_ns']) for row in wanted], 'times')
        for event in data['traceEvents']:
            check({'ph', 'pid', 'tid', 'name'} <= set(event), f'{event}')
            check(event['ph'] == 'M' or event['ts'] >= 0, f'{event}')
        named = {(e['pid'], e['tid']) for e in data['traceEvents']
                 if e['ph'] == 'M' and e['name'] == 'thread_name'}
        check(all((e['pid'], e['tid']) in named for e in runs + instants),
              'each lane has a name')


def test_csv():
    for options in ({}, {'hostile': 1}, {'missed': 1, 'lost': 1}):
        path = trace(events=4000, **options)
        text = vmscope('export', '--format', 'csv', path).out
        table = list(csv.reader(io.StringIO(text, newline='')))
        same({len(row) for row in table}, {COLUMNS}, 'columns')
        figures = report(path)
        events = [row[1] for row in table[1:]]
        same(events.count('switch'), figures['switches'], 'switches')
        same(events.count('irq'), figures['interrupts'], 'interrupts')
        times = [int(row[0]) for row in table[1:] if row[1] in
                 ('switch', 'irq')]
        same(times, sorted(times), 'in the order of time')


HOST = ('switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
        'host vcpu=0 from=0 ns=10000000 run=4000000 wait=5000000',
        'host vcpu=1 from=0 ns=10000000 run=9900000',
        'host vcpu=0 from=10000000 ns=20000000 wait=12000000',
        'end ns=20000000')


def test_host():
    """How the host let vCPUs run, in each format, and clipped to a span."""
    path = script_trace(os.path.join(folder(), 't.vms'), *HOST)
    begin = report(path)['begin-ns']

    def spans(*arguments):
        return [(row['vcpu'], int(row['monotonic_ns']) - begin,
                 row['span_ns'], row['host_run_ns'], row['host_wait_ns'])
                for row in rows(path, *arguments) if row['event'] == 'host']

    same(spans(), [('0', 0, '10000000', '4000000', '5000000'),
                   ('1', 0, '10000000', '9900000', '0'),
                   ('0', 10000000, '10000000', '0', '12000000')], 'csv')
    same(spans('--since', '5ms', '--until', '15ms'),
         [('0', 5000000, '5000000', '2000000', '2500000'),
          ('1', 5000000, '5000000', '4950000', '0'),
          ('0', 10000000, '5000000', '0', '6000000')], 'csv of a span')
    data = json.loads(vmscope('export', '--format', 'json', path).out)
    same([(e['name'], e['ts'], e['args']['percent'])
          for e in data['traceEvents'] if e['ph'] == 'C'],
         [('vCPU 0 waits for a host CPU', 0, 50),
          ('vCPU 1 waits for a host CPU', 0, 0),
          ('vCPU 0 waits for a host CPU', 10000, 100)], 'counters')
    found = packets(path)
    tracks = {d['uuid'][0]: d['name'][0] for p in found
              for d in p.get('track_descriptor', []) if 'counter' in d}
    same([(tracks[e['track_uuid'][0]], e['counter_value'][0]) for p in found
          for e in p.get('track_event', []) if e['type'] == [4]],
         [('vCPU 0', 50), ('vCPU 1', 0), ('vCPU 0', 100)], 'Perfetto')


PATHS = ('path process=0x1000 pid=8 image=fifteen-chars.e '
         'path=\\Device\\HarddiskVolume3\\사용자\\fifteen-chars.exe',
         'path process=0x3000 pid=16 image=never.exe path=\\never.exe',
         'switch ns=0 vcpu=0 thread=0x100 process=0x1000 pid=8 tid=12 '
         'image=fifteen-chars.e',
         'switch ns=10 vcpu=0 thread=0x200 process=0x2000 pid=4 tid=20 '
         'image=System',
         # the same address and id, and another process
         'switch ns=20 vcpu=0 thread=0x300 process=0x1000 pid=8 tid=16 '
         'image=other.exe',
         'irq ns=25 line=0 level=1', 'end ns=30')
PATH = '\\Device\\HarddiskVolume3\\사용자\\fifteen-chars.exe'


def test_paths():
    """Whose path is known has it in each format, others have none."""
    path = script_trace(os.path.join(folder(), 't.vms'), *PATHS)
    same([row['process_path'] for row in rows(path)], [PATH, '', '', ''],
         'CSV')
    text = vmscope('export', '--format', 'json', path).out
    found = json.loads(text)
    same(found['processes'], [{'pid': 8, 'name': 'fifteen-chars.exe',
                               'process-path': PATH}], 'JSON')
    same([e['name'] for e in found['traceEvents'] if e['ph'] == 'X'],
         ['fifteen-chars.exe 12', 'System 20', 'other.exe 16'], 'runs')
    found = packets(path)
    same(list(unknown_fields({'packet': found})), [], 'unknown fields')
    same([(p['process_name'], p.get('process_labels'))
          for packet in found for d in packet.get('track_descriptor', [])
          for p in d.get('process', [])],
         [(['fifteen-chars.exe'], [PATH]), (['System'], None),
          (['other.exe'], None)], 'Perfetto')


def test_path_behind_the_switches():
    """A path that was told late is in what comes behind."""
    lines = list(PATHS)
    lines.insert(4, lines.pop(0))
    lines.insert(4, 'mark ns=15')
    lines.insert(-1, 'switch ns=28 vcpu=1 thread=0x100 process=0x1000 pid=8 '
                     'tid=12 image=fifteen-chars.e')
    path = script_trace(os.path.join(folder(), 't.vms'), *lines)
    same([row['process_path'] for row in rows(path)
          if row['process'] == 'fifteen-chars.e'], ['', PATH], 'CSV')
    same([p['process-path'] for p in report(path)['processes']
          if 'process-path' in p], [PATH], 'report')
    same([p['process_labels'] for packet in packets(path)
          for d in packet.get('track_descriptor', [])
          for p in d.get('process', []) if 'process_labels' in p],
         [[PATH]], 'Perfetto')


TICKS = ('switch ns=0 vcpu=0 thread=0x100 pid=4 tid=8 image=a',
         'ticks vcpu=0 from=0 ns=10000000 user=2 kernel=1 dpc=1',
         'ticks vcpu=1 from=0 ns=10000000 interrupt=1 idle=3',
         'ticks vcpu=0 from=10000000 ns=20000000 idle=7',
         'end ns=20000000')


def test_ticks():
    """Shares of Windows' ticks, as counters."""
    path = script_trace(os.path.join(folder(), 't.vms'), *TICKS)
    data = json.loads(vmscope('export', '--format', 'json', path).out)
    same([(e['name'], e['ts'], tuple(e['args'].values()))
          for e in data['traceEvents'] if e['ph'] == 'C'],
         [("vCPU 0 by Windows' ticks", 0, (50, 25, 25, 0, 0)),
          ("vCPU 1 by Windows' ticks", 0, (0, 0, 0, 25, 75)),
          ("vCPU 0 by Windows' ticks", 10000, (0, 0, 0, 0, 100))], 'counters')

    def counters(*arguments):
        found = packets(path, *arguments)
        tracks = {d['uuid'][0]: d['name'][0] for p in found
                  for d in p.get('track_descriptor', []) if 'counter' in d}
        return [(tracks[e['track_uuid'][0]], e['counter_value'][0])
                for p in found for e in p.get('track_event', [])
                if e['type'] == [4] and e['counter_value'][0]]

    same(counters(), [('vCPU 0 user', 50), ('vCPU 0 kernel', 25),
                      ('vCPU 0 DPC', 25), ('vCPU 1 interrupt', 25),
                      ('vCPU 1 idle', 75), ('vCPU 0 idle', 100)], 'Perfetto')
    # Of a span that is exported in part nobody knows where its ticks lie.
    same(counters('--since', '5ms'), [('vCPU 0 idle', 100)], 'a span')
    same({row['event'] for row in rows(path)}, {'switch'}, 'rows')


def test_spans():
    path = trace(events=4000)
    inside = [row for row in rows(path, '--since', '10ms', '--until', '20ms')
              if row['event'] in ('switch', 'irq')]
    begin = report(path)['begin-ns']
    wanted = [row for row in rows(path) if row['event'] in ('switch', 'irq')
              and begin + 10000000 <= int(row['monotonic_ns']) <
              begin + 20000000]
    same(inside, wanted, 'events')
    found = packets(path, '--since', '10ms', '--until', '20ms')
    check_chains(found)


def test_same_twice():
    """The same recording gives the same bytes."""
    path = trace(events=3000)
    for name in ('perfetto', 'json', 'csv'):
        out = os.path.join(folder(), 'out')
        vmscope('export', '--format', name, '-o', out, path)
        with open(out, 'rb') as file:
            same(file.read(), vmscope('export', '--format', name, path,
                                      raw=True).out, name)


def test_wrong_usage():
    path = trace(events=10)
    for arguments, words in (
            ([path], 'give --format'), (['--format', 'xml', path], "'xml'"),
            (['--format', 'csv'], 'give a recording'),
            (['--format', 'csv', path, path], 'give one recording')):
        result = vmscope('export', *arguments, code=2)
        check(words in result.err, f'{arguments}: {result.err}')
    result = vmscope('export', '--format', 'csv', '-o', '/dev/full', path,
                     code=1)
    check('No space left' in result.err, result.err)
    result = vmscope('export', '--format', 'csv', '/nowhere/t.vms', code=1)
    check('/nowhere/t.vms' in result.err, result.err)
