"""vmscope image on every kind of dump, of one guest at one instant.

What is read back is held against the guest's own account, against the live
trace, and against the first kind that was read; so all kinds tell the same.  QEMU writes what it
can, make-dump the rest.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import re
import shutil
import subprocess

import harness
from harness import (Skip, TOP, VMSCOPE, check, folder, full, same,
                     vmscope)
from real import Guest
from rows import load
from test_image import (by_pointer, image, image_json, same_as_trace,
                        same_kernel, same_objects, same_vcpus)

MAKE_DUMP = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(VMSCOPE)))), 'tests', 'vmscope', 'make-dump')
# What a kind of dump cannot have is in no other either.
ALIKE = ('windows-build', 'kernel-base', 'kernel-file', 'kva-shadow',
         'offsets', 'processes', 'threads', 'modules', 'levels')


def kinds():
    if not os.access(MAKE_DUMP, os.X_OK):
        raise Skip('make-dump is not built')
    return subprocess.run([MAKE_DUMP, '--list'], capture_output=True,
                          text=True, check=True).stdout.split()


def made(guest, place, wanted):
    """(kind, path) of the guest's RAM as dumps of those kinds.

    A kind whose library is not there is left out.
    """
    subprocess.run([MAKE_DUMP, guest.vm.ram_path, place, *wanted], check=True)
    for kind in wanted:
        path = os.path.join(place, kind)
        if os.path.exists(path):
            yield kind, path


def one(guest, kind):
    found = list(made(guest, folder(), [kind]))
    if not found:
        raise Skip(f'{kind}: the library is not there')
    return found[0][1]


def by_qemu(guest, place, few):
    """(kind, path) of each format that this QEMU offers, or of two."""
    offered = guest.qmp('query-dump-guest-memory-capability')['formats']
    for kind in offered:
        if kind in ('elf', 'win-dmp') or (few and kind != 'kdump-zlib'):
            continue
        path = os.path.join(place, f'qemu-{kind}')
        guest.qmp('dump-guest-memory', paging=False, format=kind,
                  protocol=f'file:{path}')
        yield f'qemu-{kind}', path
    for paging in (False,) if few else (False, True):
        path = os.path.join(place, f'qemu-elf-{paging}')
        guest.qmp('dump-guest-memory', paging=paging,
                  protocol=f'file:{path}')
        yield f'qemu-elf-{paging}', path


def without_rip(found):
    """vCPUs as a kind without registers has them, too."""
    return [{key: value for key, value in cpu.items()
             if key not in ('rip', 'at', 'cpl')} for cpu in found['vcpus']]


def same_triage(found, guest, whole):
    same(found['format'], 'minidump', 'format')
    same(found['bugcheck']['name'], 'DRIVER_IRQL_NOT_LESS_OR_EQUAL', 'name')
    same(found['kernel-base'], guest.truth.image_va, 'base')
    same(found['modules'][0]['base'], guest.truth.image_va, 'first driver')
    same([m['name'] for m in found['modules']],
         [m['name'] for m in whole['modules']], 'drivers')
    crashed = found['crashed']
    thread = next(t for t in whole['threads']
                  if t['thread-pointer'] == crashed['thread-pointer'])
    known = {key: crashed[key] for key in (
        'unique-process-id', 'unique-thread-id', 'process-image',
        'kthread-state', 'priority', 'process-pointer') if key in crashed}
    same(known, {key: thread.get(key) for key in known}, 'the thread')
    check('unique-thread-id' in known and 'process-image' in known,
          f'{crashed}')


def judge_one(kind, path, guest, whole):
    found = image_json(path)
    same(found['missing-bytes'], 0, f'{kind}: missing')
    if 'triage' in kind:
        same_triage(found, guest, whole)
        if kind.endswith('-all'):
            same([cpu['thread-pointer'] for cpu in found['vcpus']],
                 guest.running(), f'{kind}: who ran')
        return
    for key in ALIKE:
        # With paging, page tables that nobody maps are not in it.
        if kind != 'qemu-elf-True' or key != 'offsets':
            same(found[key], whole[key], f'{kind}: {key}')
    same(without_rip(found), without_rip(whole), f'{kind}: vCPUs')
    if kind.startswith('windows'):
        same(found['bugcheck']['code'], 0xd1, f'{kind}: bug check')
        same(found['time'], '2026-11-30 10:20:30 UTC', f'{kind}: when')
        check(found['bugcheck']['at'].startswith('ntoskrnl.exe+0x'),
              f'{kind}: {found["bugcheck"]}')


def judge(config, cpus=2, chosen=None, cpu='qemu64,-pni', few=True):
    guest = Guest(config, cpus, cpu=cpu)
    guest.trace()
    guest.stop_at_rest()
    place = folder()
    paths = dict(by_qemu(guest, place, few))
    whole = image_json(paths['qemu-elf-False'])
    same_kernel(whole, guest)
    same_vcpus(whole, guest)
    same_objects(whole, guest)
    same_as_trace(whole, guest)
    check(any(m['base'] == guest.truth.image_va for m in whole['modules']),
          'the kernel is in the list of drivers')
    for kind, path in paths.items():
        judge_one(kind, path, guest, whole)
        os.unlink(path)
    for kind, path in made(guest, place, chosen or kinds()):
        judge_one(kind, path, guest, whole)


def test_a_kind_of_each_family():
    judge('build=26100 threads=24 processes=8', 2,
          ('raw', 'lime', 'avml', 'kdump-zstd', 'windows-full',
           'windows-active', 'windows-ranges-ka', 'windows-triage',
           'elf-vbox', 'elf-xen'), few=False)


@full
def test_every_kind():
    judge('build=26100 threads=24 processes=8', few=False)


def test_without_the_stub():
    """Nothing leads to the kernel: all pages are searched."""
    judge('build=19041 low-stub=off kvas=on', 3,
          ('raw', 'kdump-zlib', 'windows-full'))


def test_windows_7():
    judge('build=7601 kdbg=plain', 2,
          ('raw', 'windows-active', 'windows-triage-all', 'avml'))


def test_five_levels():
    judge('build=26100 levels=5', 2, ('raw', 'windows-bitmap'),
          'qemu64,+la57')


@full
def test_every_row():
    for row in load(os.path.join(TOP, 'data', 'windows-x64-offsets.csv')):
        judge(f'{row.parameters()} threads=16 processes=6', 2)
        harness.clean_up()


def test_cut_short():
    """A sentence with what is missing, exit 1; what is there is shown."""
    guest = Guest('build=26100 threads=20', 2)
    guest.stop_at_rest()
    shown = 0
    for kind, path in made(guest, folder(), (
            'windows-full', 'kdump-zlib', 'windows-triage')):
        size = os.path.getsize(path)
        for part in (63, 1):
            os.truncate(path, size * part // 64)
            result = vmscope('image', '--json', path, timeout=200)
            same(result.code, 1, f'{kind} {part}: {result.err}')
            lines = [line for line in result.err.splitlines()
                     if 'searching the whole file' not in line]
            same(len(lines), 1, f'{kind} {part}: {result.err}')
            check('cut short' in lines[0], f'{kind} {part}: {result.err}')
            if result.out:
                check(json.loads(result.out)['missing-bytes'] > 0, kind)
                shown += 1
    check(shown, 'not even a last page may be missing')


def test_text():
    """What people read first."""
    guest = Guest('build=26100 threads=20 decoys=on', 2)
    guest.stop_at_rest()
    text = image('-d', '-t', one(guest, 'windows-active')).out
    for words in ('input     Windows crash dump, kernel memory, bitmap',
                  'not here  memory of programs',
                  'when      2026-11-30 10:20:30 UTC, up 0d 01:00:00',
                  'bug check 0xd1 DRIVER_IRQL_NOT_LESS_OR_EQUAL, on vCPU ',
                  '1 0x0000000000000008  address referenced',
                  'at        ntoskrnl.exe+0x1234', 'lookalike.sys'):
        check(words in text, f'no "{words}" in {text}')
    text = image('-d', one(guest, 'windows-triage')).out
    for words in ('minidump (type 4)', 'not here  page tables',
                  'what the other', 'drivers   3 loaded', 'lookalike.sys'):
        check(words in text, f'no "{words}" in {text}')


def test_minidump_is_quick():
    """Tens of milliseconds of CPU: nothing is searched in it."""
    guest = Guest('build=26100', 2)
    guest.stop_at_rest()
    path = one(guest, 'windows-triage-all')
    before = os.times()
    for _ in range(10):
        image(path)
    after = os.times()
    used = (after.children_user + after.children_system -
            before.children_user - before.children_system)
    check(used < 10 * 0.5, f'{used / 10:.3f} s of CPU a minidump')


def test_raw_of_a_large_machine():
    """16 GiB of which 64 MiB are stored: what is not there is not searched."""
    guest = Guest('build=19041 low-stub=off', 2)
    guest.stop_at_rest()
    path = os.path.join(folder(), 'large.raw')
    shutil.copyfile(guest.vm.ram_path, path)
    os.truncate(path, 16 << 30)
    found = image_json(path)
    same_kernel(found, guest)
    same_vcpus(found, guest)
    same_objects(found, guest)
    with open(path, 'rb') as file:
        knows_holes = os.lseek(file.fileno(), 64 << 20,
                               os.SEEK_HOLE) < 16 << 30
    reads = int(re.search(r', (\d+) reads\n', image(path).out)[1])
    check(not knows_holes or reads < 1 << 20, f'{reads} reads')


def test_raw_behind_a_gap():
    """RAM that goes on at 4 GiB: the usual places of a gap are tried."""
    guest = Guest('build=26100', 2)
    guest.stop_at_rest()
    found = image_json('--below-4g', '64M', guest.vm.ram_path)
    same_kernel(found, guest)
    same_vcpus(found, guest)
    threads = by_pointer(found['threads'], 'thread-pointer')
    same(set(threads), set(guest.objects()[1]), 'threads')
