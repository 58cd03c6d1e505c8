"""vmscope top, printed: shares, rates, losses, names.

SPDX-License-Identifier: GPL-2.0-or-later
"""

from fake_qmp import SECOND, Ring, World, idle, thread
from guests import MS, SYSTEM, calm, crowded, with_irqs
from harness import check, fake, golden, same, start, vmscope


def top(world, *more, mode='', **kwargs):
    return vmscope('top', '-d', '50ms', '--qmp', fake(world, mode).path,
                   *more, **kwargs)


def one(world, *more):
    """The JSON object of one interval."""
    result = top(world, '--json', '-n', '1', *more)
    same(result.code, 0, f'exit code ({result.err})')
    return result.objects()[0]


def by_tid(interval):
    return {thread['unique-thread-id']: thread
            for thread in interval['threads']}


def test_batch():
    result = top(with_irqs(calm()), '--batch', '-n', '2', '--irq')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('top-batch.txt', result.out)


def test_batch_narrow():
    for columns in (40, 60):
        result = top(calm(), '--batch', '-n', '1',
                     env={'COLUMNS': str(columns)})
        golden(f'top-batch-{columns}.txt', result.out)


def test_batch_processes():
    result = top(calm(), '--batch', '-n', '1', '--processes', '--sort',
                 'switches')
    golden('top-processes.txt', result.out)


def test_json():
    result = top(with_irqs(calm()), '--json', '-n', '2', '--irq')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    golden('top.json', result.out)


def test_shares_are_exact():
    """One thread 300 ms of 1 s on vCPU 0, another all of vCPU 1."""
    world = World()
    busy = thread(8, 12, 'busy.exe')
    begin = world.now_ns
    world.sched.add(begin - SECOND, vcpu=1, origin='poll', **busy)
    for number in range(100):
        at = begin + number * 100 * MS
        world.sched.add(at, vcpu=0, origin='poll', **SYSTEM)
        world.sched.add(at + 30 * MS, vcpu=0, origin='poll', **idle(0))
    interval = one(world)
    length = interval['interval-ns']
    threads = by_tid(interval)
    same(threads[8]['run-ns'] * 10, length * 3, 'time of System')
    same(threads[12]['run-ns'], length, 'time of busy.exe')
    same(interval['vcpus'][0]['idle-ns'] * 10, length * 7, 'idle time')
    check(0 not in threads, 'the idle thread is a thread like others')


def test_unknown_idle_is_not_busy():
    """An idle guest whose idle thread is not known was busy 100 %."""
    world = World()
    begin = world.now_ns
    unknown = {'thread-pointer': 0xfffff80000010000, 'idle-unknown': True}
    for number in range(100):
        at = begin + number * 100 * MS
        world.sched.add(at, vcpu=0, origin='poll', **SYSTEM)
        world.sched.add(at + 30 * MS, vcpu=0, origin='poll', **unknown)
    interval = one(world)
    length = interval['interval-ns']
    vcpu = interval['vcpus'][0]
    same(vcpu['busy-ns'] * 10, length * 3, 'busy time')
    same(vcpu['unknown-ns'] * 10, length * 7, 'unknown time')
    same(vcpu['idle-ns'], 0, 'idle time')


def test_run_across_intervals():
    """A thread that runs all the time has 100 % in every interval."""
    world = World()
    world.n_vcpus = 1
    world.sched.add(world.now_ns, vcpu=0, origin='poll', **SYSTEM)
    result = top(world, '--json', '-n', '3')
    for interval in result.objects():
        same(by_tid(interval)[8]['cpu-percent'], 100.0, 'share')


def test_time_is_whole():
    """What ran and what idled adds up to the interval, on each vCPU."""
    for interval in top(calm(), '--json', '-n', '5').objects():
        for vcpu in interval['vcpus']:
            same(vcpu['busy-ns'] + vcpu['idle-ns'], interval['interval-ns'],
                 f'time of vCPU {vcpu["vcpu"]}')


