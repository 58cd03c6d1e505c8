"""Threads of a QEMU that was not built with vmscope, by each command.

Whether they are the right ones is held against the guest's own account by
tests/sched/check-sched --attach (test_truth); here it is that each way in
works, and that each end is a clean one.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

from rig import (PROGRAMS, QEMU, ROM, Running, Skip, TOP, at_end, check,
                 environment, folder, full, report, rows, same, vmscope,
                 wait_for)
from qmp import QmpError
from stock import STOCK, Stock

ANSWER = os.path.join(os.path.dirname(PROGRAMS), 'attach', 'attach-answer')


def intervals(*arguments, n=3, code=0):
    """What top --json says, an object an interval."""
    out = vmscope('top', '--json', '-n', str(n), '-d', '1', *arguments,
                  code=code)
    return [json.loads(line) for line in out.out.splitlines()], out.err


def seen_by(*arguments):
    seen, err = intervals(*arguments)
    check('from outside' in err, err)
    check(seen[-1]['state'] == 'active', f'{seen[-1]["state"]}')
    same(seen[-1]['windows-build'], 26100, 'build')
    check(seen[-1]['threads'], 'threads')
    return seen


def test_top():
    guest = Stock()
    check('QEMU process' in intervals('--qmp', guest.path)[1], 'it is said')
    seen_by('--qmp', guest.path)
    text = vmscope('top', '--batch', '-n', '1', '--qmp', guest.path).out
    check('stock (from outside)' in text, text)


def test_top_by_pid():
    guest = Stock(monitor=False)
    seen_by('--pid', str(guest.pid))


def test_shared_memory():
    """RAM of a memfd is mapped; two nodes of it, 5 GiB on both machines."""
    for machine in ('pc', 'q35'):
        guest = Stock(
            '-object', 'memory-backend-memfd,id=m0,size=2G,share=on',
            '-object', 'memory-backend-memfd,id=m1,size=3G,share=on',
            '-numa', 'node,memdev=m0,cpus=0',
            '-numa', 'node,memdev=m1,cpus=1', memory='5G', machine=machine)
        found = doctor('--qmp', guest.path)
        check('mapped' in found['memory'][1], f'{found}')
        check('5120 MiB' in found['memory'][1], f'{found}')


def doctor(*arguments):
    out = vmscope('doctor', '--json', *arguments, code=None)
    return {finding['check']: (finding['grade'], finding['text'])
            for finding in json.loads(out.out)['findings']}


def test_doctor():
    guest = Stock()
    found = doctor('--qmp', guest.path)
    check(found['attach'][0] == 'ok' and 'outside' in found['attach'][1],
          f'{found}')
    same(found['trace'], ('ok', 'active'), 'state')
    check('process_vm_readv' in found['memory'][1], f'{found}')
    check('registers' in found['asked'][1], f'{found}')
    found = doctor('--pid', str(guest.pid))
    same(found['trace'], ('ok', 'active'), 'state')
    check('asked' not in found, 'nobody was asked')


def test_record():
    guest = Stock()
    for arguments in (('--qmp', guest.path), ('--pid', str(guest.pid))):
        path = os.path.join(folder(), 't.vms')
        said = vmscope('record', '--duration', '3s', '-o', path,
                       *arguments).err
        check('from outside' in said, said)
        figures = report(path)
        check(figures['switches'] > 10, f'{figures["switches"]} switches')
        check('from outside' in figures['recording']['qemu-version'],
              f'{figures["recording"]}')
        check(any(row['process'] == 'System' for row in rows(path)), 'System')


FOLDER = '\\Device\\HarddiskVolume3\\'
SYSTEM32 = FOLDER + 'Windows\\System32\\'
# Of the NT test guest, by its images: guest/nt/object.c; None: has none.
GUEST_PATHS = {'System': None, 'Registry': None,
               'smss.exe': SYSTEM32 + 'smss.exe',
               'fifteen-chars.e': SYSTEM32 + 'fifteen-chars.exe',
               '한글.exe': FOLDER + '사용자\\한글.exe'}


def guest_paths(found, image='image'):
    """Paths of those processes that are ours, each held against ours."""
    paths = {p[image]: p.get('process-path') for p in found
             if p.get(image) in GUEST_PATHS}
    same(paths, {name: GUEST_PATHS[name] for name in paths}, 'paths')
    return paths


def test_paths():
    """Full paths, which only memory has, in record, report, export and top."""
    guest = Stock(config='build=26100 processes=8 threads=24 churn=off '
                  'tick-us=500 spin=20000')
    for arguments in (('--qmp', guest.path), ('--pid', str(guest.pid))):
        path = os.path.join(folder(), 't.vms')

        def is_recorded():
            vmscope('record', '--sched', '--duration', '3s', '-o', path,
                    *arguments)
            return '한글.exe' in guest_paths(report(path)['processes'])

        wait_for('the one in Korean in a recording', is_recorded, 600)
        check(f'  {GUEST_PATHS["한글.exe"]}\n' in
              vmscope('report', '--top', '0', path).out, 'text')
        same({row['process_path'] for row in rows(path)
              if row['process'] == '한글.exe'} - {''},
             {GUEST_PATHS['한글.exe']}, 'CSV')

        def is_seen():
            seen, _ = intervals(*arguments)
            threads = [t for one in seen for t in one['threads']
                       if 'process-path' in t]
            guest_paths(threads, 'process-image')
            return any(t['process-image'] == '한글.exe' for t in threads)

        wait_for('the one in Korean in top', is_seen, 600)
        found = vmscope('top', '--json', '-n', '2', '-d', '1', '--filter',
                        '사용자', *arguments).out
        same({t.get('process-image') for line in found.splitlines()
              for t in json.loads(line)['threads']} - {'한글.exe'}, set(),
             'chosen by a folder')


def pinned_beside_a_loop(guest):
    """All of QEMU's threads on one CPU of the host, with one that is busy."""
    cpu = min(os.sched_getaffinity(0))
    for tid in os.listdir(f'/proc/{guest.pid}/task'):
        os.sched_setaffinity(int(tid), {cpu})
    loop = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    at_end(lambda: (loop.kill(), loop.wait()))
    os.sched_setaffinity(loop.pid, {cpu})


