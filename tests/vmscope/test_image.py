"""vmscope image: against the guest's own account, and the live trace.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import shutil

import harness
from harness import check, same, vmscope
from nasty import harmful
from real import Guest
from truth import PROCESS


def core_of(guest, paging=False):
    """dump-guest-memory, as a user would."""
    path = os.path.join(harness.folder(), 'guest.core')
    guest.qmp('dump-guest-memory', paging=paging, protocol=f'file:{path}')
    return path


def image(*arguments, code=0):
    result = vmscope('image', *arguments)
    same(result.code, code, f'exit code ({result.err})')
    return result


def image_json(*arguments):
    return json.loads(image('--json', *arguments).out)


def by_pointer(entries, key):
    """By address; an address may stand there once only."""
    found = {entry[key]: entry for entry in entries}
    same(len(found), len(entries), f'entries and different {key}')
    return found


def hash_of(name):
    """FNV-1a over the UTF-16 text, as the guest's account has it."""
    value = 0x811c9dc5
    for byte in name.encode('utf-16-le'):
        value = (value ^ byte) * 0x01000193 & 0xffffffff
    return value


def same_name(entry, thread):
    """True when there was a whole name to compare."""
    name = entry.get('thread-name')
    if thread.unreadable or not thread.name or not thread.name_bytes:
        check(name is None, f'{entry}: it has no name')
        return False
    if thread.name_bytes > 50:      # a long one is cut
        return False
    same(hash_of(name or ''), thread.name_hash, f'hash of the name {name!r}')
    return True


def same_command_line(entry):
    """As the guest writes them, of those that have a path."""
    path = entry.get('process-path')
    same(entry.get('command-line'), path and f'"{path}" -k 한글 --x=1',
         f'command line of {entry}')


def same_path(entry, process):
    """Of those that have one, and no other."""
    path = entry.get('process-path')
    if process.name_bytes:
        same(hash_of(path or ''), process.name_hash, f'path {path!r}')
    else:
        check(path is None, f'{entry}: it has no path')


def same_objects(found, guest):
    """Every process and thread, with its ids and name, and no other.

    Returns how many names there were to compare.
    """
    processes, threads = guest.objects()
    seen = by_pointer(found['processes'], 'process-pointer')
    same(set(seen), set(processes), 'processes')
    for address, entry in seen.items():
        same(entry.get('unique-process-id'), processes[address].pid, 'pid')
        same(entry['threads'], sum(t.process == address
                                   for t in threads.values()),
             f'threads of process {entry}')
        same_path(entry, processes[address])
    seen = by_pointer(found['threads'], 'thread-pointer')
    same(set(seen), set(threads), 'threads')
    for address, entry in seen.items():
        thread = threads[address]
        same((entry.get('unique-process-id'), entry.get('unique-thread-id'),
              entry.get('process-pointer')),
             (thread.pid, thread.tid, thread.process), 'ids')
    if guest.truth.row < 13:        # only from 14393 on they have names
        return 0
    return sum(same_name(entry, threads[address])
               for address, entry in seen.items())


def same_vcpus(found, guest):
    same([cpu['vcpu'] for cpu in found['vcpus']], list(range(guest.cpus)),
         'vCPUs')
    same([cpu['kpcr'] for cpu in found['vcpus']],
         [cpu['kpcr'] for cpu in guest.vcpus()], 'KPCRs')
    same([cpu['thread-pointer'] for cpu in found['vcpus']], guest.running(),
         'who ran')
    same([cpu['idle'] for cpu in found['vcpus']],
         [cpu['new'] == cpu['idle'] for cpu in guest.vcpus()], 'idle')


def same_kernel(found, guest):
    same((found['windows-build'], found['kernel-base']),
         (guest.truth.nt_build, guest.truth.image_va), 'kernel')


def test_command_lines():
    """Out of each process' own memory, and only when they are asked for."""
    for config in ('build=26100', 'build=19041 kvas=on', 'build=7601'):
        guest = Guest(config + ' processes=8 threads=24 churn=off', 2)
        guest.stop_at_rest()
        core = core_of(guest)
        found = json.loads(image('--json', '-c', core).out)['processes']
        for entry in found:
            same_command_line(entry)
        check(sum('한글.exe" -k 한글' in p.get('command-line', '')
                  for p in found) == 1, f'{config}: the one in Korean')
        text = image('-c', core).out
        check('\n    "\\Device\\HarddiskVolume3\\사용자\\한글.exe" -k 한글 '
              '--x=1\n' in text, text)
        check('-k 한글' not in image('-p', core).out, 'not asked for')
        check('command-line' not in image('--json', core).out, 'nor in JSON')


