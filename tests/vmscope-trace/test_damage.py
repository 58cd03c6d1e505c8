"""Recordings that are cut, damaged, newer or none: used as far as they go.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import random
import struct

from rig import check, counts, folder, make_trace, report, rows, same, vmscope

WAYS = (['report'], ['report', '--json'], ['report', '--html'],
        ['export', '--format', 'perfetto'], ['export', '--format', 'json'],
        ['export', '--format', 'csv'])
HEADER = 2048


def recording(**options):
    path = make_trace(os.path.join(folder(), 't.vms'), **options)
    with open(path, 'rb') as file:
        return bytearray(file.read())


def written(data):
    path = os.path.join(folder(), 'd.vms')
    with open(path, 'wb') as file:
        file.write(data)
    return path


def use_all_ways(data):
    """None crashes or hangs; each says 0, or 1 with a sentence."""
    path = written(data)
    for way in WAYS:
        result = vmscope(*way, path, code=None, raw=True, timeout=60)
        check(result.code in (0, 1), f'{way}: exit code {result.code}')
        check(result.code == 0 or path in result.err, f'{way}: {result.err}')
    return path


def is_prefix(part, whole):
    return part == whole[:len(part)]


def events(path):
    return [row for row in rows(path) if row['event'] in ('switch', 'irq')]


def test_cut():
    """A file cut anywhere gives its first events, and is called unfinished."""
    data = recording(events=3000)
    whole = events(written(data))
    generator = random.Random(1)
    places = [HEADER, HEADER + 1, len(data) - 1] + [
        generator.randrange(HEADER, len(data)) for _ in range(25)]
    for place in places:
        path = written(data[:place])
        result = vmscope('report', path)
        check('was not finished' in result.err, f'{place}: {result.err}')
        part = events(path)
        # kinds are written in turns: each comes in its own order
        for kind in ('switch', 'irq'):
            check(is_prefix([r for r in part if r['event'] == kind],
                            [r for r in whole if r['event'] == kind]),
                  f'cut at {place}: {kind} are others')
    use_all_ways(data[:len(data) // 2])


def test_cut_within_the_header():
    data = recording(events=10)
    for place in (0, 1, 7, 8, 100, HEADER - 1):
        path = written(data[:place])
        for way in WAYS:
            result = vmscope(*way, path, code=1)
            check(path in result.err, f'{place}: {result.err}')


def test_damaged():
    """Bytes that are wrong lose the piece they are in, and no more."""
    data = recording(events=10000)
    whole = events(written(data))
    generator = random.Random(2)
    for _ in range(6):
        bad = bytearray(data)
        bad[generator.randrange(HEADER, len(bad))] ^= 1 << generator.randrange(8)
        path = written(bad)
        result = vmscope('report', path)
        check('damaged' in result.err or 'missing' in result.err or
              'no sense' in result.err, f'nothing is said: {result.err}')
        part = events(path)
        check(len(part) > len(whole) * 0.3, f'{len(part)} of {len(whole)}')
        known = {(r['monotonic_ns'], r['vcpu'], r['line']) for r in whole}
        check(all((r['monotonic_ns'], r['vcpu'], r['line']) in known
                  for r in part), 'events that were none')


def test_hole():
    """Zeroes in the middle, as of a disk that lost a block.

    What was there is counted as lost, and who ran meanwhile is not known.
    """
    data = recording(events=30000)
    whole = counts(written(data))
    busy = report(written(data))['busy-ns']
    middle = len(data) // 2
    data[middle:middle + 4096] = bytes(4096)
    path = use_all_ways(data)
    result = vmscope('report', path)
    check('count as lost' in result.err, result.err)
    found = counts(path)
    for kind, lost in (('switch', 'lost-switches'), ('irq', 'lost-irqs')):
        same(found[kind] + found[lost], whole[kind], f'{kind} and lost ones')
    check(found['lost-switches'] + found['lost-irqs'] > 100, f'{found}')
    figures = report(path)
    same(figures['switches-lost'], found['lost-switches'], 'switches-lost')
    check(figures['unknown-ns'] > 1000000 and figures['busy-ns'] < busy,
          f'{figures["unknown-ns"]} ns are unknown')


def test_garbage():
    generator = random.Random(3)
    data = recording(events=2000)
    for _ in range(15):
        bad = bytearray(data)
        for _ in range(generator.randrange(1, 60)):
            bad[generator.randrange(len(bad))] = generator.randrange(256)
        use_all_ways(bad)
    for size in (0, 10, 5000):
        use_all_ways(generator.randbytes(size))
    use_all_ways(data[:HEADER] + generator.randbytes(20000))
    use_all_ways(data + data[HEADER:] + data)


def test_newer():
    """A later version is refused, with what to do."""
    data = recording(events=10)
    same(bytes(data[:8]), b'vmstrace', 'the magic')
    version = struct.unpack_from('<I', data, 8)[0]
    same(version, 2, 'the version')
    struct.pack_into('<I', data, 8, version + 1)
    for way in WAYS:
        result = vmscope(*way, written(data), code=1)
        check('version 3' in result.err or 'newer' in result.err, result.err)


def test_not_a_recording():
    for data in (b'', b'irq-log: enabled format=1\n' * 200, bytes(10000)):
        for way in WAYS:
            result = vmscope(*way, written(data), code=1)
            check('recording' in result.err, result.err)


def test_text_stays_clean_of_damage():
    """Whatever is in the file, text has no control characters."""
    generator = random.Random(4)
    data = recording(events=2000, hostile=1)
    for _ in range(10):
        bad = bytearray(data)
        for _ in range(8):
            bad[generator.randrange(HEADER)] = generator.randrange(256)
        result = vmscope('report', written(bad), code=None, raw=True)
        check(not any(c < 32 and c != 10 or c == 127 for c in result.out),
              'control characters')
