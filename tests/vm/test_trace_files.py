"""Files and options that both traces are given: nothing of others is touched.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import signal
import socket
import stat
import subprocess
import time

from harness import (QEMU, Machine, Qmp, Skip, folder, read_all, ring_header,
                     wait_for)

TRACES = ('irq-log-set', 'windows-sched-trace-set')
STATUS = {'irq-log-set': 'query-irq-log-status',
          'windows-sched-trace-set': 'query-windows-sched-trace-status'}


def idle(*arguments):
    """A machine that does nothing, and has both traces."""
    return Machine('-M', 'pc', '-m', '16', *arguments, qtest=True)


def turn_on(machine, trace, **options):
    if trace == 'irq-log-set':
        options.setdefault('entries', 64)
    machine.cmd(trace, enable=True, **options)


def make_ring(path):
    """An old ring at this place."""
    machine = idle()
    turn_on(machine, 'irq-log-set', ring_file=path)
    machine.quit()
    assert ring_header(path)['magic'] == b'vmsring\0'


def write(path, data=b'precious'):
    with open(path, 'wb') as file:
        file.write(data)


def state(path):
    """All that must not change of a file."""
    st = os.lstat(path)
    data = b''
    if stat.S_ISREG(st.st_mode):
        with open(path, 'rb') as file:
            data = file.read()
    return st.st_dev, st.st_ino, st.st_mode, st.st_rdev, data


def make_foreign(where):
    """name -> a word of what must be said; files that are not ours."""
    made = {}

    def add(name, word, make):
        make(os.path.join(where, name))
        made[name] = word

    def bind(path):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)

    add('empty', 'empty', lambda path: write(path, b''))
    add('text', 'not a ring file', write)
    add('folder', 'a directory', os.mkdir)
    add('fifo', 'a FIFO', os.mkfifo)
    add('socket', 'a socket', bind)
    add('dangling', 'a symbolic link',
        lambda path: os.symlink(os.path.join(where, 'nowhere'), path))
    add('link', 'a symbolic link',
        lambda path: os.symlink(os.path.join(where, 'text'), path))
    if os.geteuid() == 0:
        try:
            add('null', 'a character device', lambda path: os.mknod(
                path, stat.S_IFCHR | 0o600, os.makedev(1, 3)))
            add('block', 'a block device', lambda path: os.mknod(
                path, stat.S_IFBLK | 0o600, os.makedev(7, 200)))
        except PermissionError:
            pass
    return made


def test_ring_file_of_others():
    """Whatever stands there that is no ring stays, with its name."""
    where = folder()
    foreign = make_foreign(where)
    before = {name: state(os.path.join(where, name)) for name in foreign}
    machine = idle()
    for trace in TRACES:
        for name, word in foreign.items():
            path = os.path.join(where, name)
            text = machine.refused(trace, enable=True, ring_file=path)
            assert path in text and word in text, (name, text)
    assert sorted(os.listdir(where)) == sorted(foreign)
    for name in foreign:
        assert state(os.path.join(where, name)) == before[name], name


def test_precious_old():
    """An old ring is not renamed over what is no ring."""
    where = folder()
    path = os.path.join(where, 'ring')
    make_ring(path)
    foreign = make_foreign(folder())
    machine = idle()
    for name in foreign:
        kept = os.path.join(where, 'ring.old')
        make_foreign(where2 := folder())
        os.rename(os.path.join(where2, name), kept)
        before = state(path), state(kept)
        for trace in TRACES:
            text = machine.refused(trace, enable=True, ring_file=path)
            assert kept in text, text
            assert (state(path), state(kept)) == before
        assert sorted(os.listdir(where)) == ['ring', 'ring.old']
        (os.rmdir if name == 'folder' else os.unlink)(kept)
    turn_on(machine, 'irq-log-set', ring_file=path)
    assert sorted(os.listdir(where)) == ['ring', 'ring.old']
    machine.cmd('irq-log-set', enable=False)
    turn_on(machine, 'irq-log-set', ring_file=path)     # over the older ring
    assert sorted(os.listdir(where)) == ['ring', 'ring.old']


def test_failed_enable_moves_nothing():
    where = folder()
    path = os.path.join(where, 'ring')
    image = os.path.join(where, 'image')
    make_ring(path)
    write(image, b'QFI\xfb' + bytes(60))
    before = state(path)
    machine = idle()
    machine.refused('irq-log-set', enable=True, ring_file=path,
                    log_file=image)
    machine.refused('irq-log-set', enable=True, ring_file=path,
                    log_file=os.path.join(where, 'no', 'log'))
    # a log that was made for nothing is gone again
    machine.refused('irq-log-set', enable=True, ring_file=image,
                    log_file=os.path.join(where, 'log'))
    assert state(path) == before
    assert sorted(os.listdir(where)) == ['image', 'ring']


def test_full_disk_moves_nothing():
    where = folder()
    if os.geteuid() != 0 or subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', where],
            stderr=subprocess.DEVNULL).returncode:
        raise Skip('cannot mount a tiny tmpfs here')
    try:
        path = os.path.join(where, 'ring')
        make_ring(path)
        before = state(path)
        machine = idle()
        for trace in TRACES:
            text = machine.refused(trace, enable=True, ring_file=path)
            assert 'needs' in text, text
        assert state(path) == before and os.listdir(where) == ['ring']
        machine.quit()
    finally:
        subprocess.run(['umount', '-l', where], check=False)


def test_live_ring_is_in_use():
    """Of the other trace, of another QEMU, by another name; not once off."""
    where = folder()
    path = os.path.join(where, 'ring')
    other = os.path.join(where, 'other')
    first, second = idle(), idle()
    for i, trace in enumerate(TRACES):
        turn_on(first, trace, ring_file=path)
        os.link(path, other)
        before = state(path)[:4]
        for machine in (first, second):
            for asked in TRACES:
                if machine is first and asked == trace:
                    continue
                for name in (path, other):
                    text = machine.refused(asked, enable=True, ring_file=name)
                    assert str(first.pid) in text, text
                    assert ('this one' in text) == (machine is first), text
        os.unlink(other)
        # nor as what an old ring would be renamed over
        os.rename(path, path + '.old')
        make_ring(path)
        text = second.refused(trace, enable=True, ring_file=path)
        assert path + '.old' in text and str(first.pid) in text, text
        os.rename(path + '.old', path)
        assert state(path)[:4] == before
        first.cmd(trace, enable=False)
        turn_on(second, TRACES[1 - i], ring_file=path)
        second.cmd(TRACES[1 - i], enable=False)
    assert sorted(os.listdir(where)) == ['ring', 'ring.old']


def test_ring_of_the_dead():
    """Nobody writes it any more, though it does not say so."""
    path = os.path.join(folder(), 'ring')
    machine = idle()
    turn_on(machine, 'irq-log-set', ring_file=path)
    machine.kill()
    machine = idle()
    turn_on(machine, 'windows-sched-trace-set', ring_file=path)
    assert ring_header(path)['content'] == 2
    assert ring_header(path + '.old')['content'] == 1


def test_two_at_once():
    """Two QEMUs and one name at the same time: one has it, one is told."""
    path = os.path.join(folder(), 'ring')
    machines = [idle(), idle()]
    for _ in range(20):
        for machine in machines:
            machine.qmps[0]._socket.sendall(
                b'{"execute": "irq-log-set", "arguments": {"enable": true, '
                b'"text": false, "entries": 64, "ring-file": "%s"}}\n'
                % path.encode())
        answers = [machine.qmps[0]._socket.recv(65536)
                   for machine in machines]
        won = [b'"return"' in answer for answer in answers]
        assert sorted(won) == [False, True], answers
        winner = machines[won.index(True)]
        assert ring_header(path)['pid'] == winner.pid
        winner.cmd('irq-log-set', enable=False)


def test_log_file_of_others():
    where = folder()
    ring = os.path.join(where, 'ring')
    make_ring(ring)
    cases = {'qcow2': b'QFI\xfb\0\0\0\3' + bytes(100),
             'letter': b'Dear reader,\nirq-log: is not at the beginning\0',
             'script': b'#!/bin/sh\necho irq-log: enabled\n'}
    for name, data in cases.items():
        write(os.path.join(where, name), data)
    os.symlink(os.path.join(where, 'nowhere'), os.path.join(where, 'dangling'))
    os.mkdir(os.path.join(where, 'folder'))
    names = [*cases, 'dangling', 'folder', 'ring']
    if os.geteuid() == 0:
        try:
            os.mknod(os.path.join(where, 'block'), stat.S_IFBLK | 0o600,
                     os.makedev(7, 200))
            os.mknod(os.path.join(where, 'zero'), stat.S_IFCHR | 0o600,
                     os.makedev(1, 5))
            names += ['block', 'zero']
        except PermissionError:
            pass
    before = {name: state(os.path.join(where, name)) for name in names}
    machine = idle()
    for name in names:
        path = os.path.join(where, name)
        text = machine.refused('irq-log-set', enable=True, log_file=path)
        assert path in text, text
    assert 'a ring file' in machine.refused('irq-log-set', enable=True,
                                            log_file=ring)
    assert sorted(os.listdir(where)) == sorted(names)
    assert {name: state(os.path.join(where, name))
            for name in names} == before


def test_log_file_that_may_be():
    where = folder()
    empty = os.path.join(where, 'empty')
    mixed = os.path.join(where, 'mixed')
    write(empty, b'')
    write(mixed, b'qemu: something else\nirq-log: enabled format=1 pid=1\n')
    machine = idle()
    for path in (empty, mixed, '/dev/null'):
        machine.cmd('irq-log-set', enable=True, log_file=path)
        machine.cmd('irq-log-set', enable=False)
    for path in (empty, mixed):
        with open(path, encoding='utf-8') as log:
            assert 'irq-log: disabled' in log.read()


def test_one_log_file_for_two():
    path = os.path.join(folder(), 'log')
    first, second = idle(), idle()
    first.cmd('irq-log-set', enable=True, log_file=path)
    text = second.refused('irq-log-set', enable=True, log_file=path)
    assert 'another QEMU' in text, text
    first.cmd('irq-log-set', enable=False)
    second.cmd('irq-log-set', enable=True, log_file=path)


def test_one_file_by_two_names():
    """A folder of QEMU's own: names are relative to it."""
    where = folder()
    saved = os.getcwd()
    os.chdir(where)
    try:
        machine = idle()
    finally:
        os.chdir(saved)
    text = machine.refused('irq-log-set', enable=True, log_file='x',
                           ring_file='./x')
    assert 'both' in text and os.path.join(where, 'x') in text, text
    os.mkdir(os.path.join(where, 'a'))
    os.symlink('a', os.path.join(where, 'b'))
    machine.refused('irq-log-set', enable=True, log_file='a/x',
                    ring_file='b/x')
    assert os.listdir(os.path.join(where, 'a')) == []
    machine.cmd('irq-log-set', enable=True, log_file='log',
                ring_file='.//ring', entries=64)
    status = machine.cmd('query-irq-log-status')
    assert status['log-file'] == os.path.join(where, 'log')
    assert status['ring-file'] == os.path.join(where, 'ring')
    machine.cmd('irq-log-set', enable=True, log_file='./log',
                ring_file=os.path.join(where, 'ring'))      # the same
    machine.cmd('windows-sched-trace-set', enable=True, ring_file='sched')
    assert machine.cmd(STATUS['windows-sched-trace-set'])['ring-file'] == \
        os.path.join(where, 'sched')