def test_image_names_of_any_bytes():
    """In the file as in the guest; a code page for who knows it."""
    guest = Guest('build=26100 image-names=bytes processes=8 threads=24')
    guest.stop_at_rest()
    core = core_of(guest)
    found = image_json(core)
    names = {bytes.fromhex(p['process-image-bytes'])
             if 'process-image-bytes' in p else p['process-image'].encode()
             for p in found['processes'] if 'process-image' in p}
    wanted = {o.image.split(b'\0')[0] for o in guest.truth.objects()
              if o.kind == PROCESS and o.image[0]}
    check(b'\xb0\xe8\xbb\xea\xb1\xe2.exe' in wanted, f'{wanted}')
    check(wanted - {b'Idle'} <= names, f'missing: {wanted - names}')
    text = image('-t', core).out
    same(harmful(text), [], 'harm')
    check('  \\xb0\\xe8\\xbb\\xea\\xb1\\xe2.exe\n' in text, text)
    check('  row\\x0d\\x0a1,\\x1b[31m.ex\n' in text, text)
    check('  계산기.exe\n' in image('--codepage', 'CP949', core).out, 'CP949')


def judge(config, cpus=2, **more):
    guest = Guest(config, cpus, **more)
    guest.stop_at_rest()
    found = image_json(core_of(guest))
    same_kernel(found, guest)
    same_vcpus(found, guest)
    names = same_objects(found, guest)
    return names, found


def test_windows_11():
    for _ in range(10):     # threads with names come and go
        names, _ = judge('build=26100 threads=48 processes=8')
        if names:
            return
        harness.clean_up()
    raise AssertionError('in ten guests no thread had a name')


def test_windows_10_with_kva_shadow():
    _, found = judge('build=19045 kvas=on threads=30')
    same((found['kva-shadow'], found['kdbg']), (True, 'encoded'), 'kernel')


def test_windows_7():
    _, found = judge('build=7601 kdbg=plain')
    same(found['kdbg'], 'plain', 'debugger block')


def test_windows_server_2022_large_pages():
    judge('build=20348 pages=large', 4)


def test_eight_vcpus():
    judge('build=22621 threads=48 processes=8', 8)


def test_five_levels():
    _, found = judge('build=26100 levels=5', cpu='qemu64,+la57')
    same(found['levels'], 5, 'levels')


def test_in_user_mode_behind_kva_shadow():
    """No register leads to the kernel's tables: they are searched for."""
    guest = Guest('build=19045 kvas=on user-percent=100 tick-us=50000 '
                  'spin=40000000 low-stub=off', 1)
    guest.stop_at_rest(lambda: guest.vm.registers(1)[0]['cs'] & 3 == 3)
    result = image('--json', core_of(guest))
    check('searching the whole file' in result.err, result.err)
    found = json.loads(result.out)
    same_kernel(found, guest)
    same_vcpus(found, guest)


def test_same_as_live_tcg():
    same_as_live('tcg')


def test_same_as_live_kvm():
    same_as_live('kvm')


def same_as_live(accel):
    guest = Guest('build=26100', 2, accel)
    guest.trace()
    guest.stop_at_rest()
    same_as_trace(image_json(core_of(guest)), guest)


