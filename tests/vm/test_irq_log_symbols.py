"""Names of functions: QEMU's own, and the analyzer's of the running QEMU.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import shutil
import subprocess

from harness import ANALYZE, QEMU, Machine, Skip, folder, read_all, wait_for

BIOS = ('-M', 'pc', '-m', '64')


def boot(*arguments, **options):
    machine = Machine(*BIOS, *arguments, '--preconfig')
    machine.cmd('irq-log-set', enable=True, **options)
    machine.cmd('x-exit-preconfig')
    wait_for('1,000 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 1000)
    machine.cmd('irq-log-set', enable=False)
    return machine


def own_mappings(machine):
    """Bytes of its own file that a QEMU has mapped."""
    exe = os.readlink(f'/proc/{machine.pid}/exe')
    total = 0
    with open(f'/proc/{machine.pid}/maps', encoding='utf-8') as maps:
        for line in maps:
            if line.rstrip().endswith(exe):
                start, end = line.split()[0].split('-')
                total += int(end, 16) - int(start, 16)
    return total


def function(name):
    """A symbol without its offset, and without what GCC adds to a clone."""
    return name.split('+')[0].split('.')[0] if name else None


def test_own_file_is_not_kept():
    """All of QEMU's file, 74 MB, once stayed mapped for good."""
    before = own_mappings(Machine(*BIOS))
    machine = boot(text=False)
    assert any('caller-symbol' in e for e in read_all(machine))
    assert own_mappings(machine) == before


def check_names(machine, log, resolver, *options):
    """Each caller that QEMU named is named alike by the analyzer."""
    known = {e['caller-addr']: function(e.get('caller-symbol'))
             for e in read_all(machine)}
    environment = dict(os.environ, **({'ADDR2LINE': resolver}
                                      if resolver else {}))
    done = subprocess.run([ANALYZE, '--json', *options, log], text=True,
                          env=environment, capture_output=True, timeout=300,
                          check=True)
    named = 0
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        frames = entry.get('caller-frames')
        name = known.get(entry['caller-addr'])
        assert frames, (entry, done.stderr)
        if name:
            assert function(frames[-1]['function']) == name, (frames, name)
            assert frames[0]['file'] and frames[0]['line'], frames
            named += 1
    assert named > 1000, (named, done.stderr)
    return done.stderr


def test_documented_command():
    """ADDR2LINE=... irqlog-analyze --pid PID --binary QEMU LOG, as it stands
    in the pages, named nothing on a live QEMU."""
    log = os.path.join(folder(), 'irq.log')
    machine = boot(log_file=log)
    wait_for('the text', lambda: open(log, encoding='utf-8').read().rstrip()
             .rsplit('\n', 1)[-1].startswith('irq-log: disabled'))
    binary = os.path.realpath(QEMU)
    resolvers = [None] + [r for r in ('addr2line', 'eu-addr2line')
                          if shutil.which(r)]
    both = ('--pid', str(machine.pid), '--binary', binary)
    for resolver in resolvers:
        for options in ((), both[:2], both[2:], both):
            assert check_names(machine, log, resolver, *options) == ''


def test_changed_root():
    """A QEMU that can no longer see its own file still names functions."""
    if os.geteuid():
        raise Skip('changing the root takes root')
    root = folder()
    machine = Machine(*BIOS, '-run-with', f'chroot={root}')
    machine.cmd('irq-log-set', enable=True, text=False)
    machine.cmd('system_reset')
    wait_for('1,000 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 1000)
    entries = read_all(machine)
    assert all('caller-symbol' in entry for entry in entries), entries[:3]


def test_beside_d_int():
    """The text in QEMU's own log, between the lines of "-d int,in_asm"."""
    log = os.path.join(folder(), 'qemu.log')
    machine = boot('-d', 'int,in_asm', '-D', log, text=True)
    status = machine.cmd('query-irq-log-status')
    wait_for('the text', lambda: 'irq-log: disabled' in
             open(log, encoding='utf-8').read())
    machine.stop()
    with open(log, encoding='utf-8') as text:
        foreign = sum(not line.startswith(('irq-log: ', ' ' * 9))
                      for line in text)
    assert foreign > 1000, foreign
    done = subprocess.run([ANALYZE, '--json', log], capture_output=True,
                          text=True, timeout=300, check=True)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    lost = sum(entry.get('lost', 0) for entry in entries)
    events = [entry for entry in entries if 'lost' not in entry]
    assert len(events) + lost == status['recorded'], (len(events), lost)
    assert all(entry.get('caller-frames') for entry in events)
    assert done.stderr == ''