def test_other_options_while_on():
    """Success would be a lie: the trace is what it was turned on as."""
    machine = idle()
    path = machine.path('ring')
    machine.cmd('irq-log-set', enable=True, backtrace=2, entries=100)
    for same in ({}, {'backtrace': 2}, {'entries': 128, 'text': False},
                 {'msi': True, 'changes_only': False},
                 {'entries': 65}):
        machine.cmd('irq-log-set', enable=True, **same)
    for option, want in (('backtrace', 3), ('entries', 64), ('text', True),
                         ('msi', False), ('changes_only', True),
                         ('ring_file', path), ('log_file', path),
                         ('text_limit', 1 << 20)):
        text = machine.refused('irq-log-set', enable=True, **{option: want})
        assert option.replace('_', '-') in text and 'turn it off' in text, text
    text = machine.refused('irq-log-set', enable=True, backtrace=3, entries=64)
    for words in ('backtrace 2', 'backtrace 3', 'entries 128', 'entries 64'):
        assert words in text, text
    assert not os.path.exists(path)
    machine.cmd('windows-sched-trace-set', enable=True, poll_hz=500,
                overrides={'kthread-state': 0x184})
    for same in ({}, {'poll_hz': 500}, {'mode': 'sampled'},
                 {'auto_detect': True}, {'entries': 65536},
                 {'overrides': {'kthread-state': 0x184}},
                 {'sources': ['structure', 'kdbg', 'code', 'table',
                              'override']}):
        machine.cmd('windows-sched-trace-set', enable=True, **same)
    for option, want in (('poll_hz', 1000), ('mode', 'exact'),
                         ('entries', 64), ('ring_file', path),
                         ('overrides', {'kthread-state': 0x185}),
                         ('overrides', {}), ('sources', ['kdbg'])):
        text = machine.refused('windows-sched-trace-set', enable=True,
                               **{option: want})
        assert option.replace('_', '-') in text and 'turn it off' in text, text
    assert machine.cmd(STATUS['windows-sched-trace-set'])['mode'] == 'sampled'


