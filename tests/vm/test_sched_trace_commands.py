"""The contract of the scheduler trace's commands: defaults, filters, refusals.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import stat
import struct
import time
import unicodedata

from harness import (Machine, QmpError, Skip, blocked_main_loop, ring_header,
                     wait_for)
from sched import (QUERY, SET, STATUS, guest, offset, read_all, recorded,
                   samples, start, state, status, trace, wait_for_state,
                   wait_for_switches)

# The 26100 row of data/windows-x64-offsets.csv.
PRCB_POINTER = 0x20
PRCB_BLOCK = 0x180
CURRENT_THREAD = 0x8

DENSE = 0xffffffff


def test_never_enabled():
    machine = Machine('-M', 'none')
    assert machine.cmd(QUERY) == []
    now = status(machine)
    assert now['state'] == 'disabled' and 'reason' not in now
    assert now['entries'] == now['recorded'] == now['overwritten'] == 0
    assert now['offsets'] == [] and now['vcpus'] == []
    assert machine.cmd(SET, enable=False) == {}
    assert 'trace disabled' in machine.hmp('info windows-sched-trace')


def test_no_vcpu():
    machine = Machine('-M', 'none')
    machine.cmd(SET, enable=True)
    wait_for('a look', lambda: 'no vCPU' in status(machine).get('reason', ''))
    assert state(machine) == 'waiting'
    machine.cmd(SET, enable=False)
    assert state(machine) == 'disabled'


def test_no_windows():
    machine = Machine('-M', 'pc', '-m', '64')
    machine.cmd(SET, enable=True)
    wait_for('some attempts', lambda: status(machine).get(
        'detection', {}).get('attempts', 0) >= 3)
    now = status(machine)
    assert now['state'] == 'waiting' and now['reason'], now
    assert 'windows-build' not in now and now['offsets'] == []
    assert now['detection']['kernels'] == 0
    assert [v['known'] for v in now['vcpus']] == [False]
    assert machine.cmd(QUERY) == []


def test_finds_the_guest():
    machine = start()
    trace(machine)
    now = status(machine)
    assert now['state'] == 'active' and 'reason' not in now, now
    assert now['mode'] == 'sampled' and now['exact'] is False
    assert now['poll-hz'] == 1000
    assert now['windows-build'] == 26100 and now['windows-version'] == '10.0'
    assert now['kernel-base'] >> 63 and now['kernel-base'] % 4096 == 0
    assert now['kernel-file']['exact'] is True
    assert now['kernel-file']['version'] == '10.0.26100.1742'
    assert now['detection']['kernels'] == 1
    assert now['detection']['kdbg'] == 'encoded'
    assert now['entries'] == 2 * 65536
    vcpus = now['vcpus']
    assert [v['vcpu'] for v in vcpus] == [0, 1]
    assert [v['number'] for v in vcpus] == [0, 1]
    assert len({v['kpcr'] for v in vcpus}) == 2
    for vcpu in vcpus:
        assert vcpu['present'] and vcpu['known']
        assert vcpu['samples'] == vcpu['samples-poll'] > 0
        assert vcpu['read-faults'] == 0
    assert offset(machine, 'prcb-current-thread')['value'] == CURRENT_THREAD
    names = [o['name'] for o in now['offsets']]
    assert len(set(names)) == len(names) > 20


def test_modules():
    machine = start(config='build=26100 decoys=on')
    assert 'no Windows kernel is known' in \
        machine.refused('query-windows-modules')
    trace(machine)
    now = status(machine)
    found = machine.cmd('query-windows-modules')
    assert 'reason' not in found, found
    assert [m['name'] for m in found['modules']] == [
        'ntoskrnl.exe', 'hal.dll', 'lookalike.sys'], found
    assert found['modules'][0]['base'] == now['kernel-base'], found
    assert found['modules'][0]['timestamp'] == \
        now['kernel-file']['timestamp'], found
    assert now['kernel-build'] == 26100, now


def test_processes():
    """Paths are the names in Unicode; the guest's Korean bytes are UTF-8."""
    machine = start(config='build=26100 processes=8 churn=off')
    assert 'no Windows kernel is known' in \
        machine.refused('query-windows-processes')
    trace(machine)
    wait_for('the list of processes', lambda: 'reason' not in machine.cmd(
        'query-windows-processes'))
    found = machine.cmd('query-windows-processes')
    paths = {p['process-image']: p.get('process-path')
             for p in found['processes']}
    assert found['processes'][0]['unique-process-id'] == 4, found
    assert paths['System'] is None and paths['Registry'] is None, paths
    folder = '\\Device\\HarddiskVolume3\\'
    system = folder + 'Windows\\System32\\'
    assert paths['smss.exe'] == system + 'smss.exe', paths
    assert paths['fifteen-chars.e'] == system + 'fifteen-chars.exe', paths
    assert paths['한글.exe'] == folder + '사용자\\한글.exe', paths
    assert {p['parent'] for p in found['processes'][1:]} == {4}, found