def test_thread_ticks():
    """By Windows' own counters, from the second interval on."""
    world = calm()
    world.missing.discard('query-windows-thread-time')
    timed = SYSTEM['thread-pointer']
    world.thread_rates = {timed: (32, 16)}
    result = top(world, '--json', '-n', '2')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    first, second = result.objects()
    check(not any('windows-ticks' in row for row in first['threads']),
          'nothing was counted before the first interval')
    rows = {row['thread-pointer'] % (1 << 64): row
            for row in second['threads']}
    ticks = rows[timed % (1 << 64)]['windows-ticks']
    check(ticks['user'] == 2 * ticks['kernel'] > 0, ticks)
    same(rows[timed % (1 << 64)]['windows-tick-ns'], 15625000, 'a tick')
    same([row['thread-pointer'] for row in second['threads']
          if 'windows-ticks' in row and
          row['thread-pointer'] % (1 << 64) != timed % (1 << 64)], [],
         'others that have ticks')
    text = top(world, '--batch', '-n', '2').out
    check('USER  KERN' in text, f'no columns: {text}')
    result = top(world, '--json', '-n', '2', '--processes')
    check(any('windows-ticks' in row for row in
              result.objects()[1]['processes']), 'no process has ticks')


def test_samples_beside_ticks():
    """The two measures of where a vCPU's time goes, and how far apart."""
    world = calm()
    world.missing.discard('query-windows-cpu-time')
    world.tick_rates = [{'user': 20, 'kernel': 10, 'dpc': 20, 'interrupt': 10,
                         'idle': 40}] * 2
    world.sample_rates = [{'thread': 300, 'dpc': 260, 'interrupt': 100,
                           'idle': 340}]
    result = top(world, '--json', '-n', '1')
    same((result.code, result.err), (0, ''), 'exit code and messages')
    first, second = result.objects()[0]['vcpus']
    samples = first['windows-samples']
    same([round(100 * part / sum(samples.values()))
          for part in samples.values()], [30, 26, 10, 34], 'shares')
    check(5.9 < first['windows-samples-apart'] < 6.1, first)
    check('windows-samples' not in second, 'a vCPU without')
    check('samples 6% apart' in top(world, '--batch', '-n', '1').out, 'text')