def test_text_only_where_it_has_a_place():
    machine = idle()
    machine.cmd('irq-log-set', enable=True)
    assert machine.cmd('query-irq-log-status')['text'] is False
    machine.cmd('irq-log-set', enable=False)
    assert machine.hmp('irq_log on') == ''
    assert machine.cmd('query-irq-log-status')['text'] is False
    machine.cmd('irq-log-set', enable=False)
    assert 'irq-log' not in machine.stderr()
    machine.cmd('irq-log-set', enable=True, text=True)
    machine.cmd('irq-log-set', enable=False)
    assert 'irq-log: disabled recorded=0 lost=0' in machine.stderr()
    log = os.path.join(folder(), 'qemu.log')
    machine = idle('-D', log)
    machine.cmd('irq-log-set', enable=True)
    assert machine.cmd('query-irq-log-status')['text'] is True
    assert machine.hmp('irq_log on') == ''      # as it is
    machine.cmd('irq-log-set', enable=False)
    assert machine.hmp('irq_log on') == ''
    assert machine.cmd('query-irq-log-status')['text'] is False
    with open(log, encoding='utf-8') as file:
        assert file.read().startswith('irq-log: enabled format=1 ')


def test_text_limit():
    """A file never outgrows it; what is in .old goes on in the next."""
    machine = Machine('-M', 'pc', '-m', '64', '--preconfig')
    path = machine.path('log')
    limit = 256 << 10
    assert 'text-limit is 100' in machine.refused(
        'irq-log-set', enable=True, log_file=path, text_limit=100)
    machine.cmd('irq-log-set', enable=True, log_file=path, text_limit=limit)
    machine.cmd('x-exit-preconfig')
    wait_for('several files', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 5000)
    status = machine.cmd('query-irq-log-status')
    assert status['text-limit'] == limit and 'text-error' not in status, status
    machine.cmd('irq-log-set', enable=False)
    texts = []
    for name in (path + '.old', path):
        assert os.path.getsize(name) <= limit
        with open(name, encoding='utf-8') as log:
            texts.append(log.read())
        assert texts[-1].startswith('irq-log: enabled format=1 ')
    assert sorted(os.listdir(machine.folder)).count('log.old') == 1
    times = [[int(line.split('=')[1].split('ns')[0])
              for line in text.splitlines()
              if line.startswith('irq-log: time=')] for text in texts]
    assert len(times[0]) > 300
    got = sorted(times[0] + times[1])
    wanted = sorted(e['timestamp-ns'] for e in read_all(machine))
    assert got == wanted[-len(got):]