def test_serviced_file():
    """A file of 26100 whose ETHREAD is larger; nothing that is used moved."""
    machine = start(config='build=26100 ethread_size=0x798 '
                    'timestamp=0x93dad125 image-size=0x1450000')
    trace(machine)
    now = status(machine)
    assert now['kernel-file']['version'] == '10.0.26100.4946', now
    assert not now['kernel-file']['exact'], now
    assert now['kernel-build'] == now['windows-build'] == 26100, now
    wait_for('the place of names', lambda: 'value' in offset(
        machine, 'ethread-thread-name'))
    assert offset(machine, 'ethread-thread-name')['value'] == 0x6a0


def test_too_old():
    """What is before Windows 7 is called by its name."""
    machine = start(config='build=7600 nt-build=6002')
    machine.cmd(SET, enable=True)
    wait_for('its name', lambda: 'Vista SP2 or Server 2008 SP2, build 6002'
             in status(machine).get('reason', ''))
    assert recorded(machine) == 0, status(machine)


def test_entry_members():
    # So few threads that vCPUs are idle also where the host is busy.
    machine = start(config='build=26100 threads=3 user-percent=0')
    trace(machine)
    wait_for_switches(machine, 200)
    for rare in ('thread-name', 'idle', 'wait-reason-name'):
        wait_for(f'an entry with {rare}', lambda: any(
            rare in entry for entry in read_all(machine)))
    machine.cmd(SET, enable=False)
    entries = read_all(machine)
    first = {}
    for entry in entries:
        assert entry['thread-pointer'] >> 63
        assert entry['vcpu'] in (0, 1) and entry['origin'] == 'poll'
        if entry['vcpu'] not in first:
            first[entry['vcpu']] = entry
            assert 'previous-thread-pointer' not in entry
        else:
            assert entry['previous-thread-pointer'] != entry['thread-pointer']
    assert sorted(e['seq'] for e in entries) == list(
        range(1, len(entries) + 1))
    whole = [e for e in entries if {
        'process-pointer', 'unique-process-id', 'unique-thread-id',
        'process-image', 'kthread-state', 'state-name', 'priority'} <= set(e)]
    assert len(whole) > len(entries) // 2
    assert all(e['unique-thread-id'] % 4 == 0 for e in whole)
    assert all(e['idle'] is True for e in entries if 'idle' in e)
    times = [entry['timestamp-ns'] for entry in entries]
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert times == sorted(times) and now - 60e9 < times[0] <= times[-1] <= now


def test_filters():
    machine = start()
    trace(machine)
    wait_for_switches(machine, 500)
    machine.cmd(SET, enable=False)
    every = read_all(machine)
    some = next(e for e in every if e.get('unique-process-id'))
    for name, key in (('filter_vcpu', 'vcpu'),
                      ('filter_pid', 'unique-process-id'),
                      ('filter_tid', 'unique-thread-id')):
        wanted = [e for e in every if e.get(key) == some[key]]
        got = machine.cmd(QUERY, max_entries=100000, **{name: some[key]})
        assert got == wanted and 0 < len(got) < len(every), (name, len(got))
    both = machine.cmd(QUERY, max_entries=100000, filter_vcpu=some['vcpu'],
                       filter_tid=some['unique-thread-id'])
    assert both == [e for e in every if e['vcpu'] == some['vcpu'] and
                    e.get('unique-thread-id') == some['unique-thread-id']]
    assert machine.cmd(QUERY, filter_vcpu=77) == []


