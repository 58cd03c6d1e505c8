"""Names that a guest may choose, in what is made of a recording.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import csv
import io
import json
import os
import pty
import re
import subprocess

from rig import VMSCOPE, check, environment, folder, make_trace, same, vmscope
from test_export import packets
from nasty import NAMES, as_utf8, harmful, unescape

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
LABELS = list(NAMES)
N = len(NAMES)
CALCULATOR = NAMES['code-page']         # in CP949


def trace(seed=1):
    """A process and threads of each name; some lines and host threads."""
    return make_trace(os.path.join(folder(), 't.vms'), nasty=1, seed=seed,
                      threads=3 * N, events=20000)


def clean(data, allowed='\n'):
    text = data.decode()            # it is UTF-8
    same(harmful(text, allowed), [], 'what is harmful in it')
    return text


def export(path, *arguments):
    return vmscope('export', *arguments, path, raw=True).out


def name_of(pid):
    """The process' number is in its id: see scene.c."""
    return NAMES[LABELS[(pid - 4) // 400]]


def test_report_text():
    """Each process has a row of its own, with the whole name."""
    text = clean(vmscope('report', '--top', '0', trace(), raw=True).out)
    begin = text.index('  process\n')
    table = text[begin:text.index('\n\n', begin)].splitlines()[1:]
    found = {}
    for line in table:
        pid, name = line[45:52].strip(), line[54:]
        if pid not in ('-', '0'):
            found[int(pid)] = name
    same(len(found), N, f'rows: {text}')
    for pid, name in found.items():
        wanted = name_of(pid)
        if wanted not in (NAMES['many-marks'], NAMES['emoji']):
            same(unescape(name), wanted, f'process {pid}')


def test_report_json():
    for seed in range(1, 9):
        text = clean(vmscope('report', '--json', '--top', '0', trace(seed),
                             raw=True).out)
        found = json.loads(text)
        same(len([p for p in found['processes'] if p.get('pid')]), N, 'them')
        for process in found['processes']:
            if process.get('pid'):
                name = name_of(process['pid'])
                same(process['image'], as_utf8(name), 'image')
                same(process.get('image-bytes'),
                     None if name.isascii() else name.hex(), 'bytes')


def test_report_html():
    """What the page shows is what the terminal shows."""
    page = clean(vmscope('report', '--html', trace(), raw=True).out,
                 allowed='\n\t')
    data = re.search(r'<script id="report"[^>]*>(.*?)</script>', page,
                     re.S)[1]
    check(not re.search('[<>&]', data), 'mark-up in the data')
    for thread in json.loads(data)['threads']:
        for text in (thread['image'], thread['name']):
            same(harmful(text, ''), [], f'{text!r}')
        if thread['pid']:
            same(unescape(thread['image']), name_of(thread['pid']), 'image')


def test_export_csv():
    for seed in range(1, 9):
        text = clean(export(trace(seed), '--format', 'csv'))
        lines = text.splitlines()
        rows = list(csv.DictReader(io.StringIO(text, newline='')))
        same(len(rows), len(lines) - 1, 'rows and lines')
        for row in rows:
            if row['event'] == 'switch' and row['idle'] == '0':
                name = name_of(int(row['pid']))
                same(unescape(row['process']), name, 'process')
                check(row['thread'] == '' or
                      unescape(row['thread']) == name, f'{row}')
            for key in ('process', 'thread', 'line_path', 'host_thread'):
                check(row[key][:1] not in ('=', '+', '-', '@') or
                      not row[key], f'a formula: {row[key]}')


def test_export_csv_on_a_terminal():
    """Somebody looks at it without a pipe."""
    path = trace()
    ours, theirs = pty.openpty()
    with subprocess.Popen([VMSCOPE, 'export', '--format', 'csv', path],
                          stdout=theirs, env=environment()) as process:
        os.close(theirs)
        data = b''
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            data += piece
        os.close(ours)
    same(process.returncode, 0, 'exit code')
    text = clean(data.replace(b'\r\n', b'\n'))
    same(len(text.splitlines()),
         len(export(path, '--format', 'csv').splitlines()), 'lines')


def test_export_json():
    for seed in range(1, 9):
        events = json.loads(clean(export(trace(seed), '--format',
                                         'json')))['traceEvents']
        runs = {e['name'] for e in events if e['ph'] == 'X'}
        for name in NAMES.values():
            text = as_utf8(name)
            check(any(run == text or run.startswith((text + ': ', text + ' '))
                      for run in runs), f'{name}')


def test_export_perfetto():
    """Its strings are UTF-8: protoc would not read the packets."""
    processes = {}
    for packet in packets(trace()):
        for track in packet.get('track_descriptor', []):
            for process in track.get('process', []):
                processes[process['pid'][0]] = process['process_name'][0]
            for thread in track.get('thread', []):
                same(harmful(thread.get('thread_name', [''])[0], ''), [],
                     'a thread')
            same(harmful(track.get('name', [''])[0], ''), [], 'a track')
    same(len(processes), N, 'processes')
    for pid, name in processes.items():
        same(unescape(name), name_of(pid), f'process {pid}')


def test_codepage():
    path = trace()
    for arguments in (['report', '--top', '0'], ['report', '--json'],
                      ['report', '--html'], ['export', '--format', 'csv'],
                      ['export', '--format', 'json'],
                      ['export', '--format', 'perfetto']):
        out = vmscope(*arguments, '--codepage', 'CP949', path, raw=True).out
        check('계산기.exe'.encode() in out, f'{arguments}')
        plain = vmscope(*arguments, path, raw=True).out
        check('계산기'.encode() not in plain, f'{arguments}')
        check(b'xb0' in plain and b'xe2.exe' in plain, f'{arguments}')
    result = vmscope('export', '--format', 'csv', '--codepage', 'nonsense', path,
                     code=2)
    check('iconv -l' in result.err, result.err)


def test_raw_names():
    path = trace()
    for arguments, name in (
            (['export', '--format', 'csv'], NAMES['escape']),
            (['export', '--format', 'csv'], NAMES['crlf']),
            (['export', '--format', 'csv'], NAMES['code-page']),
            (['export', '--format', 'csv'], NAMES['formula']),
            (['export', '--format', 'perfetto'], NAMES['escape']),
            (['export', '--format', 'json'], NAMES['bidi-override']),
            (['report', '--top', '0'], NAMES['escape']),
            (['report', '--json', '--top', '0'], NAMES['bidi-override'])):
        out = vmscope(*arguments, '--raw-names', path, raw=True).out
        check(name in out, f'{arguments}: {name}')
    json.loads(vmscope('report', '--json', '--raw-names', path).out)
    rows = vmscope('export', '--format', 'csv', '--raw-names', path,
                   raw=True).out.decode('utf-8', 'surrogateescape')
    found = {row['process'].encode('utf-8', 'surrogateescape')
             for row in csv.DictReader(io.StringIO(rows, newline=''))
             if row['process'] != 'Idle'}
    check(set(NAMES.values()) <= found | {b''}, set(NAMES.values()) - found)


def old_recording():
    """One that a vmscope of version 1 wrote, of tests/fixtures."""
    path = os.path.join(folder(), 'old.vms')
    data = None
    with open(os.path.join(TOP, 'tests', 'fixtures', 'trace-v1.hex'),
              encoding='ascii') as file:
        for line in file:
            if line.startswith('#'):
                continue
            if data is None:
                data = bytearray(int(line))
                continue
            at, digits = line.split()
            piece = bytes.fromhex(digits)
            data[int(at):int(at) + len(piece)] = piece
    with open(path, 'wb') as file:
        file.write(data)
    return path


def test_old_recording():
    path = old_recording()
    found = json.loads(vmscope('report', '--json', path).out)
    same(found['switches'], 8, 'switches')
    same(sorted(p['image'] for p in found['processes']),
         ['System', 'fifteen-letters', '메모장.exe', '\ufffd' * 5], 'images')
    same(len(export(path, '--format', 'csv').splitlines()), 9, 'rows')