def test_text_limit_and_a_precious_old():
    machine = Machine('-M', 'pc', '-m', '64')
    path = machine.path('log')
    write(path + '.old')
    text = machine.refused('irq-log-set', enable=True, log_file=path)
    assert path + '.old' in text, text
    os.unlink(path + '.old')
    machine.cmd('irq-log-set', enable=True, log_file=path, text_limit=1 << 16)
    write(path + '.old')        # it comes later
    wait_for('the limit', lambda: 'text-error' in machine.cmd(
        'query-irq-log-status'))
    assert path + '.old' in machine.cmd('query-irq-log-status')['text-error']
    assert os.path.getsize(path) <= 1 << 16
    assert state(path + '.old')[4] == b'precious'
    os.unlink(path + '.old')
    wait_for('text again', lambda: 'text-error' not in machine.cmd(
        'query-irq-log-status'))
    assert os.path.exists(path + '.old')


def test_text_limit_of_qemus_log():
    """It is not ours to rename: there is no more text than that."""
    log = os.path.join(folder(), 'qemu.log')
    machine = Machine('-M', 'pc', '-m', '64', '-D', log)
    machine.cmd('irq-log-set', enable=True, text_limit=1 << 16)
    wait_for('the limit', lambda: 'text-error' in machine.cmd(
        'query-irq-log-status'))
    wait_for('more', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 3000)
    assert os.path.getsize(log) <= 1 << 16
    machine.cmd('irq-log-set', enable=False)
    assert machine.cmd('query-irq-log-status')['text-lost'] > 0
    with open(log, encoding='utf-8') as text:
        assert text.read().splitlines()[-1].startswith('irq-log: disabled')