def test_dense():
    """Without sleeping: more samples than any rate gives, until it ends."""
    machine = start()
    machine.cmd(SET, enable=True, poll_hz=DENSE, dense_ms=1500)
    wait_for('dense polling', lambda: status(machine).get('longest-gap-ns'))
    begun = status(machine)
    assert begun['poll-hz'] == DENSE and begun['dense'] in ('on', 'yielded')
    wait_for('100,000 samples', lambda: max(
        v['samples-poll'] for v in status(machine)['vcpus']) > 100000)
    wait_for('the end', lambda: status(machine)['dense'] == 'ended')
    wait_for_switches(machine, 300)
    now = status(machine)
    assert now['state'] == 'active', now
    assert 0 < now['longest-gap-ns'] < 60e9, now
    machine.cmd(SET, enable=False)


def test_paging():
    machine = start()
    trace(machine)
    wait_for_switches(machine, 300)
    machine.cmd(SET, enable=False)
    every = read_all(machine)
    assert read_all(machine, page=7) == every
    assert machine.cmd(QUERY, max_entries=5) == every[-5:]
    assert machine.cmd(QUERY, max_entries=0) == []
    last = max(e['seq'] for e in every)
    assert machine.cmd(QUERY, after=last) == []
    assert machine.cmd(QUERY, after=(1 << 64) - 1) == []
    assert machine.cmd(QUERY, after=last - 1)[0]['seq'] == last


def test_small_ring_overwrites():
    machine = start('-name', 'small', smp='1')
    trace(machine, entries=1)
    now = status(machine)
    assert now['entries'] == 64
    wait_for_switches(machine, 200)
    machine.cmd(SET, enable=False)
    now = status(machine)
    entries = read_all(machine)
    assert len(entries) == 64
    assert now['recorded'] == now['overwritten'] + 64


def test_the_same_state_is_no_error():
    machine = start()
    trace(machine)
    entries = status(machine)['entries']
    machine.cmd(SET, enable=True)
    machine.cmd(SET, enable=True, poll_hz=1000)
    text = machine.refused(SET, enable=True, entries=64, poll_hz=7)
    assert 'poll-hz 1000' in text and 'entries 64' in text, text
    assert status(machine)['entries'] == entries
    assert status(machine)['poll-hz'] == 1000
    machine.cmd(SET, enable=False)
    machine.cmd(SET, enable=False)
    before = recorded(machine)
    assert state(machine) == 'disabled'
    assert machine.cmd(QUERY, max_entries=1)[0]['seq'] == before
    time.sleep(0.1)
    assert recorded(machine) == before
    machine.cmd('stop')
    machine.cmd(SET, enable=True, entries=64)
    assert recorded(machine) < before
    assert status(machine)['entries'] == 128


def test_refusals_name_the_value():
    machine = Machine('-M', 'none')

    def refused(**options):
        return machine.refused(SET, enable=True, **options)

    assert 'entries is 0' in refused(entries=0)
    text = refused(entries=4194305)
    assert '4194305' in text and '4194304' in text
    assert 'poll-hz is 100001' in refused(poll_hz=100001)
    assert 'dense-ms is for dense polling' in refused(dense_ms=5)
    assert 'dense-ms is 0' in refused(poll_hz=DENSE, dense_ms=0)
    text = refused(overrides={'kthread-state': 65536})
    assert 'kthread-state is 65536' in text
    text = refused(auto_detect=False)
    assert 'kpcr-current-prcb and prcb-current-thread' in text
    text = refused(auto_detect=False, overrides={'kpcr-current-prcb': 32})
    assert 'prcb-current-thread' in text and 'kpcr' not in text
    text = refused(auto_detect=False, overrides={'prcb-current-thread': 8})
    assert 'kpcr-current-prcb' in text and 'thread' not in text
    assert 'sources' in refused(
        auto_detect=False, sources=['table'],
        overrides={'kpcr-current-prcb': 32, 'prcb-current-thread': 8})
    assert 'sources is empty' in refused(sources=[])
    missing = os.path.join(machine.folder, 'no', 'such', 'folder')
    assert missing in refused(ring_file=missing)
    assert 'at most 100000' in machine.refused(QUERY, max_entries=100001)
    assert state(machine) == 'disabled'


def test_encrypted_guest_is_refused():
    try:
        machine = Machine(
            '-M', 'q35,confidential-guest-support=sev0', '-object',
            'sev-guest,id=sev0,cbitpos=47,reduced-phys-bits=1', '-preconfig')
    except QmpError as error:
        raise Skip('this QEMU knows no encrypted guests') from error
    assert 'encrypted' in machine.refused(SET, enable=True)
    assert state(machine) == 'disabled'


