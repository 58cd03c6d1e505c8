"""Reaching a QEMU: everything that can be wrong with the other end.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import signal
import socket
import time

from fake_qmp import World
from guests import calm
from harness import check, fake, folder, same, start, vmscope, wait_for


def ask(path, *more, timeout='5s', **kwargs):
    return vmscope('top', '--json', '-n', '1', '-d', '50ms', '--qmp', path,
                   '--timeout', timeout, *more, **kwargs)


def refused(result, *words):
    """It failed with a sentence that has these words, and nothing else."""
    same(result.code, 1, f'exit code ({result.err})')
    same(result.out, '', 'output')
    for word in words:
        check(word in result.err, f'no "{word}" in: {result.err}')


def test_no_socket():
    path = os.path.join(folder(), 'none')
    refused(ask(path), path, 'there is no socket',
            f'-qmp unix:{path},server=on,wait=off')


def test_no_listener():
    path = os.path.join(folder(), 'left')
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    refused(ask(path), path, 'nobody listens', 'has ended')


def test_a_file():
    path = os.path.join(folder(), 'file')
    with open(path, 'w', encoding='ascii'):
        pass
    refused(ask(path), path, 'is no socket')


def test_path_too_long():
    path = os.path.join(folder(), 'x' * 120)
    refused(ask(path), 'longer than the 107 bytes')


def listen(family, address):
    listener = socket.socket(family)
    listener.bind(address)
    return listener


def test_tcp():
    """By address, by name, with and without the word in front."""
    listener = listen(socket.AF_INET, ('127.0.0.1', 0))
    port = listener.getsockname()[1]
    fake(calm(), listener=listener)
    for address in (f'tcp:127.0.0.1:{port}', f'127.0.0.1:{port}',
                    f'tcp:localhost:{port}', f'tcp:127.0.0.1:{port},x=on'):
        result = ask(address)
        same(result.code, 0, f'{address}: exit code ({result.err})')
        same(result.objects()[0]['name'], 'win11', address)


def test_tcp_refused():
    listener = listen(socket.AF_INET, ('127.0.0.1', 0))
    port = listener.getsockname()[1]
    refused(ask(f'127.0.0.1:{port}'), 'nobody listens',
            f'-qmp tcp:127.0.0.1:{port},server=on,wait=off')
    refused(ask('tcp:5'), 'give it as tcp:HOST:PORT')
    refused(ask('tcp:localhost:http'), 'give it as tcp:HOST:PORT')
    refused(ask(f'tcp:{"x" * 300}:5'), 'give it as tcp:HOST:PORT')


def test_a_file_goes_before_a_port():
    """A path with a colon and digits is the file that is there."""
    path = os.path.join(folder(), 'qmp:7')
    qemu = fake(calm())
    os.rename(qemu.path, path)
    same(ask(path).code, 0, 'exit code')
    same(ask(f'unix:{path}').code, 0, 'exit code')
    here = ask('qmp:7', cwd=os.path.dirname(path))
    same(here.code, 0, f'exit code ({here.err})')


def test_abstract():
    name = f'vmscope-test-{os.getpid()}'
    listener = listen(socket.AF_UNIX, '\0' + name)
    fake(calm(), listener=listener)
    same(ask('@' + name).code, 0, 'exit code')
    refused(ask('@vmscope-test-none'), 'nobody listens',
            '-qmp unix:vmscope-test-none,abstract=on,server=on,wait=off')


def test_abstract_as_long_as_can_be():
    """QEMU's tight=off: the name is filled up with zeros."""
    name = f'vmscope-test-{os.getpid()}-loose'
    listener = listen(socket.AF_UNIX, ('\0' + name).ljust(108, '\0'))
    fake(calm(), listener=listener)
    same(ask('@' + name).code, 0, 'exit code')


def test_passed_descriptor():
    qemu = fake(calm())
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(qemu.path)
        result = ask(f'fd:{client.fileno()}', pass_fds=[client.fileno()])
    same(result.code, 0, f'exit code ({result.err})')
    refused(ask('fd:77'), 'no file descriptor of that number')
    refused(ask('fd:0'), 'it is no socket')
    refused(ask('fd:x'), 'give the number')