def test_reopened_after_rotation():
    machine = idle()
    path = machine.path('log')
    machine.cmd('irq-log-set', enable=True, log_file=path)
    machine.cmd('irq-log-set', enable=True)             # nothing happened
    assert os.listdir(machine.folder).count('log') == 1
    for name in ('log.1', 'log.old'):                   # as logrotate does
        os.rename(path, machine.path(name))
        machine.cmd('irq-log-set', enable=True)
        with open(path, encoding='utf-8') as log:
            assert log.read().startswith('irq-log: enabled format=1 ')
        assert os.path.getsize(machine.path(name)) > 0
    os.rename(path, machine.path('log.2'))
    write(path)
    text = machine.refused('irq-log-set', enable=True)
    assert 'goes on where it went' in text and path in text, text
    machine.cmd('irq-log-set', enable=False)
    with open(machine.path('log.2'), encoding='utf-8') as log:
        assert 'irq-log: disabled' in log.read()


def test_reopened_after_logfile():
    """HMP's logfile moves QEMU's log; the text follows when asked to."""
    where = folder()
    first, second = (os.path.join(where, name) for name in ('f', 'g'))
    machine = idle('-D', first)
    machine.cmd('irq-log-set', enable=True)
    assert machine.hmp(f'logfile {second}') == ''
    assert machine.hmp('irq_log on') == ''
    machine.cmd('irq-log-set', enable=False)
    with open(second, encoding='utf-8') as log:
        text = log.read()
    assert 'irq-log: enabled' in text and 'irq-log: disabled' in text
    with open(first, encoding='utf-8') as log:
        assert 'irq-log: disabled' not in log.read()


def test_daemon_says_where_files_are():
    """A QEMU in the background has / for its folder."""
    if 'ASAN_OPTIONS' in os.environ:
        raise Skip("ASan's allocator may be locked for ever after a fork")
    where = folder()
    pid_file = os.path.join(where, 'pid')
    qmp = os.path.join(where, 'qmp')
    subprocess.run([QEMU, '-M', 'none', '-display', 'none', '-daemonize',
                    '-pidfile', pid_file, '-qmp',
                    f'unix:{qmp},server=on,wait=off'], cwd=where, check=True,
                   timeout=60, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(pid_file, encoding='utf-8') as file:
        pid = int(file.read())
    name = f'vmscope-test-{pid}'
    try:
        class Process:      # what Qmp asks of one
            def poll(self):
                return None
        monitor = Qmp(qmp, Process())
        monitor.command('irq-log-set', {'enable': True, 'entries': 64,
                                        'log-file': name + '.log',
                                        'ring-file': name})
        status = monitor.command('query-irq-log-status')
        assert status['log-file'] == f'/{name}.log', status
        assert status['ring-file'] == f'/{name}', status
        assert os.path.exists(status['ring-file'])
        monitor.close()
    finally:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while os.path.exists(f'/proc/{pid}') and time.monotonic() < deadline:
            time.sleep(0.05)
        for left in (f'/{name}', f'/{name}.log'):
            if os.path.exists(left):
                os.unlink(left)