def test_foreign_file_is_not_overwritten():
    machine = Machine('-M', 'none')
    path = machine.path('precious.img')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('a disk image, say')
    text = machine.refused(SET, enable=True, ring_file=path)
    assert path in text and 'not a ring file' in text
    with open(path, encoding='utf-8') as file:
        assert file.read() == 'a disk image, say'


def test_ring_file():
    """What another process finds in it, by docs/formats/ring-v1.md alone."""
    machine = start()
    path = machine.path('ring')
    trace(machine, ring_file=path)
    assert status(machine)['ring-file'] == path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    machine.cmd(SET, enable=False)
    header = ring_header(path)
    assert header['magic'] == b'vmsring\0' and header['content'] == 2
    assert header['n_rings'] == 1 and header['pid'] == machine.pid
    assert header['size'] == os.path.getsize(path)
    with open(path, 'rb') as ring:
        data = ring.read()
    head, = struct.unpack_from('<Q', data, header['heads_offset'])
    assert head == recorded(machine) > 0
    states = []
    for seq in range(1, head + 1):
        slot = header['slots_offset'] + (
            seq % header['entries']) * header['slot_size']
        states.append(struct.unpack_from('<Q', data, slot)[0])
    assert states == [2 * seq for seq in range(1, head + 1)]
    machine.cmd(SET, enable=True, ring_file=path)
    assert os.path.exists(path + '.old')
    assert ring_header(path + '.old')['magic'] == b'vmsring\0'


def test_overrides_alone():
    """The pointer's place and the block's own are both understood."""
    for prcb in (PRCB_POINTER, PRCB_BLOCK):
        machine = start()
        trace(machine, auto_detect=False,
              overrides={'kpcr-current-prcb': prcb,
                         'prcb-current-thread': CURRENT_THREAD})
        assert state(machine) == 'active', status(machine)
        found = offset(machine, 'prcb-current-thread')
        assert found['source'] == 'override', found
        entries = machine.cmd(QUERY)
        assert entries
        for entry in entries:
            assert not {'unique-process-id', 'process-image', 'thread-name',
                        'kthread-state', 'priority'} & set(entry), entry
        machine.quit()


def test_override_that_does_not_fit():
    machine = start()
    trace(machine, overrides={'kthread-client-id': 0x18})
    now = status(machine)
    assert now['state'] == 'degraded' and 'do not fit' in now['reason'], now
    wrong = next(o for o in now['offsets'] if o.get('source') == 'override')
    assert wrong['value'] == 0x18 and wrong['standing'] == 'refuted', wrong
    assert wrong['found'] > 0x400, wrong


def test_sources():
    machine = start()
    trace(machine, sources=['table', 'structure'])
    sources = {o['source'] for o in status(machine)['offsets']
               if 'source' in o}
    assert sources and sources <= {'table', 'structure'}, sources


def test_exact_mode_says_what_it_is():
    """Every switch is recorded, or the state says why not."""
    machine = start()
    trace(machine, mode='exact')
    now = status(machine)
    assert now['mode'] == 'exact'
    assert now['exact'] == (now['state'] == 'active')
    if not now['exact']:
        assert now['state'] == 'degraded' and now['reason']
    wait_for_switches(machine)


def test_exits_alone():
    """poll-hz 0: only vCPUs that exit are looked at."""
    machine = start(kvm=True)
    machine.cmd(SET, enable=True, poll_hz=0)
    wait_for_state(machine, 'active')

    def kick():
        machine.hmp('info registers -a')    # each vCPU comes out for it
        return samples(machine, 'samples-exit') >= 100

    wait_for('100 exits', kick)
    now = status(machine)
    assert now['poll-hz'] == 0
    for vcpu in now['vcpus']:
        assert vcpu['samples-poll'] == 0 and vcpu['samples-exit'] > 0, vcpu
        assert 0 < vcpu['longest-ns'] <= vcpu['cost-ns'], vcpu
    origins = {e['origin'] for e in machine.cmd(QUERY)}
    assert origins == {'exit'}, origins