def test_host_side():
    """
    What the host did not give a vCPU, in record, report and top.  A wait
    counts when it ends, and on a busy host one may be longer than a look: so
    it is looked at until it shows.
    """
    guest = Stock()
    pinned_beside_a_loop(guest)
    path = os.path.join(folder(), 't.vms')

    def is_recorded():
        vmscope('record', '--sched', '--duration', '3s', '-o', path, '--qmp',
                guest.path)
        # Two vCPUs and the loop share one CPU: each waits most of the time.
        return all(cpu['host-ns'] > 0 and
                   cpu['host-wait-ns'] > cpu['host-run-ns'] > 0
                   for cpu in report(path)['vcpus'])

    wait_for('waits in a recording', is_recorded)
    check('waited for one' in vmscope('report', path).out, 'the table')
    check(any(row['event'] == 'host' and int(row['host_wait_ns']) > 0
              for row in rows(path)), 'rows')
    wait_for('waits in top', lambda: sum(
        cpu['host-wait-ns'] > 0
        for cpu in intervals('--qmp', guest.path)[0][-1]['vcpus']) == 2)
    wait_for('and in its text', lambda: re.search(
        r'cpu0 .* host-wait +\d', vmscope('top', '--batch', '-n', '2', '-d',
                                          '1', '--qmp', guest.path).out))


def test_host_side_by_name():
    """Without a monitor, threads are known where QEMU names them."""
    guest = Stock('-name', 'stock,debug-threads=on', monitor=False)
    wait_for('it', lambda: sum(
        'host-run-ns' in cpu for cpu in intervals(
            '--pid', str(guest.pid))[0][-1]['vcpus']) == 2)


def test_no_attach():
    guest = Stock()
    said = vmscope('top', '--batch', '-n', '1', '--no-attach', '--qmp',
                   guest.path, code=1).err
    check('not built with vmscope' in said, said)
    for wrong in (('--attach', '--no-attach', '--qmp', guest.path),
                  ('--pid', '1', '--qmp', guest.path),
                  ('--pid', '1', '--no-attach')):
        vmscope('top', '--batch', '-n', '1', *wrong, code=2)