def same_as_trace(found, guest):
    """What the live trace says of the same instant: nothing differs."""
    newest = []

    def live_is_there():
        newest[:] = [entry for i in range(guest.cpus) for entry in guest.qmp(
            'query-windows-sched-trace', **{'max-entries': 1,
                                            'filter-vcpu': i})]
        return [e['thread-pointer'] for e in newest] == guest.running()
    harness.wait_for('the trace to see who runs', live_is_there)
    # Not the name: a thread may have been renamed since it was switched to.
    for entry, cpu in zip(newest, found['vcpus']):
        for key in ('thread-pointer', 'process-pointer', 'unique-process-id',
                    'unique-thread-id', 'process-image'):
            same(cpu.get(key), entry.get(key), key)
    live = guest.qmp('query-windows-sched-trace-status')
    for key in ('windows-build', 'kernel-base'):
        same(found[key], live[key], key)
    same([found['kernel-file'][k] for k in ('timestamp', 'size')],
         [live['kernel-file'][k] for k in ('timestamp', 'size')], 'file')
    offsets = {o['name']: o.get('value') for o in live['offsets']}
    shared = 0
    for offset in found['offsets']:
        if offset.get('value') is not None and \
                offsets.get(offset['name']) is not None:
            same(offset['value'], offsets[offset['name']], offset['name'])
            shared += 1
    check(shared >= 20, f'only {shared} offsets are in both')
    harness.wait_for('the list of processes', lambda: 'reason' not in
                     guest.qmp('query-windows-processes'))
    processes = guest.qmp('query-windows-processes')
    seen = by_pointer(found['processes'], 'process-pointer')
    for process in processes['processes']:
        entry = seen[process['process-pointer']]
        for key in ('unique-process-id', 'parent', 'process-path'):
            same(entry.get(key), process.get(key), f'{key} of {process}')
    same(len(processes['processes']), len(
        [p for p in seen.values() if p.get('unique-process-id')]),
        'processes of the live list')


def registers_file(guest):
    path = os.path.join(harness.folder(), 'cpus.txt')
    with open(path, 'w', encoding='ascii') as file:
        file.write('# made by a test\n\n')
        for regs in guest.vm.registers(guest.cpus):
            file.write(f"cpl={regs['cs'] & 3} cr3={regs['cr3']:#x} "
                       f"gs_base={regs['gs_base']:#x} "
                       f"kernel_gs_base={regs['k_gs_base']:#x} "
                       f"idt_base={regs['idt']:#x} "
                       f"lstar={guest.truth.lstar:#x}\n")
    return path


def test_raw_ram():
    guest = Guest('build=19041', 2)
    guest.stop_at_rest()
    found = image_json('--registers', registers_file(guest),
                       guest.vm.ram_path)
    same_kernel(found, guest)
    same_vcpus(found, guest)
    same_objects(found, guest)


def test_with_paging():
    """Ranges as a vCPU maps them: many, some of them twice."""
    guest = Guest('build=26100', 2)
    guest.stop_at_rest()
    found = image_json(core_of(guest, paging=True))
    same_kernel(found, guest)
    same_vcpus(found, guest)
    same_objects(found, guest)


def test_text():
    guest = Guest('build=26100 threads=20', 2)
    guest.stop_at_rest()
    core = core_of(guest)
    processes, threads = guest.objects()
    text = image(core).out
    check('Windows 10.0 build 26100 at 0x' in text, text)
    for process in processes:
        check(f'0x{process:016x}' in text, f'no {process:#x} in {text}')
    check('OFFSET' not in text and 'PRI STATE' not in text, text)
    text = image('-p', core).out
    check('    \\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe\n'
          in text, text)
    text = image('-o', '-t', core).out
    for thread in threads:
        check(f'0x{thread:016x}' in text, f'no {thread:#x} in {text}')
    check('prcb-current-thread' in text and ' code' in text, text)
    check(not [c for c in text if ord(c) < 32 and c != '\n'],
          'a control character reaches the output')


def test_no_windows():
    """A guest without Windows: a sentence, not a guess."""
    guest = Guest('build=26100', 1)
    core = core_of(guest)
    with open(core, 'r+b') as file:
        size = os.path.getsize(core)
        file.seek(1 << 16)
        file.write(bytes(size - (1 << 16)))
    result = image(core, code=1)
    check(core in result.err and 'kernel' in result.err, result.err)
    same(result.out, '', 'output')


def test_hostile_guests():
    """Whatever a guest says, it ends, and soon."""
    for lie in ('list-loop', 'list-hole', 'list-mmio', 'thread-list-loop',
                'name-overrun', 'name-huge', 'pe-wrap', 'pe-sizes',
                'export-overrun', 'accessor-loop', 'accessor-runaway',
                'pt-self', 'kdbg-lies', 'cid-lies', 'current-wild',
                'dtb-wild'):
        guest = Guest(f'build=26100 hostile={lie}', 2)
        guest.vm.stop()
        result = vmscope('image', '--json', core_of(guest), timeout=200)
        check(result.code in (0, 1), f'{lie}: {result.code} {result.err}')
        if result.code == 0:
            found = json.loads(result.out)
            same(found['kernel-base'], guest.truth.image_va, lie)
        else:
            check(result.err and not result.out, lie)
        harness.clean_up()


