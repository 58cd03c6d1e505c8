"""From a device's message to the driver that serves it and the thread that
ran next: judged against what the guest had its device send.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import collections
import json
import os

import harness
import truth
from harness import check, same, vmscope, wait_for
from real import Guest

# Its vectors: who serves them on CPUs with an even number, and on others.
DRIVERS = {0x63: ('netkvm.sys', 'USBXHCI.SYS'),
           0x71: ('viostor.sys by storport.sys',) * 2,
           0x72: ('viostor.sys by storport.sys',) * 2,
           0x91: ('netkvm.sys by ndis.sys',) * 2}


def sending_guest(cpus, config=''):
    return Guest('build=26100 interrupts=on decoys=on messages=on '
                 f'tick-us=2000 {config}', cpus, extra=('-device', 'edu'))


def record(guest, wanted, *arguments):
    """A recording of so many messages, and what became of them."""
    place = harness.folder()
    path, begun, done = (os.path.join(place, name) for name in
                         ('t.vms', 'begun', 'done'))
    child = harness.start(
        'record', '--qmp', guest.sockets[0], '-o', path, '-q', *arguments,
        '--', 'sh', '-c',
        f'touch {begun}; until [ -e {done} ]; do sleep 0.1; done')
    wait_for('the recording', lambda: os.path.exists(begun) or
             child.poll() is not None)
    wait_for('the trace', lambda: guest.state() in ('active', 'degraded'))
    # The table of drivers is read every two seconds.
    wait_for('the drivers', lambda: routes_known(path))
    first = guest.truth.messages_taken
    guest.ram.put64(truth.BASE + truth.MESSAGES_WANTED, first + wanted)
    wait_for('messages', lambda: guest.truth.messages_taken >=
             first + wanted, 600)
    head = guest.truth.head
    wait_for('switches', lambda: guest.truth.head > head + 100)
    with open(done, 'w', encoding='ascii'):
        pass
    same(child.wait(120), 0, 'record')
    return path, guest.truth.messages()[first:]


def routes_known(path):
    """Whether a chunk of kind 16 stands in the recording, which goes on."""
    with open(path, 'rb') as file:
        return b'VMCK\x10\0\0\0' in file.read()


def routes(path, *arguments):
    result = vmscope('report', '--json', '--top', '0', *arguments, path)
    same(result.code, 0, f'exit code ({result.err})')
    return json.loads(result.out)


def judge_drivers(found, messages):
    """Each message is there, with the driver of its vector on its vCPU."""
    wanted = collections.Counter((m.vector, m.cpu) for m in messages)
    same({(r['vector'], r.get('vcpu')): r['events']
          for r in found['message-routes']}, dict(wanted), 'messages')
    for route in found['message-routes']:
        same(route['drivers'], DRIVERS[route['vector']][route['vcpu'] % 2],
             f'drivers of {route}')
        same(route['followed'] + route['not-followed'], route['events'],
             f'messages of {route}')
        check('edu' in route['label'], route)


def test_drivers():
    for cpus in (1, 3):
        guest = sending_guest(cpus)
        path, messages = record(guest, 50)
        found = routes(path)
        judge_drivers(found, messages)
        text = vmscope('report', path).out
        check('-> vector 0x71 on vCPU 0 -> viostor.sys by storport.sys\n'
              in text, text)
        guest.vm.close()


def next_threads(guest, messages):
    """By vector and CPU: which threads that CPU's next switch may be to."""
    idle = {o.address for o in guest.truth.objects() if o.idle}
    switches = collections.defaultdict(list)
    for switch in guest.truth.switches():
        if switch.new not in idle:
            switches[switch.cpu].append(switch)
    result = collections.defaultdict(list)
    for message in messages:
        later = [s for s in switches[message.cpu] if s.tsc >= message.before]
        # It was sent at some time between these two.
        sure = [s for s in later if s.tsc > message.after]
        choice = {s.new for s in later[:len(later) - len(sure) + 1]}
        result[message.vector, message.cpu].append(choice)
    return result


def judge_next(guest, found, messages):
    """All switches were recorded: the next thread is the one that it was."""
    address = {t['thread']: t['address'] for t in found['threads']}
    wanted = next_threads(guest, messages)
    for route in found['message-routes']:
        choices = wanted[route['vector'], route['vcpu']]
        seen = {address[n['thread']]: n['count']
                for n in route['next-threads']}
        sure = collections.Counter(
            thread for choice in choices if len(choice) == 1
            for thread in choice)
        same(route['followed'], len(choices), f'followed: {route}')
        for thread, count in sure.items():
            check(seen.get(thread, 0) >= count,
                  f'{thread:#x} {seen.get(thread, 0)} times, not {count}: '
                  f'{route}')
        open_ones = set().union(*[c for c in choices if len(c) > 1], ())
        check(set(seen) <= set(sure) | open_ones, f'{seen}, not of {sure}')


def test_thread_that_ran_next():
    """By exact mode, so that report and guest know the same switches."""
    guest = sending_guest(2, 'ring-entries=65536')
    path, messages = record(guest, 67, '--exact')
    found = routes(path, '--window', '10s')

    judge_drivers(found, messages)
    judge_next(guest, found, messages)