def test_lost_entries():
    """What was overwritten is counted, and its time is nobody's."""
    world = World()
    world.n_vcpus = 1
    world.sched = Ring(100)
    for number in range(20000):
        world.sched.add(world.now_ns + number * MS, vcpu=0, origin='poll',
                        **[SYSTEM, idle(0)][number % 2])
    interval = one(world)
    # between two looks 1000 or 2000 come, and 100 are there
    length = interval['interval-ns']
    same(interval['lost'] + interval['switches'], length // MS,
         'entries seen and lost')
    check(interval['lost'] >= length // MS - 200, interval['lost'])
    vcpu = interval['vcpus'][0]
    check(vcpu['busy-ns'] + vcpu['idle-ns'] <= 101 * MS,
          'time was made up for what was lost')


def test_order_of_time_and_number():
    """Two vCPUs take time and number in different orders: nothing is lost."""
    world = World()
    busy = thread(8, 12, 'busy.exe')
    for number in range(2000):
        at = world.now_ns + number * 10 * MS
        for vcpu in range(2):
            world.sched.add(at + 5 * MS * vcpu + vcpu, vcpu=vcpu,
                            origin='exit', **[SYSTEM, busy][number % 2])
        world.sched.late[2 * number + 2] = 7 * MS
    for interval in top(world, '--json', '-n', '4').objects():
        same(interval['lost'], 0, 'lost')
        same(interval['switches'] * 5 * MS, interval['interval-ns'],
             'switches')
        for vcpu in interval['vcpus']:
            same(vcpu['busy-ns'], interval['interval-ns'],
                 f'time of vCPU {vcpu["vcpu"]}')


def test_time_goes_on_between_questions():
    """What comes after the status and before the query is counted once."""
    world = World()
    for number in range(1000):
        at = world.now_ns - SECOND + number * 100 * MS
        world.sched.add(at, vcpu=0, origin='poll', **SYSTEM)
        world.sched.add(at + 60 * MS, vcpu=0, origin='poll', **idle(0))
        if number % 7 == 0:
            world.sched.add(at + 61 * MS, vcpu=1, origin='poll', **idle(1))
    original = world.query_windows_sched_trace

    def query(arguments):
        world.now_ns += 330 * MS
        return original(arguments)
    world.query_windows_sched_trace = query
    for interval in top(world, '--json', '-n', '5').objects():
        same(interval['lost'], 0, 'lost')
        for vcpu in interval['vcpus']:
            same(vcpu['busy-ns'] + vcpu['idle-ns'], interval['interval-ns'],
                 f'time of vCPU {vcpu["vcpu"]}')


def test_missed_is_summed():
    interval = one(calm())
    same(interval['missed'], sum(v['missed'] for v in interval['vcpus']),
         'missed')
    check(interval['missed'] > 0, 'none missed')


def test_missed_that_nobody_counts_is_unknown():
    world = calm()
    for entry in world.sched.list:
        entry.pop('missed', None)
    interval = one(world)
    check('missed' not in interval, 'missed is there')
    check(all('missed' not in v for v in interval['vcpus']), 'of a vCPU')
    check('missed ?' in top(world, '--batch', '-n', '1').out, 'not unknown')


def test_pages():
    """More entries than fit a page are all fetched; numbers stay whole."""
    world = World()
    world.n_vcpus = 1
    world.sched = Ring(1 << 20)
    for number in range(100000):
        world.sched.add(world.now_ns + number * MS // 20, vcpu=0,
                        origin='poll', **[SYSTEM, idle(0)][number % 2])
    interval = one(world)
    same(interval['lost'], 0, 'lost')
    same(interval['switches'], interval['interval-ns'] * 20 // MS,
         'switches')


def test_asks_no_more_than_the_ring_holds():
    world = calm()
    qemu = fake(world)
    vmscope('top', '-d', '50ms', '--json', '-n', '3', '--qmp', qemu.path)
    queries = world.asked('query-windows-sched-trace')
    check(all(query['max-entries'] <= 10000 for query in queries), queries)
    check(len(queries) <= 6, f'{len(queries)} queries')
    afters = [query['after'] for query in queries if 'after' in query]
    same(afters, sorted(afters), 'paging')
    check(len(set(afters)) == len(afters), 'a page was fetched twice')


def test_thousands_of_threads():
    interval = one(crowded())
    same(len(interval['vcpus']), 8, 'vCPUs')
    check(len(interval['threads']) > 8000, len(interval['threads']))
    ran = sum(thread['run-ns'] for thread in interval['threads'])
    same(ran, 8 * interval['interval-ns'], 'time of all threads')
    last = top(crowded(), '--json', '-n', '4').objects()[-1]
    ran = sum(thread['run-ns'] for thread in last['threads'])
    same(ran, 8 * last['interval-ns'], 'the same after tidying')


def test_reused_thread_object():
    """The same address with another id is another thread."""
    world = World()
    world.n_vcpus = 1
    begin = world.now_ns
    second = {**SYSTEM, 'unique-thread-id': 900, 'unique-process-id': 40,
              'process-image': 'new.exe'}
    world.sched.add(begin, vcpu=0, origin='poll', **SYSTEM)
    world.sched.add(begin + 2500 * MS, vcpu=0, origin='poll', **second)
    threads = by_tid(top(world, '--json', '-n', '1').objects()[0])
    same({threads[8]['process-image'], threads[900]['process-image']},
         {'System', 'new.exe'}, 'names')


def test_without_ids():
    """A thread of which only the address is known is shown by it."""
    world = World()
    world.n_vcpus = 1
    world.sched.add(world.now_ns, vcpu=0, origin='poll',
                    **{'thread-pointer': 0xffffe00012345080})
    interval = one(world)
    same(interval['threads'][0]['thread-pointer'], 0xffffe00012345080,
         'address')
    check('unique-thread-id' not in interval['threads'][0], 'an id')
    text = top(world, '--batch', '-n', '1').out
    check('0xffffe00012345080' in text, text)


def test_fresh_ring():
    """Somebody turns the trace off and on: numbers begin again."""
    world = calm()
    begin = world.now_ns
    full = world.sched
    fresh = Ring()
    for number in range(1000):
        fresh.add(begin + 4 * SECOND + number * 10 * MS, vcpu=0,
                  origin='poll', **[SYSTEM, idle(0)][number % 2])
    original = world.sched_status

    def status():
        if world.now_ns >= begin + 4 * SECOND:
            world.sched = fresh
        return original()
    world.sched_status = status
    intervals = top(world, '--json', '-n', '8').objects()
    check(full is not world.sched, 'the ring stayed')
    same(intervals[-1]['lost'], 0, 'lost')
    same(set(by_tid(intervals[-1])), {8}, 'threads')
    same(by_tid(intervals[-1])[8]['cpu-percent'], 50.0, 'share')


def test_turned_on_and_off():
    world = calm()
    world.sched_on = False
    result = top(world, '--json', '-n', '1', '--hz', '5000')
    same(result.code, 0, 'exit code')
    check('was off: turned on' in result.err, result.err)
    same([call['enable'] for call in world.asked('windows-sched-trace-set')],
         [True, False], 'commands')
    same(world.poll_hz, 5000, 'poll-hz')


def test_dense():
    """--hz max is the largest number, and is shown as what it is."""
    world = calm()
    world.sched_on = False
    result = top(world, '--batch', '-n', '1', '--hz', 'max')
    same(result.code, 0, 'exit code')
    same(world.poll_hz, 0xffffffff, 'poll-hz')
    check('poll dense' in result.out, result.out)


def test_left_on():
    world = calm()
    result = top(world, '--json', '-n', '1', '--hz', '5000')
    same(world.asked('windows-sched-trace-set'), [], 'commands')
    check('--hz is not used' in result.err, result.err)


def test_no_enable():
    world = calm()
    world.sched_on = False
    result = top(world, '--json', '--no-enable')
    same((result.code, result.out), (1, ''), 'exit code and output')
    check('is off' in result.err and 'windows-sched-trace-set' in result.err,
          result.err)
    same(world.asked('windows-sched-trace-set'), [], 'commands')


def test_waiting():
    world = World()
    world.state = 'waiting'
    world.reason = 'no Windows kernel is visible yet'
    text = top(world, '--batch', '-n', '1').out
    check(world.reason in text and 'waiting' in text, text)


def test_reboot():
    """While no kernel is seen nobody is given the time."""
    world = World()
    world.n_vcpus = 1
    world.sched.add(world.now_ns, vcpu=0, origin='poll', **SYSTEM)
    original = world.sched_status

    def status():
        world.state = 'active' if world.now_ns < 103 * SECOND else 'waiting'
        return original()
    world.sched_status = status
    last = top(world, '--json', '-n', '4').objects()[-1]
    same(last['threads'], [], 'threads')


def test_filter():
    for text, tids in (('CHROME', {4004, 4008}), ('compos', {4004}),
                       ('한국어', {804}), ('900/', {904}),
                       ('nothing', set())):
        same(set(by_tid(one(calm(), '--filter', text))), tids, text)


def test_sort():
    for key, first in (('cpu', 4004), ('pid', 8), ('name', 904)):
        threads = one(calm(), '--sort', key)['threads']
        same(threads[0]['unique-thread-id'], first, key)


def test_limit():
    same(len(one(calm(), '--limit', '2')['threads']), 2, 'threads')


def test_irq_log_off_or_missing():
    world = calm()
    world.irq_on = False
    check('IRQ log is off' in top(world, '--batch', '-n', '1', '-i').out,
          'not said')
    world = calm()
    world.missing = {'query-irq-log-status', 'query-irq-log'}
    check('not in this QEMU' in top(world, '--batch', '-n', '1', '-i').out,
          'not said')


def test_many_irqs_are_sampled():
    """At most one page is fetched; rates come from the time it covers."""
    world = calm()
    for number in range(120000):
        world.irqs.add(world.now_ns + number * MS // 20, level=1, depth=0,
                       kind='hardware', path='/machine/a', **{
                           'irq-line': 0, 'host-tid': 1, 'thread-name': '',
                           'caller-addr': 1})
    interval = one(world, '--irq')
    check(interval['interrupts-sampled'], 'not sampled')
    rate = interval['irq-lines'][0]['per-second']
    check(19000 < rate < 21000, rate)
    same(len(world.asked('query-irq-log')), 1, 'queries')


def test_pipe_closes():
    """As with head: no error, and the trace is off again."""
    world = calm()
    world.sched_on = False
    process = start('top', '--json', '-d', '50ms', '--qmp', fake(world).path)
    process.stdout.readline()
    process.stdout.close()
    same(process.wait(20), 0, 'exit code')
    check(not world.sched_on, 'still on')


def test_qemu_dies():
    for number in (6, 9):
        result = top(calm(), '--json', mode=('die', number))
        same(result.code, 1, 'exit code')
        check('QEMU has ended' in result.err, result.err)


def test_locale_without_utf8():
    """A pipe gets UTF-8 also where the locale has none."""
    result = top(calm(), '--batch', '-n', '1', env={'LC_ALL': 'POSIX'})
    check('한국어 스레드 🚀' in result.out, result.out)
