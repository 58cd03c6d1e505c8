"""The contract of the IRQ log's commands: defaults, filters, refusals.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import stat
import subprocess
import time

from harness import Machine, Skip, folder, read_all, wait_for

BIOS = ('-M', 'pc', '-m', '64')


def boot_logged(*arguments, **options):
    """SeaBIOS under TCG, with a few thousand events in the ring."""
    machine = Machine(*BIOS, *arguments, '--preconfig')
    machine.cmd('irq-log-set', enable=True, **options)
    machine.cmd('x-exit-preconfig')
    wait_for('1,000 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 1000)
    return machine


def test_never_enabled():
    machine = Machine('-M', 'none')
    assert machine.cmd('query-irq-log') == []
    status = machine.cmd('query-irq-log-status')
    assert status['enabled'] is False and status['entries'] == 0
    assert status['recorded'] == 0 and status['overwritten'] == 0
    assert machine.cmd('irq-log-set', enable=False) == {}
    assert 'IRQ log off' in machine.hmp('info irq-log')


def test_entry_members():
    machine = boot_logged(text=False, backtrace=2)
    entries = machine.cmd('query-irq-log', max_entries=1000)
    for entry in entries:
        assert {'seq', 'timestamp-ns', 'level', 'irq-line', 'kind', 'path',
                'host-tid', 'thread-name', 'caller-addr',
                'depth'} <= set(entry), entry
    assert any('caller-symbol' in entry for entry in entries)
    assert any(len(entry.get('backtrace', [])) == 2 for entry in entries)
    roles = {entry.get('thread-role') for entry in entries}
    assert roles & {'vcpu 0', 'main-loop'}, roles
    times = [entry['timestamp-ns'] for entry in entries]
    assert times == sorted(times)
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert now - 60e9 < times[0] <= times[-1] <= now


def test_depth_groups_fan_out():
    machine = boot_logged(text=False)
    machine.cmd('irq-log-set', enable=False)
    entries = read_all(machine)
    fanned = 0
    for before, entry in zip(entries, entries[1:]):
        if entry['depth'] and before['host-tid'] == entry['host-tid']:
            assert entry['depth'] <= before['depth'] + 1
            fanned += before['caller-symbol'] != entry['caller-symbol']
    gsi = [e for e in entries if e.get('handler-symbol') == 'gsi_handler'
           and e['caller-symbol'].startswith(('serial', 'kbd_update', 'piix'))
           and e['depth'] == 0]
    assert gsi, 'no board line was raised by a device itself'
    pic = [(before, e) for before, e in zip(entries, entries[1:])
           if e.get('handler-symbol') == 'pic_set_irq' and
           e['caller-symbol'].startswith('gsi_handler')]
    assert pic and all(e['depth'] == before['depth'] + 1 for before, e in pic)
    assert fanned > 100


def test_filters():
    machine = boot_logged(text=False, entries=1 << 20)
    machine.cmd('irq-log-set', enable=False)
    every = read_all(machine)
    some = every[len(every) // 2]
    for name, key in (('filter_tid', 'host-tid'),
                      ('filter_line', 'irq-line'), ('filter_path', 'path'),
                      ('filter_kind', 'kind')):
        want = [e['seq'] for e in every if e[key] == some[key]]
        got = [e['seq'] for e in read_all(machine, **{name: some[key]})]
        assert got == want, (name, len(got), len(want))
    want = [e['seq'] for e in every if 'gpio-in[' in e['path']]
    assert want == [e['seq'] for e in read_all(
        machine, filter_path='/machine/*gpio-i?[*')]
    assert read_all(machine, filter_path='nothing') == []
    assert read_all(machine, filter_kind='msi') == []


def test_paging_and_newest():
    machine = boot_logged(text=False, entries=1 << 20)
    machine.cmd('irq-log-set', enable=False)
    status = machine.cmd('query-irq-log-status')
    seqs = [e['seq'] for e in read_all(machine)]
    assert seqs == list(range(1, status['recorded'] + 1))
    newest = machine.cmd('query-irq-log', max_entries=10)
    assert [e['seq'] for e in newest] == seqs[-10:]
    assert len(machine.cmd('query-irq-log')) == 1000
    page = machine.cmd('query-irq-log', after=100, max_entries=3)
    assert [e['seq'] for e in page] == [101, 102, 103]
    assert machine.cmd('query-irq-log', after=seqs[-1]) == []
    assert machine.cmd('query-irq-log', after=2**64 - 1) == []
    assert machine.cmd('query-irq-log', max_entries=0) == []


def reply_of(machine, execute='execute', **arguments):
    """The bytes of a reply, and what is in it."""
    sock = machine.qmps[0]._socket
    sock.sendall(json.dumps({
        execute: 'query-irq-log', 'id': 1, 'arguments': {
            key.replace('_', '-'): value for key, value in arguments.items()}
        }).encode() + b'\n')
    data = bytearray()
    while not data.endswith(b'\n'):
        data += sock.recv(1 << 20)
    return len(data), json.loads(data)['return']


def test_replies_are_pages():
    """However many are asked for: libvirt and virsh must be able to read it."""
    machine = Machine(*BIOS, '-device', 'virtio-net-pci', oob=True)
    machine.cmd('irq-log-set', enable=True, text=False, entries=1 << 17,
                backtrace=16)
    wait_for('20,000 events', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 20000, 120)
    machine.cmd('irq-log-set', enable=False)
    newest = machine.cmd('query-irq-log', max_entries=1)[0]['seq']
    for execute, most in (('execute', 1000), ('exec-oob', 100000)):
        size, last = reply_of(machine, execute, max_entries=100000)
        assert size < 2 << 20 and len(last) <= most, (size, len(last))
        assert last[-1]['seq'] == newest
        after = newest - 10000
        seqs, pages = [], 0
        while True:
            size, page = reply_of(machine, execute, max_entries=100000,
                                  after=after)
            if not page:
                break
            assert size < 2 << 20 and len(page) <= most, (size, len(page))
            seqs += [entry['seq'] for entry in page]
            after = max(entry['seq'] for entry in page)
            pages += 1
        assert sorted(seqs) == list(range(newest - 9999, newest + 1))
        assert pages < 30, pages
    assert len(page) == 0
    shown = machine.hmp('info irq-log -n 2500').splitlines()
    assert len(shown) == 2501, len(shown)
    assert 'more than' in machine.hmp('info irq-log -n 100001')


def test_ring_overwrites():
    machine = boot_logged(text=False, entries=100)
    machine.cmd('irq-log-set', enable=False)
    status = machine.cmd('query-irq-log-status')
    assert status['entries'] == 128
    entries = read_all(machine)
    assert len(entries) == 128
    assert status['recorded'] == status['overwritten'] + len(entries)


def test_fresh_ring_when_enabled_again():
    machine = boot_logged(text=False)
    machine.cmd('irq-log-set', enable=True)         # no error, no-op
    text = machine.refused('irq-log-set', enable=True, entries=64)
    assert 'entries 65536' in text and 'entries 64' in text, text
    assert machine.cmd('query-irq-log-status')['entries'] == 65536
    machine.cmd('irq-log-set', enable=False)
    machine.cmd('irq-log-set', enable=False)
    before = machine.cmd('query-irq-log-status')['recorded']
    assert machine.cmd('query-irq-log', max_entries=1)[0]['seq'] == before
    machine.cmd('stop')
    machine.cmd('irq-log-set', enable=True, text=False, entries=64)
    assert machine.cmd('query-irq-log-status')['recorded'] < before
    assert machine.cmd('query-irq-log-status')['entries'] == 64


def test_changes_only():
    machine = boot_logged(text=False, changes_only=True, entries=1 << 20)
    machine.cmd('irq-log-set', enable=False)
    last = {}
    for entry in read_all(machine):
        line = (entry['path'], entry['irq-line'], entry['handler-symbol'])
        if entry['path'] != '(anonymous)':
            assert last.get(line) != entry['level'], entry
        last[line] = entry['level']


def test_refusals_name_the_value():
    machine = Machine('-M', 'none')
    where = machine.folder
    text = machine.refused('irq-log-set', enable=True, entries=4194305)
    assert '4194305' in text and '4194304' in text
    assert 'entries is 0' in machine.refused('irq-log-set', enable=True,
                                             entries=0)
    assert 'backtrace is 17' in machine.refused('irq-log-set', enable=True,
                                                backtrace=17)
    assert 'at most 100000' in machine.refused('query-irq-log',
                                               max_entries=100001)
    missing = os.path.join(where, 'no', 'such', 'folder')
    for member in ('log_file', 'ring_file'):
        text = machine.refused('irq-log-set', enable=True,
                               **{member: missing})
        assert missing in text, text
    assert 'text is off' in machine.refused(
        'irq-log-set', enable=True, text=False, log_file=machine.path('x'))
    same = machine.path('same')
    assert same in machine.refused('irq-log-set', enable=True, log_file=same,
                                   ring_file=same)
    assert machine.cmd('query-irq-log-status')['enabled'] is False


def test_foreign_file_is_not_overwritten():
    machine = Machine('-M', 'none')
    path = machine.path('precious.img')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('a disk image, say')
    text = machine.refused('irq-log-set', enable=True, ring_file=path)
    assert path in text and 'not a ring file' in text
    with open(path, encoding='utf-8') as file:
        assert file.read() == 'a disk image, say'


def test_old_ring_file_is_kept():
    machine = Machine('-M', 'none')
    path = machine.path('ring')
    for _ in range(2):
        machine.cmd('irq-log-set', enable=True, text=False, ring_file=path)
        machine.cmd('irq-log-set', enable=False)
    assert os.path.exists(path) and os.path.exists(path + '.old')
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_text_goes_where_it_should():
    where = folder()
    log = os.path.join(where, 'qemu.log')
    machine = Machine('-M', 'none', '-D', log)
    machine.cmd('irq-log-set', enable=True)
    machine.cmd('irq-log-set', enable=False)
    with open(log, encoding='utf-8') as file:
        assert file.read().startswith('irq-log: enabled format=1 ')
    machine = Machine('-M', 'none')
    machine.cmd('irq-log-set', enable=True, text=True)
    machine.cmd('irq-log-set', enable=False)
    assert 'irq-log: disabled recorded=0 lost=0' in machine.stderr()
    path = machine.path('irq.log')
    for _ in range(2):
        machine.cmd('irq-log-set', enable=True, log_file=path)
        machine.cmd('irq-log-set', enable=False)
    with open(path, encoding='utf-8') as file:
        assert file.read().count('irq-log: enabled ') == 2     # appended
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_text_to_fdset():
    """A management program hands in the file, as libvirt does."""
    path = os.path.join(folder(), 'log')
    with open(path, 'ab') as log:
        machine = Machine('-M', 'none', '-add-fd',
                          f'fd={log.fileno()},set=7',
                          pass_fds=(log.fileno(),))
    machine.cmd('irq-log-set', enable=True, log_file='/dev/fdset/7')
    machine.cmd('irq-log-set', enable=False)
    with open(path, encoding='utf-8') as log:
        assert 'irq-log: disabled recorded=0 lost=0' in log.read()
    text = machine.refused('irq-log-set', enable=True,
                           log_file='/dev/fdset/8')
    assert '/dev/fdset/8' in text, text


def test_pipe_that_nobody_reads():
    """Turning off must not wait for ever, nor the guest at all."""
    machine = boot_logged(text=False)
    machine.cmd('irq-log-set', enable=False)
    fifo = machine.path('fifo')
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    machine.cmd('irq-log-set', enable=True, log_file=fifo)
    wait_for('more than a pipe holds', lambda: machine.cmd(
        'query-irq-log-status')['recorded'] > 800)
    started = time.monotonic()
    machine.cmd('irq-log-set', enable=False)
    assert time.monotonic() - started < 10
    status = machine.cmd('query-irq-log-status')
    wait_for('the writer to give up', lambda: machine.cmd(
        'query-irq-log-status')['text-lost'] > 0)
    assert status['recorded'] == machine.cmd(
        'query-irq-log-status')['recorded']
    os.close(reader)


def test_full_disk():
    """Text that finds no room says so, and is complete when room comes."""
    where = folder()
    if os.geteuid() != 0 or subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', where],
            stderr=subprocess.DEVNULL).returncode:
        raise Skip('cannot mount a tiny tmpfs here')
    try:
        machine = boot_logged(log_file=os.path.join(where, 'log'))
        wait_for('the disk to be full', lambda: 'text-error' in machine.cmd(
            'query-irq-log-status'))
        assert 'No space left' in machine.cmd(
            'query-irq-log-status')['text-error']
        assert 'No space left' in machine.hmp('info irq-log')
        machine.cmd('irq-log-set', enable=False)
        status = machine.cmd('query-irq-log-status')
        assert status['text-lost'] > 0 and status['recorded'] > 0
        text = machine.refused('irq-log-set', enable=True, text=False,
                               ring_file=os.path.join(where, 'ring'))
        assert 'needs' in text and 'ring' in text, text
        machine.quit()
    finally:
        subprocess.run(['umount', '-l', where], check=False)


def test_monitor_commands():
    machine = boot_logged(text=False)
    machine.cmd('irq-log-set', enable=False)
    shown = machine.hmp('info irq-log -n 5').splitlines()
    assert len(shown) == 6 and 'level=' in shown[-1], shown
    assert len(machine.hmp('info irq-log').splitlines()) == 21
    assert "'x'" in machine.hmp('info irq-log -n x')
    assert 'neither' in machine.hmp('irq_log maybe')
    path = machine.path('hmp.log')
    assert machine.hmp(f'irq_log on {path}') == ''
    assert machine.cmd('query-irq-log-status')['log-file'] == path
    assert machine.hmp('irq_log off') == ''
    assert machine.cmd('query-irq-log-status')['enabled'] is False


def test_quit_while_logging():
    path = os.path.join(folder(), 'irq.log')
    machine = boot_logged(log_file=path)
    assert machine.quit() == 0
    with open(path, encoding='utf-8') as log:
        assert 'irq-log: disabled recorded=' in log.read()[-200:]


def test_status_clock():
    machine = Machine('-M', 'none')
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    clock = machine.cmd('query-irq-log-status')['clock']
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert before <= clock['monotonic-ns'] <= after
    assert abs(clock['realtime-ns'] - time.time_ns()) < 10e9
    json.dumps(clock)