def test_ring():
    """vmscope attach keeps a ring that record follows to its end."""
    guest = Stock()
    ring = os.path.join(folder(), 'ring')
    running = Running('attach', '--pid', str(guest.pid), '-r', ring)
    wait_for('the ring', lambda: os.path.exists(ring))
    path = os.path.join(folder(), 't.vms')
    recorder = Running('record', '--sched-ring', ring, '-o', path)
    time.sleep(4)
    running.signal()
    check('the ring is' in running.end(), 'it is said')
    recorder.end()
    figures = report(path)
    check(figures['switches'] > 10, f'{figures["switches"]} switches')
    same(figures['lost-switches'] if 'lost-switches' in figures else 0, 0,
         'lost')


def standing(path):
    found = os.lstat(path)
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns


def attach_for_a_moment(guest, ring, code=0):
    return vmscope('attach', '--pid', str(guest.pid), '-r', ring, '-d',
                   '500ms', code=code).err


def test_ring_is_there_already():
    """As QEMU does: an old ring gets ".old", and nothing else is touched."""
    guest = Stock()
    ring = os.path.join(folder(), 'ring')

    def content(path):
        with open(path, 'rb') as file:
            return file.read(8192)

    attach_for_a_moment(guest, ring)
    first = content(ring)
    attach_for_a_moment(guest, ring)
    same(content(ring + '.old'), first, 'the old one')
    check(content(ring) != first, 'a new one')
    second = content(ring)
    attach_for_a_moment(guest, ring)
    same(content(ring + '.old'), second, 'the one before')
    # A ring that is being written, by us or for QEMU's eyes.
    running = Running('attach', '--pid', str(guest.pid), '-r', ring)
    wait_for('it', lambda: 'the ring is' in running.messages())
    said = attach_for_a_moment(guest, ring, code=1)
    check('is being written by a trace of process' in said, said)
    running.signal()
    running.end()
    third = content(ring)
    # What is nobody's ring, under the name or where it would be renamed to.
    for name in (ring, ring + '.old'):
        os.rename(name, name + '.kept')
        for kind in ('text', 'empty', 'link', 'folder'):
            if kind == 'link':
                os.symlink(name + '.kept', name)
            elif kind == 'folder':
                os.mkdir(name)
            else:
                with open(name, 'w', encoding='ascii') as file:
                    file.write('mine\n' * 2000 if kind == 'text' else '')
            before = standing(name)
            said = attach_for_a_moment(guest, ring, code=1)
            check('choose another name' in said, f'{kind}: {said}')
            same(standing(name), before, kind)
            (os.rmdir if kind == 'folder' else os.unlink)(name)
        os.rename(name + '.kept', name)
    same(content(ring), third, 'untouched')
    same([name for name in os.listdir(os.path.dirname(ring))
          if '.new-' in name], [], 'left over')


def test_ring_that_is_cut_short():
    """It is said, and nothing else ends: neither by SIGBUS nor the guest."""
    guest = Stock()
    ring = os.path.join(folder(), 'ring')
    running = Running('attach', '--pid', str(guest.pid), '-r', ring)
    wait_for('it', lambda: 'active' in running.messages())
    os.truncate(ring, 0)
    said = running.end(code=1)
    check('was cut short by somebody' in said, said)
    check(guest.qmp.command('query-status')['running'], 'the guest')


def test_ring_of_ours_is_seen_by_qemu():
    """A QEMU with the trace does not take the ring of a vmscope attach."""
    guest = Stock(qemu=QEMU)
    ring = os.path.join(folder(), 'ring')
    running = Running('attach', '--pid', str(guest.pid), '-r', ring)
    wait_for('it', lambda: 'the ring is' in running.messages())
    try:
        guest.qmp.command('windows-sched-trace-set',
                          {'enable': True, 'ring-file': ring})
        raise AssertionError('taken')
    except QmpError as error:
        check('is being written' in str(error), f'{error}')
    running.signal()
    running.end()
    guest.qmp.command('windows-sched-trace-set',
                      {'enable': True, 'ring-file': ring})
    check(os.path.exists(ring + '.old'), 'the old one')


