"""profile: samples of what vCPUs execute, counted; and who cannot give any.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import gzip
import re
import subprocess
import time

import harness

from fake_qmp import CommandError, World
from harness import check, fake, golden, same, vmscope
from real import Guest

KERNEL = 0xfffff80312a00000
SYSTEM = {'thread-pointer': 0xffffc00000001000, 'unique-process-id': 4,
          'unique-thread-id': 40, 'process-image': 'System'}
GAME = {'thread-pointer': 0xffffc00000002000, 'unique-process-id': 400,
        'unique-thread-id': 404, 'process-image': 'game;1.exe',
        'thread-name': 'draw \\x1b[31m\u202e'}
IDLE = {'thread-pointer': 0xfffff80312b00000, 'unique-process-id': 0,
        'unique-thread-id': 0, 'process-image': 'Idle', 'idle': True}


def at(module=None, export=None, cpl=0, irql=0, dpc=False, **more):
    place = {}
    if module:
        place = {'module': module, 'module-offset': 0x1234}
    if export:
        place.update({'export': export, 'export-offset': 0x34})
    return {'rip': KERNEL + 0x1234 if cpl == 0 else 0x7ff612345678,
            'cpl': cpl, 'irql': irql, 'dpc': dpc, **place, **more}


# 100 of them, twice.
SAMPLES = (
    30 * [at('viostor.sys', 'DriverEntry', irql=2, dpc=True, **SYSTEM)] +
    10 * [at('ntoskrnl.exe', 'KeWaitForSingleObject', **SYSTEM)] +
    20 * [at(cpl=3, **GAME)] +
    25 * [at('ntoskrnl.exe', 'KiIdleLoop', **IDLE)] +
    5 * [at('ntoskrnl.exe', 'KiRetire', irql=2, dpc=True, **IDLE)] +
    5 * [at('evil\n\x1b[31m.sys', **SYSTEM)] +
    5 * [at(**SYSTEM)])


class ProfileWorld(World):
    """A QEMU with samples: SAMPLES once more with each look."""

    def __init__(self, samples=SAMPLES, rip_hz=1000):
        super().__init__()
        self.samples = samples
        self.rip_hz = rip_hz
        self.sched_on = False
        self.seq = 5000
        self.gap = 0
        self.there = []
        self.looks = 0
        self.why = None

    def windows_sched_trace_set(self, arguments):
        self.rip_hz = arguments.get('rip-hz', self.rip_hz)
        return super().windows_sched_trace_set(arguments)

    def fill(self):
        for number, sample in enumerate(self.samples):
            self.seq += 1
            self.there.append({'seq': self.seq, 'timestamp-ns': self.seq,
                               'vcpu': number % 2, **sample})

    def query_windows_profile(self, arguments):
        after = arguments['after']
        if after <= self.seq and self.looks < 2 and (
                not self.there or after == self.there[-1]['seq']):
            self.looks += 1
            self.seq += self.gap
            self.fill()
        found = [s for s in self.there if s['seq'] > after]
        return {'rip-hz': self.rip_hz, 'recorded': self.seq,
                'overwritten': 0, 'skipped': 3 * self.looks,
                'cost-ns': 1000 * self.seq,
                'samples': found[:arguments['max-entries']],
                **({'reason': self.why} if self.why else {})}


def profile(world, *more):
    qemu = fake(world)
    return vmscope('profile', '--qmp', qemu.path, '--duration', '500ms',
                   *more)


def fine(world, *more):
    result = profile(world, *more)
    same(result.code, 0, f'exit code ({result.err})')
    return result


def text_of(result):
    return re.sub(r'in \d+\.\d s', 'in (time) s', result.out)


def test_table():
    for by in ('module', 'export', 'thread'):
        result = fine(ProfileWorld(), '--by', by)
        golden(f'profile-{by}.txt', text_of(result))
    world = ProfileWorld()
    fine(world, '--hz', '997')
    same(world.asked('windows-sched-trace-set'),
         [{'enable': True, 'rip-hz': 997}, {'enable': False}], 'the trace')


def test_top():
    out = fine(ProfileWorld(), '--top', '1').out
    check('(others)' not in out and 'more: --top shows them' in out, out)
    same(len(out.splitlines()), 4, out)


def test_folded():
    golden('profile-folded.txt', fine(ProfileWorld(), '--folded').out)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field of a message in protobuf's wire format."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        check(tag & 7 in (0, 2), f'wire type {tag & 7}')
        if tag & 7 == 2:
            check(at + value <= len(data), 'a field longer than its message')
            value, at = data[at:at + value], at + value
        yield tag >> 3, value


def read_pprof(data):
    """{stack, outermost first: [values]}, and what else a profile says."""
    whole = {}
    for number, value in fields(gzip.decompress(data)):
        whole.setdefault(number, []).append(value)
    texts = [text.decode() for text in whole[6]]
    same(texts[0], '', 'text number 0')
    names = {}
    for function in whole.get(5, ()):
        function = dict(fields(function))
        names[function[1]] = texts[function[2]]
    places = {}
    for location in whole.get(4, ()):
        location = dict(fields(location))
        places[location[1]] = names[dict(fields(location[4]))[1]]
    same(len(set(names.values())), len(names), 'functions told twice')
    stacks = {}
    for sample in whole.get(2, ()):
        parts = list(fields(sample))
        stack = tuple(places[v] for k, v in parts if k == 1)[::-1]
        check(stack not in stacks, f'{stack} is there twice')
        stacks[stack] = [v for k, v in parts if k == 2]
    types = [tuple(texts[v] for _, v in fields(kind)) for kind in whole[1]]
    kind, = whole[11]
    return stacks, types, tuple(texts[v] for _, v in fields(kind)), whole


def raw_profile(world, *more):
    """What it writes to standard output, as bytes."""
    result = subprocess.run(
        [harness.VMSCOPE, 'profile', '--qmp', fake(world).path, '--duration',
         '500ms', *more], capture_output=True, timeout=300, check=False,
        env=harness.environment())
    same(result.returncode, 0, result.stderr)
    return result.stdout


def test_pprof():
    """The same stacks and counts as the folded ones."""
    before = time.time()
    data = raw_profile(ProfileWorld(), '--pprof', '--hz', '500')
    stacks, types, period, whole = read_pprof(data)
    wanted = {}
    for line in fine(ProfileWorld(), '--folded').out.splitlines():
        stack, count = line.rsplit(' ', 1)
        wanted[tuple(stack.split(';'))] = int(count)
    # Text is escaped there for a terminal, here for programs.
    same(sorted(v[0] for v in stacks.values()), sorted(wanted.values()),
         'samples')
    for stack, values in stacks.items():
        same(values[1], values[0] * 2000000, 'nanoseconds of samples')
        if all(text.isprintable() and '\\' not in text for text in stack):
            same(values[0], wanted[stack], stack)
    check(('(DPCs)', 'viostor.sys', 'DriverEntry') in stacks, stacks)
    same(types, [('samples', 'count'), ('cpu', 'nanoseconds')], 'types')
    same((period, whole[12]), (('cpu', 'nanoseconds'), [2000000]), 'period')
    check(before - 1 < whole[9][0] / 1e9 < time.time() + 1, 'when it began')
    check(0.4 < whole[10][0] / 1e9 < 100, f'{whole[10]} ns')


def test_pprof_of_nothing():
    stacks, _, _, _ = read_pprof(raw_profile(ProfileWorld([]), '--pprof'))
    same(stacks, {}, 'samples')


def test_pprof_large():
    """Names as long as they may be, more than fit zlib's buffer at once."""
    world = ProfileWorld([at(f'{i:04}' + 250 * 'n', f'{i}' + 250 * 'e',
                             **SYSTEM) for i in range(600)])
    stacks, _, _, _ = read_pprof(raw_profile(world, '--pprof'))
    same((len(stacks), {v[0] for v in stacks.values()}), (600, {2}), 'stacks')