TABLE = 0x000ffffffffff000
LARGE_PAGE = 2 << 20


class Crowd:
    """A stopped guest's RAM in a file, to which threads are added."""

    def __init__(self, guest, path, found):
        self.guest = guest
        self.file = open(path, 'r+b')   # closed by its deletion at the end
        self.offset = {o['name']: o['value'] for o in found['offsets']
                       if 'value' in o}
        self.end = os.path.getsize(path)

    def read(self, gpa, size):
        self.file.seek(gpa)
        return self.file.read(size)

    def put(self, gpa, value):
        self.file.seek(gpa)
        self.file.write(value.to_bytes(8, 'little'))

    def word(self, gpa):
        return int.from_bytes(self.read(gpa, 8), 'little')

    def directory(self, gva):
        """Where the page directory is that maps an address."""
        table = self.guest.truth.root
        for shift in (39, 30):
            table = self.word((table & TABLE) + 8 * (gva >> shift & 511))
        return table & TABLE

    def gpa(self, gva):
        entry = self.word(self.directory(gva) + 8 * (gva >> 21 & 511))
        if entry & 0x80:
            return (entry & TABLE & -LARGE_PAGE) + gva % LARGE_PAGE
        return (self.word((entry & TABLE) + 8 * (gva >> 12 & 511)) & TABLE) \
            + gva % 4096

    def map_more(self, near):
        """2 MiB more RAM behind the rest; returns its address."""
        directory = self.directory(near)
        free = [i for i in range(512) if not self.word(directory + 8 * i)]
        gpa = (self.end + LARGE_PAGE - 1) & -LARGE_PAGE
        self.file.truncate(gpa + LARGE_PAGE)
        self.end = gpa + LARGE_PAGE
        self.put(directory + 8 * free[-1], gpa | 0x83)
        return (near >> 30 << 30) + (free[-1] << 21), gpa

    def copy_object(self, gva, size):
        data = b''
        while len(data) < size:
            at = gva + len(data)
            data += self.read(self.gpa(at), min(size - len(data),
                                                4096 - at % 4096))
        return data

    def add_threads(self, process, thread, n, size=0x900):
        """Copies of a thread at the end of its process' list."""
        links = self.offset['ethread-thread-list-entry']
        head = process + self.offset['eprocess-thread-list-head']
        cid = self.offset['kthread-client-id']
        model = self.copy_object(thread, size)
        last = self.word(self.gpa(head + 8))
        added = {}
        while len(added) < n:
            gva, gpa = self.map_more(thread)
            for at in range(0, LARGE_PAGE - size, size):
                if len(added) == n:
                    break
                self.file.seek(gpa + at)
                self.file.write(model)
                added[gva + at] = 400000 + 4 * len(added)
                self.put(gpa + at + cid + 8, added[gva + at])
                self.put(self.gpa(last), gva + at + links)
                self.put(gpa + at + links + 8, last)
                self.put(gpa + at + links, head)
                last = gva + at + links
        self.put(self.gpa(head + 8), last)
        self.file.close()
        return added


def test_thousands_of_threads():
    """As many as a Windows at work has, of which none is left out."""
    guest = Guest('build=22631 threads=20', 2)
    guest.stop_at_rest()
    path = os.path.join(harness.folder(), 'ram')
    shutil.copy(guest.vm.ram_path, path)
    registers = registers_file(guest)
    before = image_json('--registers', registers, path)
    system = next(p for p in before['processes']
                  if p['unique-process-id'] == 4)['process-pointer']
    thread = next(t for t in before['threads'] if t['process-pointer'] ==
                  system and t['state-name'] != 'Running')['thread-pointer']
    added = Crowd(guest, path, before).add_threads(system, thread, 5000)
    after = image_json('--registers', registers, path)
    seen = by_pointer(after['threads'], 'thread-pointer')
    same(len(seen), len(before['threads']) + 5000, 'threads')
    for address, tid in added.items():
        same(seen[address]['unique-thread-id'], tid, 'id')
    count = next(p for p in after['processes']
                 if p['process-pointer'] == system)['threads']
    same(count, next(p for p in before['processes']
                     if p['process-pointer'] == system)['threads'] + 5000,
         'threads of System')