class Outside:
    """attach-answer, asked as a QEMU would be."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [ANSWER, *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=environment())
        at_end(self.end)

    def answer(self, command, **arguments):
        self.process.stdin.write(json.dumps(
            {'execute': command, 'arguments': arguments}) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, command, **arguments):
        found = self.answer(command, **arguments)
        check('return' in found, f'{command}: {found}')
        return found['return']

    def status(self):
        return self.ask('query-windows-sched-trace-status')

    def on(self, **arguments):
        self.ask('windows-sched-trace-set', enable=True, **arguments)
        wait_for('active', lambda: self.status()['state'] == 'active')

    def samples(self):
        return sum(cpu['samples'] for cpu in self.status()['vcpus'])

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def test_hung_monitor():
    """A main loop that does not answer does not keep samples waiting."""
    guest = Stock()
    outside = Outside(guest.path)
    outside.on()
    # QEMU's main loop waits in open() until somebody reads.
    fifo = os.path.join(folder(), 'fifo')
    os.mkfifo(fifo)
    blocked = threading.Thread(target=lambda: guest.qmp.command(
        'pmemsave', {'val': 0, 'size': 4096, 'filename': fifo}))
    blocked.start()
    longest = 0
    samples = outside.samples()
    changed = begin = time.monotonic()
    # Long enough for the questions that are due every second.
    while time.monotonic() < begin + 4:
        found = outside.samples()
        now = time.monotonic()
        longest = max(longest, now - changed)
        if found != samples:
            samples, changed = found, now
    with open(fifo, 'rb') as file:
        same(len(file.read()), 4096, 'it was the main loop')
    blocked.join()
    check(longest < 3, f'{longest:.1f} s without a sample')
    wait_for('it goes on', lambda: outside.samples() > samples)


def test_blind_nodes():
    """Without a monitor, RAM of two nodes is found in both mappings."""
    for kind, more in (('memfd', ',share=on'), ('ram', '')):
        guest = Stock(
            '-object', f'memory-backend-{kind},id=m0,size=40M{more}',
            '-object', f'memory-backend-{kind},id=m1,size=24M{more}',
            '-numa', 'node,memdev=m0,cpus=0',
            '-numa', 'node,memdev=m1,cpus=1', monitor=False)
        found = doctor('--pid', str(guest.pid))
        same(found['trace'], ('ok', 'active'), 'state')
        check('64 MiB' in found['memory'][1], f'{found}')


def test_two_at_once():
    guest = Stock()
    first = Running('attach', '--qmp', guest.path, '-r',
                    os.path.join(folder(), 'ring'))
    time.sleep(1)
    seen_by('--pid', str(guest.pid))
    first.signal()
    first.end()


def test_qemu_ends():
    guest = Stock()
    running = Running('attach', '--pid', str(guest.pid), '-r',
                      os.path.join(folder(), 'ring'))
    wait_for('the state', lambda: 'active' in running.messages())
    guest.process.send_signal(signal.SIGKILL)
    check('QEMU has ended' in running.end(code=1), running.messages())


def test_reset():
    """After a reset the new kernel is found."""
    guest = Stock()
    running = Running('attach', '--qmp', guest.path, '-r',
                      os.path.join(folder(), 'ring'))

    def found():
        return len(re.findall('attach: active', running.messages()))

    wait_for('active', found)
    guest.qmp.command('system_reset')
    wait_for('active again', lambda: found() > 1)
    running.signal()
    running.end()


def is_quiet(outside):
    """Nothing is sampled, for as long as a thousand samples would take."""
    before = outside.samples()
    time.sleep(1)
    return outside.samples() == before


def goes_on(outside):
    """Samples are taken, and switches seen; the guest is the one it was."""
    status = outside.status()
    samples = outside.samples()
    wait_for('samples', lambda: outside.samples() > samples + 10)
    wait_for('switches', lambda: outside.status()['recorded'] >
             status['recorded'])
    same(outside.status()['state'], 'active', 'state')


def test_stop_and_cont():
    """A stopped guest is not sampled; one that goes on is."""
    guest = Stock()
    outside = Outside(guest.path)
    outside.on()
    goes_on(outside)
    guest.qmp.command('stop')
    wait_for('quiet', lambda: is_quiet(outside))
    recorded = outside.status()['recorded']
    check(is_quiet(outside), 'it stays so')
    same(outside.status()['recorded'], recorded, 'switches')
    guest.qmp.command('cont')
    goes_on(outside)


def test_stopped_from_the_start():
    guest = Stock()
    guest.qmp.command('stop')
    outside = Outside(guest.path)
    outside.ask('windows-sched-trace-set', enable=True)
    # Who is current may be looked at once.
    wait_for('quiet', lambda: is_quiet(outside))
    check(is_quiet(outside), 'it stays so')
    guest.qmp.command('cont')
    wait_for('active', lambda: outside.status()['state'] == 'active')
    goes_on(outside)


def give_disk(guest):
    """An empty qcow2, for snapshots."""
    disk = os.path.join(folder(), 'disk')
    with open(disk, 'wb'):
        pass
    command = guest.qmp.command
    command('blockdev-add', {'driver': 'file', 'node-name': 'plain',
                             'filename': disk})
    command('blockdev-create', {'job-id': 'make', 'options': {
        'driver': 'qcow2', 'file': 'plain', 'size': 1 << 20}})
    wait_for('qcow2', lambda: command('query-jobs')[0]['status'] ==
             'concluded')
    command('job-dismiss', {'id': 'make'})
    command('blockdev-del', {'node-name': 'plain'})
    command('blockdev-add', {'driver': 'qcow2', 'node-name': 'disk', 'file': {
        'driver': 'file', 'filename': disk}})


def test_savevm():
    """While it is looked at, a guest is saved, and goes back in time."""
    guest = Stock()
    give_disk(guest)
    outside = Outside(guest.path)
    outside.on()
    same(guest.hmp('savevm there').strip(), '', 'savevm')
    goes_on(outside)
    same(guest.hmp('loadvm there').strip(), '', 'loadvm')
    goes_on(outside)


def test_migrated_away():
    """What is left is quiet, and its end a clean one."""
    guest = Stock()
    outside = Outside(guest.path)
    outside.on()
    guest.qmp.command('migrate', {'uri': 'exec:cat > /dev/null'})
    wait_for('migrated', lambda: guest.qmp.command('query-migrate').get(
        'status') == 'completed')
    wait_for('quiet', lambda: is_quiet(outside))
    guest.process.send_signal(signal.SIGKILL)
    guest.process.wait()
    wait_for('its end', lambda: 'error' in outside.answer(
        'query-windows-sched-trace-status'))


def test_vcpu_is_plugged():
    """One more vCPU is there, and the others are sampled on."""
    guest = Stock(vcpus='1,sockets=2,cores=1,threads=1,maxcpus=2',
                  machine='pc')
    outside = Outside(guest.path)
    outside.on()
    guest.qmp.command('device_add', {
        'driver': 'qemu64-x86_64-cpu', 'id': 'one', 'socket-id': 1,
        'core-id': 0, 'thread-id': 0})
    wait_for('it', lambda: len([
        cpu for cpu in outside.status()['vcpus'] if cpu['present']]) == 2)
    wait_for('its thread', lambda: all(
        cpu.get('host-thread') for cpu in outside.status()['vcpus']))
    goes_on(outside)


def test_memory_is_plugged():
    guest = Stock(memory='64,slots=2,maxmem=1G')
    running = Running('attach', '--qmp', guest.path, '-r',
                      os.path.join(folder(), 'ring'))
    wait_for('active', lambda: 'active' in running.messages())
    guest.qmp.command('object-add', {'qom-type': 'memory-backend-ram',
                                     'id': 'd0', 'size': 256 << 20})
    guest.qmp.command('device_add', {'driver': 'pc-dimm', 'id': 'dimm0',
                                     'memdev': 'd0'})
    running.signal()
    running.end()
    check('320 MiB' in doctor('--qmp', guest.path)['memory'][1],
          'all memory is seen')


def test_never_stopped():
    """QEMU's process is not traced, and the machine gets no event."""
    guest = Stock()
    running = Running('attach', '--qmp', guest.path, '-r',
                      os.path.join(folder(), 'ring'))
    wait_for('active', lambda: 'active' in running.messages())
    with open(f'/proc/{guest.pid}/status', encoding='ascii') as file:
        check('TracerPid:\t0' in file.read(), 'a tracer')
    guest.qmp.command('query-status')
    names = {event['event'] for event in guest.qmp.events}
    check(not names & {'STOP', 'RESUME', 'RESET'}, f'{names}')
    running.signal()
    running.end()