def test_out_of_band_while_blocked():
    """The main loop waits; the trace goes on and can be read."""
    machine = start(oob=True, monitors=3)
    trace(machine)
    with blocked_main_loop(machine):
        second = machine.qmps[2]
        before = second.out_of_band(STATUS)
        assert before['state'] == 'active'
        assert len(second.out_of_band(QUERY, {'max-entries': 5})) == 5
        wait_for('looks', lambda: second.out_of_band(STATUS)['vcpus'][0][
            'samples'] > before['vcpus'][0]['samples'])
    assert machine.quit() == 0


def test_monitor_commands():
    machine = start()
    assert machine.hmp('windows_sched_trace on') == ''
    wait_for_switches(machine)
    machine.cmd(SET, enable=False)
    shown = machine.hmp('info windows-sched-trace -n 5').splitlines()
    assert 'trace disabled' in shown[0], shown
    assert sum('thread=0x' in line for line in shown) == 5, shown
    shown = machine.hmp('info windows-sched-trace').splitlines()
    assert sum('thread=0x' in line for line in shown) == 20
    assert not any(ord(c) < 32 for line in shown for c in line)
    assert "'x'" in machine.hmp('info windows-sched-trace -n x')
    assert 'neither' in machine.hmp('windows_sched_trace maybe')
    machine.hmp('windows_sched_trace on')
    wait_for_state(machine, 'active')
    shown = machine.hmp('info windows-sched-trace')
    assert 'trace active' in shown and 'build 26100' in shown, shown
    assert machine.hmp('windows_sched_trace off') == ''
    assert state(machine) == 'disabled'


def test_before_the_machine_is_built():
    machine = Machine(*guest(), '--preconfig')
    machine.cmd(SET, enable=True)
    assert state(machine) == 'waiting'
    assert machine.cmd(QUERY) == []
    machine.cmd('x-exit-preconfig')
    wait_for_switches(machine)
    assert state(machine) == 'active'
    assert len(status(machine)['vcpus']) == 2


def test_status_clock():
    machine = Machine('-M', 'none')
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    clock = status(machine)['clock']
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert before <= clock['monotonic-ns'] <= after
    assert abs(clock['realtime-ns'] - time.time_ns()) < 10e9


def nasty_images():
    """What the guest calls its processes with image-names=bytes."""
    return {bytes(name[:15]) for name in (
        b'\xb0\xe8\xbb\xea\xb1\xe2.exe', b'row\r\n1,\x1b[31m.ex',
        b'\x80\x9b\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\xf6\xf7\xf8\xf9\xfa',
        b'a\xc2\x9b1m\xe2\x80\xaegpj', b'=1+1.exe', b'</script>"<b>&',
        b'\\xb0\xb0.exe', b'\xb1\xe2\x7f\x08\x07.exe')}


def test_image_names_of_any_bytes():
    """A name that was no UTF-8 lost its end; its controls met terminals."""
    machine = start(config='build=26100 image-names=bytes processes=8 '
                    'threads=24 user-percent=90')
    trace(machine, poll_hz=5000)
    wanted = nasty_images()
    wait_for('a thread of each process', lambda: wanted <= {
        bytes.fromhex(e['process-image-bytes']) if 'process-image-bytes' in e
        else e['process-image'].encode()
        for e in machine.cmd(QUERY, max_entries=20000)
        if 'process-image' in e})
    machine.cmd(SET, enable=False)
    entries = [e for e in read_all(machine) if 'process-image' in e]
    for entry in entries:
        if 'process-image-bytes' in entry:
            raw = bytes.fromhex(entry['process-image-bytes'])
            assert not raw.isascii() and len(raw) <= 15, entry
            assert entry['process-image'] == raw.decode(
                'utf-8', 'backslashreplace'), entry
        else:
            assert entry['process-image'].isascii(), entry
    assert '\\xb0\\xe8\\xbb\\xea\\xb1\\xe2.exe' in {
        e['process-image'] for e in entries}
    shown = machine.hmp('info windows-sched-trace -n 20000')
    assert ' \\xb0\\xe8\\xbb\\xea\\xb1\\xe2.exe' in shown
    assert ' \\x5cxb0\\xb0.exe' in shown    # a backslash of the guest's own
    assert ' row\\x0d\\x0a1,\\x1b[31m.ex' in shown
    for line in shown.replace('\r\n', '\n').split('\n'):
        assert not any(unicodedata.category(c) in ('Cc', 'Zl', 'Zp', 'Cs')
                       or c in '\u202a\u202b\u202c\u202d\u202e' for c in line)
        assert not line or line[0].isalnum(), line