def test_json():
    world = ProfileWorld()
    world.gap = 7
    whole, = fine(world, '--json').objects()
    same((whole['samples'], whole['lost'], whole['vcpus']), (200, 14, 2),
         'samples, lost, vCPUs')
    same((whole['skipped'], whole['rip-hz'], whole['by']),
         (6, 250, 'module'), 'skipped, rate, rows')
    rows = {row['name']: row for row in whole['rows']}
    same(sum(row['samples'] for row in whole['rows']), 200, 'of all rows')
    same(abs(sum(row['share'] for row in whole['rows']) - 1) < 1e-6, True,
         'shares')
    row = rows['viostor.sys']
    same((row['samples'], row['dpc'], row['user'], row['raised-irql']),
         (60, 60, 0, 60), 'viostor.sys')
    same((rows['(idle)']['samples'], rows['(idle)']['idle']), (50, True),
         'idle')
    same(rows['ntoskrnl.exe']['samples'], 30, 'the kernel, DPCs on idle')
    same(rows['game;1.exe (user mode)']['user'], 40, 'user mode')
    same(rows['(outside every module)']['samples'], 10, 'outside')


def test_stages():
    world = ProfileWorld([at(stage=stage) for stage in (
        'firmware', 'boot-loader', 'firmware-or-boot-loader', 'kernel',
        'kernel-32', 'later')] + [at(stage='user', cpl=3)])
    for by in ('module', 'export', 'thread'):
        out = fine(world, '--by', by).out
        for name in ('(firmware)', '(boot loader)', '(before Windows)',
                     '(firmware or boot loader)', '(a 32-bit kernel)',
                     '(a kernel that is not known)',
                     '(user mode, no kernel known)'):
            check(name in out, out)
        world.looks, world.there = 0, []