def test_ours_too():
    """--attach at a QEMU with the trace: both tell of the same threads."""
    guest = Stock(qemu=QEMU)
    outside = seen_by('--attach', '--qmp', guest.path)
    inside, err = intervals('--qmp', guest.path)
    check('from outside' not in err, err)

    def who(seen):
        return {thread['thread-pointer'] for interval in seen
                for thread in interval['threads']}
    check(who(outside) & who(inside), f'{who(outside)}, {who(inside)}')


def test_more_than_4_gib():
    """RAM on both sides of the hole, on both machines."""
    for machine in ('pc', 'q35'):
        guest = Stock(machine=machine, memory='6G')
        for way in (('--qmp', guest.path), ('--pid', str(guest.pid))):
            found = doctor(*way)
            check('6144 MiB' in found['memory'][1], f'{found}')
            same(found['trace'], ('ok', 'active'), f'{way}')


@full
def test_user_mode_alone():
    """
    All vCPUs are in user mode nearly all the time: their registers show no
    KPCR, and RAM is searched.  With KVA shadow and no start block in low
    memory a vCPU must be met in the kernel once, as at a timer's tick.
    """
    for shadow in ('on', 'off'):
        for stub in ('on', 'off'):
            guest = Stock(config=f'build=26100;kvas={shadow};low-stub={stub};'
                          'user-percent=100;yield-percent=0;spin=10000000;'
                          'tick-us=20000')
            outside = Outside(guest.path)
            outside.on()
            wait_for('all KPCRs', lambda: all(
                cpu['known'] for cpu in outside.status()['vcpus']
                if cpu['present']))
            outside.end()
            guest.stop()