def test_no_greeting():
    refused(ask(fake(mode='silent').path, timeout='300ms'),
            'does not greet', 'one at a time')


def test_monitor_socket():
    refused(ask(fake(mode='chatter').path), 'this is no QMP', 'QEMU 10.0.2',
            'not of -monitor')


def test_closed_at_once():
    refused(ask(fake(mode='close').path), 'ended, or closed')


def test_hang():
    for number in (1, 3, 5):
        refused(ask(fake(calm(), ('hang', number)).path, timeout='300ms'),
                'no answer within 0.3 s')


def test_die():
    for number in (1, 3, 5):
        refused(ask(fake(calm(), ('die', number)).path),
                'ended, or closed')


def test_closed_midway():
    for number in (2, 4):
        refused(ask(fake(calm(), ('half', number)).path),
                'ended, or closed')


def test_broken_json():
    for number in (2, 4):
        refused(ask(fake(calm(), ('junk', number)).path), 'broken JSON')


def test_endless_events():
    refused(ask(fake(mode='endless').path, timeout='300ms'), 'no answer')


def test_events_between():
    same(ask(fake(calm(), 'events').path).code, 0, 'exit code')


def test_pretty_in_pieces():
    plain = ask(fake(calm()).path)
    pretty = ask(fake(calm(), 'pretty').path)
    same(pretty.code, 0, f'exit code ({pretty.err})')
    same(pretty.out, plain.out, 'output')


def test_large_numbers():
    """Kernel addresses need all 64 bits, and come out as they went in."""
    result = ask(fake(calm()).path)
    addresses = {thread['thread-pointer']
                 for thread in result.objects()[0]['threads']}
    check(0xffffc00000000000 + 4004 * 0x1000 in addresses,
          f'not in {addresses}')


def test_unknown_command():
    world = World()
    world.missing = {'query-windows-sched-trace-status'}
    refused(ask(fake(world).path), 'QEMU 10.0.2 has no command '
            'query-windows-sched-trace-status', 'not built with vmscope')


def test_refused_command():
    world = World()
    world.sched_on = False

    def refuse(_):
        from fake_qmp import CommandError
        raise CommandError('memory of this guest is encrypted')
    world.windows_sched_trace_set = refuse
    refused(ask(fake(world).path), 'windows-sched-trace-set: memory of this '
            'guest is encrypted')


def test_which_qemu():
    result = vmscope('top', '--json')
    same(result.code, 2, 'exit code')
    check('--qmp PATH' in result.err, result.err)
    result = vmscope('irq', '--qmp', 'a', '--libvirt', 'b')
    same(result.code, 2, 'exit code')
    check('give one of them' in result.err, result.err)


def test_message_is_harmless():
    """A path with an escape sequence does not reach the terminal."""
    result = ask(os.path.join(folder(), 'a\x1b[31m\nb'))
    check('\x1b' not in result.err, repr(result.err))
    same(result.err.count('\n'), 1, 'lines')


def interrupt(process):
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=120)
    except Exception as error:
        raise AssertionError(f'SIGINT does not end it: {error}') from error
    return process.returncode, out, err


def test_sigint_while_hanging():
    for number in (1, 2, 4):
        qemu = fake(calm(), ('hang', number))
        process = start('top', '--json', '--qmp', qemu.path, '-d', '50ms',
                        '--timeout', '60s')
        wait_for('the command', lambda: qemu.answered >= number)
        code, _, err = interrupt(process)
        same(code, 0, f'exit code ({err})')


def test_sigint_at_any_moment():
    """The trace that it turned on is off again afterwards."""
    for moment in range(8):
        world = calm()
        world.sched_on = False
        qemu = fake(world)
        process = start('top', '--json', '--qmp', qemu.path, '-d', '50ms')
        time.sleep(moment * 0.03)
        code, _, err = interrupt(process)
        check(code in (0, -signal.SIGINT), f'{code}: {err}')
        # a SIGINT before anything was begun simply ends it
        check(code == -signal.SIGINT or not world.sched_on,
              f'still on after {moment}: {err}')