def test_reason():
    world = ProfileWorld()
    world.why = 'the list of drivers never comes back to its head'
    result = fine(world)
    check(f'may lack their module: {world.why}' in result.err, result.err)


def test_on_without_samples():
    world = ProfileWorld(rip_hz=0)
    world.sched_on = True
    result = profile(world)
    same((result.code, result.out), (1, ''), 'exit code and output')
    check('on without rip-hz' in result.err, result.err)
    same(world.asked('windows-sched-trace-set'), [], 'nothing is changed')
    world = ProfileWorld()
    result = profile(world, '--no-enable')
    same(result.code, 1, 'off, and to stay so')


class OlderWorld(World):
    """One whose trace has no such option yet."""

    def windows_sched_trace_set(self, arguments):
        if 'rip-hz' in arguments:
            raise CommandError("Parameter 'rip-hz' is unexpected")
        return super().windows_sched_trace_set(arguments)


def test_older_qemu():
    world = OlderWorld()
    world.sched_on = False
    result = profile(world)
    same(result.code, 1, 'exit code')
    check('rip-hz' in result.err, result.err)


def test_usage():
    for words, said in ((('--by', 'file'), 'give module, export or thread'),
                        (('--json', '--folded'), 'give one of'),
                        (('--pprof', '--folded'), 'give one of'),
                        (('--hz', '0'), '1'), (('--hz', '10001'), '10000'),
                        (('--top', '0'), '1'), (('more',), 'more')):
        result = profile(ProfileWorld(), *words)
        same((result.code, result.out), (2, ''), f'{words}')
        check(said in result.err, f'{words}: {result.err}')


def test_real_guest():
    """The guest's thread that spins is found, in the driver it spins in."""
    guest = Guest('build=26100 spin-in=10000 threads=2 user-percent=0', 2)
    result = vmscope('profile', '--qmp', guest.sockets[0], '--json', '--by',
                     'export', '--hz', '1000', '--duration', '3s')
    same(result.code, 0, f'exit code ({result.err})')
    whole, = result.objects()
    rows = {row['name']: row for row in whole['rows']}
    check(whole['samples'] > 0 and 'reason' not in whole, whole)
    row = rows.get('lookalike.sys!KeAreApcsDisabled')
    check(row and row['raised-irql'] == row['samples'] and not row['user'],
          rows)
    same(guest.state(), 'disabled', 'the trace is off again')


def test_from_outside():
    guest = Guest()
    result = vmscope('profile', '--attach', '--qmp', guest.sockets[0])
    same((result.code, result.out), (1, ''), 'exit code and output')
    check('by a QEMU built with vmscope only' in result.err, result.err)