@full
def test_hugepages():
    with open('/proc/meminfo', encoding='ascii') as file:
        free = int(re.search(r'HugePages_Free: +(\d+)', file.read())[1])
    if free < 32 or not os.path.isdir('/dev/hugepages'):
        raise Skip(f'{free} huge pages are free, and 32 are needed: '
                   'sysctl vm.nr_hugepages=32')
    for share in ('on', 'off'):
        guest = Stock('-object', 'memory-backend-file,id=ram,size=64M,'
                      f'mem-path=/dev/hugepages,share={share},prealloc=on',
                      '-machine', 'memory-backend=ram')
        for way in (('--qmp', guest.path), ('--pid', str(guest.pid))):
            found = doctor(*way)
            same(found['trace'], ('ok', 'active'), f'{share} {way}')
            check('64 MiB' in found['memory'][1], f'{found}')
        guest.stop()


def judge(*words, accel='tcg', limit='90', seconds=590):
    if not os.access(STOCK, os.X_OK) or not os.path.exists(ROM):
        raise Skip('no QEMU of the system, or no test guest')
    done = subprocess.run(
        [sys.executable, os.path.join(TOP, 'tests', 'sched', 'check-sched'),
         '--qemu', STOCK, '--rom', ROM, '--attach', ANSWER, '--accel', accel,
         '--jobs', '1', '--limit', limit, *words], capture_output=True,
        timeout=seconds, text=True, env=environment(), check=False)
    last = done.stdout.splitlines()[-1:]
    if accel == 'kvm' and last and last[0].startswith('0 passed, 0 failed'):
        raise Skip('KVM runs no such guest here')
    check(done.returncode == 0 and last and ' 0 failed' in last[0],
          done.stdout[-3000:] + done.stderr[-1000:])


def test_truth_mapped():
    """Every entry is held against the guest's own account of switches."""
    judge('--only', 'rows/tcg/2cpu')


def test_truth_by_process():
    judge('--only', 'rows/tcg/1cpu/1', '--attach-words', 'map=0')


def test_truth_blind():
    judge('--only', 'rows/tcg/4cpu', '--attach-words', 'blind map=0')


def test_truth_under_kvm():
    judge('--only', 'rows/kvm/2cpu/19', accel='kvm')


def test_truth_of_reboots():
    judge('--only', 'reboot')


def test_truth_of_liars():
    judge('--only', 'hostile')


# Every row of the table, encoded and not, KVA shadow, five levels, one to
# four vCPUs, all hostile modes and the rest, each way; half an hour.


@full
def test_all_of_truth_mapped():
    judge(accel='kvm,tcg', limit='3000', seconds=3600)


@full
def test_all_of_truth_by_process():
    judge('--attach-words', 'map=0', accel='kvm,tcg', limit='3000',
          seconds=3600)


@full
def test_all_of_truth_blind():
    judge('--only', 'rows/', '--only', 'la57', '--only', 'large pages',
          '--attach-words', 'blind map=0', accel='kvm,tcg', limit='3000',
          seconds=3600)
