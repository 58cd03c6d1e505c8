"""vmscope image on files that are cut, lie, or are something else.

Each must end soon, in one sentence or in a result, whatever is in the file.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import json
import os
import random
import struct

from harness import check, folder, same, vmscope
from real import Guest
from test_image import core_of, registers_file, same_kernel

PT_LOAD, PT_NOTE = 1, 4
PAGE = 4096
# QEMUCPUState: version, size, 18 registers, 10 segments, 5 control registers,
# kernel GS base
GS_BASE = 8 + 18 * 8 + 4 * 24 + 16
REGISTERS = 8 + 18 * 8 + 10 * 24 + 5 * 8 + 8
KERNEL = (bytes(GS_BASE) + struct.pack('<Q', 0xfffff80000000000) +
          bytes(REGISTERS - GS_BASE - 8))


def note(description, name=b'QEMU\0', kind=0, name_size=None,
         description_size=None):
    def padded(data):
        return data + bytes(-len(data) % 4)
    return struct.pack(
        '<III', len(name) if name_size is None else name_size,
        len(description) if description_size is None else description_size,
        kind) + padded(name) + padded(description)


def core(notes=None, parts=((0, 16 * PAGE),), machine=62, kind=4, phentsize=56,
         phnum=None, phoff=64, change=None, more=()):
    """A small ELF core; parts are (address, bytes)."""
    if notes is None:
        notes = note(KERNEL) * 2
    n = len(parts) + 1 + len(more)
    at = 64 + 56 * n
    headers = [[PT_NOTE, 0, at, 0, 0, len(notes), 0, 0]]
    at += len(notes)
    body = notes
    for address, size in parts:
        headers.append([PT_LOAD, 0, at, 0, address, size, size, 0])
        body += bytes(size)
        at += size
    if change:
        change(headers)
    headers += more
    return struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01', kind,
                       machine, 1, 0, phoff, 0, 0, 64, phentsize,
                       n if phnum is None else phnum, 0, 0, 0) + b''.join(
        struct.pack('<IIQQQQQQ', *header) for header in headers) + body


def refused(data, *words, more=()):
    """It ends with one sentence that has these words."""
    path = os.path.join(folder(), 'a.core')
    with open(path, 'wb') as file:
        file.write(data)
    result = vmscope('image', path, *more, timeout=200)
    same((result.code, result.out), (1, ''), f'result ({result.err})')
    lines = [line for line in result.err.splitlines()
             if 'searching the whole file' not in line]
    same(len(lines), 1, f'sentences in {result.err}')
    for word in (path, *words):
        check(word in lines[0], f'no "{word}" in {result.err}')
    return lines[0]


def set_header(number, member, value):
    def change(headers):
        headers[number][member] = value
    return change


def test_whole():
    refused(core(), 'no Windows kernel')


def test_cut_anywhere():
    whole = core()
    for length in [*range(0, 64, 7), 64, 100, 119, 120, 175, 176, 200, 300,
                   600, 1000, len(whole) - 1]:
        refused(whole[:length])


def test_cut_memory():
    refused(core()[:-PAGE], 'cut short: 4096 bytes')


def test_sizes_that_lie():
    huge = (1 << 64) - 1
    for member in (2, 5):           # offset, size in the file
        for value in (huge, 1 << 63, 1 << 40, (1 << 63) - PAGE):
            refused(core(change=set_header(0, member, value)))
            refused(core(change=set_header(1, member, value)))
    refused(core(change=set_header(1, 4, huge - 10)), 'damaged')


def test_counts_that_lie():
    refused(core(phnum=0), 'no Windows kernel')
    refused(core(phnum=4000), 'cut short')
    refused(core(phnum=0xffff), 'no section header')
    refused(core(phoff=1 << 63), 'cut short')
    refused(core(phoff=(1 << 64) - 1), 'cut short')


def ranges(n, size):
    """So many ranges that are all the beginning of the file."""
    return [[PT_LOAD, 0, 0, 0, number * PAGE, size, size, 0]
            for number in range(n)]


def test_many_ranges():
    refused(core(more=ranges(60000, PAGE)), 'no Windows kernel')


def test_ranges_that_overlap():
    """4000 times the whole file: searching it takes no longer for that."""
    sentence = refused(core(parts=((0, 1 << 20),),
                            more=ranges(4000, 1 << 20)))
    check('no Windows kernel' in sentence, sentence)


def test_notes():
    good = note(KERNEL)
    refused(core(good + note(b'', name_size=0xffffffff)), 'note that does')
    refused(core(good + note(b'', description_size=0xffffffff)), 'note that')
    refused(core(good + note(b'', name_size=0xffffffff,
                             description_size=0xffffffff)), 'note that')
    refused(core(note(KERNEL[:-100])), 'registers of 340 bytes')
    refused(core(note(b'')), 'registers of 0 bytes')
    refused(core(good * 1025), 'registers')
    refused(core(note(KERNEL, name=b'CORE\0')), 'no Windows kernel')
    refused(core(b''), 'no Windows kernel')
    refused(core(good[:-1]), 'note that')
    refused(core(good + b'\0' * 8))


def test_other_machines():
    refused(core(machine=183), 'no core of an x86_64')
    refused(core(kind=2), 'no core of an x86_64')
    refused(core(phentsize=32), 'no core of an x86_64')
    data = bytearray(core())
    data[4] = 1
    refused(bytes(data), 'not of a 64-bit')
    data[4], data[5] = 2, 2
    refused(bytes(data), 'not of a 64-bit')


def test_other_files():
    for magic, words in ((b'KDUMP   ', 'cut short'),
                         (b'makedumpfile\0\0\0\0', 'cut short'),
                         (b'PAGEDU64', 'cut short'),
                         (b'PAGEDUMP', '32-bit Windows'),
                         (b'\x1f\x8b', 'unpack it first'),
                         (b'HIBR', 'hibernation'),
                         (b'QEVM', 'migration'),
                         (b'LibvirtQemudSave', 'virsh dump --memory-only'),
                         (b'QFI\xfb', 'qcow2'),
                         (b'MZ', 'no memory image'),
                         (b'', 'no memory image')):
        refused(magic + bytes(100), words)
    refused(b'', 'empty')
    for path, words in (('/nonexistent', 'No such file'),
                        ('/dev/zero', 'no ordinary file'),
                        (folder(), 'no ordinary file')):
        result = vmscope('image', path, timeout=200)
        same(result.code, 1, path)
        check(words in result.err and path in result.err, result.err)


def test_wrong_usage():
    for arguments in ([], ['a', 'b'], ['--below-4g', '1', 'a'],
                      ['--below-4g', 'x', 'a'], ['--qmp', 'x', 'a']):
        result = vmscope('image', *arguments)
        same((result.code, result.out), (2, ''), f'{arguments}')
        check('--help' in result.err, result.err)


def test_registers():
    place = folder()
    path = os.path.join(place, 'cpus.txt')
    for text, words in (
            ('', 'no vCPU'), ('# nothing\n\n', 'no vCPU'),
            ('cr3\n', "line 1: 'cr3' is no register"),
            ('\ncr3=\n', "line 2: 'cr3=' is no register"),
            ('cr3=0x1g\n', "'cr3=0x1g'"), ('eax=1\n', "'eax=1'"),
            ('vcpu=1024\n', "'vcpu=1024'"), ('\0cr3=1\n', 'no vCPU'),
            ('cr3=1 ' * 300 + '\n', 'longer than'),
            ('cr3=1\n' * 1025, 'more than 1024'),
            ('cr3=0x1000\n', 'kernel')):
        with open(path, 'w', encoding='ascii') as file:
            file.write(text)
        refused(bytes(1 << 16), words, more=('--registers', path))
    refused(bytes(PAGE), 'No such file', more=('--registers', '/nonexistent'))


def test_random_damage():
    """Headers of a small core with random bytes; the seed is fixed."""
    chance = random.Random(6)
    whole = core(parts=((0, 4 * PAGE), (1 << 32, 2 * PAGE)))
    path = os.path.join(folder(), 'a.core')
    for number in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(64 + 3 * 56 + 400)
            data[at] = chance.choice((0, 1, 0x7f, 0x80, 0xff,
                                      chance.randrange(256)))
        with open(path, 'wb') as file:
            file.write(data)
        result = vmscope('image', path, timeout=200)
        check(result.code == 1 and result.err and not result.out,
              f'case {number}: {result.code} {result.err}')


def test_damaged_guest():
    """A real core with random pages overwritten: it ends, and soon."""
    chance = random.Random(7)
    guest = Guest('build=26100 threads=48 processes=8', 2)
    guest.stop_at_rest()
    path = core_of(guest)
    same_kernel(json.loads(vmscope('image', '--json', path).out), guest)
    pages = os.path.getsize(path) // PAGE
    worked = 0
    with open(path, 'r+b') as file:
        for number in range(40):
            for _ in range(chance.choice((1, 10, 200))):
                file.seek(chance.randrange(2, pages) * PAGE)
                file.write(chance.choice((bytes(PAGE), b'\xff' * PAGE,
                                          chance.randbytes(PAGE))))
            file.flush()
            result = vmscope('image', '--json', path, timeout=200)
            check(result.code in (0, 1), f'{number}: {result.code} '
                  f'{result.err}')
            if result.code == 0:
                json.loads(result.out)
                worked += 1
    check(worked, 'already the first damage hid everything')


def test_raw_with_a_gap():
    """RAM on both sides of 4 GiB in one file: the gap is where it is said."""
    guest = Guest('build=19041', 1)
    guest.stop_at_rest()
    size = os.path.getsize(guest.vm.ram_path)
    registers = registers_file(guest)
    for low, code in ((size, 0), (size * 2, 0), (PAGE, 1)):
        result = vmscope('image', '--json', '--registers', registers,
                         '--below-4g', str(low), guest.vm.ram_path)
        same(result.code, code, f'{low}: {result.err}')
