"""Command lines: help, and saying what is wrong with a value.

SPDX-License-Identifier: GPL-2.0-or-later
"""

from guests import calm
from harness import check, fake, golden, same, vmscope

LIVE = ('top', 'irq', 'doctor')
ALL = (*LIVE, 'image')


def test_help():
    for command in ALL:
        result = vmscope(command, '--help')
        same(result.code, 0, 'exit code')
        same(result.err, '', 'messages')
        golden(f'help-{command}.txt', result.out)


def test_help_fits_80_columns():
    for command in (*ALL, None):
        text = vmscope(*([command] if command else []), '--help').out
        wide = [line for line in text.splitlines() if len(line) > 80]
        check(not wide, f'{command}: {wide}')


def test_alike_everywhere():
    """The options that name a QEMU read the same in all commands."""
    texts = []
    for command in LIVE:
        text = vmscope(command, '--help').out
        begin = text.index('Which QEMU:')
        texts.append(text[begin:text.index('Examples:')])
    check(len(set(texts)) == 1, f'they differ: {texts}')


def test_main_help():
    for arguments in (['--help'], ['-h'], ['help']):
        result = vmscope(*arguments)
        same(result.code, 0, 'exit code')
        listed = result.out.partition('Commands:\n')[2].partition('\n\n')[0]
        words = [line.split()[0] for line in listed.splitlines()]
        for word in ALL:
            check(word in words, f'no {word}')
    for word in words:
        result = vmscope(word, '--help')
        same(result.code, 0, f'exit code of {word} --help')
        check(f'Usage: vmscope {word} ' in result.out, result.out)
    result = vmscope()
    same((result.code, result.out), (2, ''), 'without a command')
    check('Usage:' in result.err, result.err)


def test_help_of_a_command():
    """vmscope help top: that of top, as vmscope top --help."""
    for command in (*ALL, 'record', 'report', 'export'):
        result = vmscope('help', command)
        same((result.code, result.err), (0, ''), f'help {command}')
        same(result.out, vmscope(command, '--help').out, f'help {command}')
    result = vmscope('help', 'nonesuch')
    same((result.code, result.out), (2, ''), 'help of no command')
    check("no command 'nonesuch'" in result.err, result.err)
    same(vmscope('help', 'top', 'irq').code, 2, 'help of two')


def test_version():
    for arguments in (['--version'], ['top', '--version']):
        result = vmscope(*arguments)
        same(result.code, 0, 'exit code')
        check(result.out.startswith('vmscope '), result.out)


def test_wrong_usage():
    cases = [
        (['frobnicate'], "no command 'frobnicate'"),
        (['top', '--frobnicate'], "unrecognized option '--frobnicate'"),
        (['top', '--delay', '1x'], "--delay '1x': give a time"),
        (['top', '--delay', '1ns'], "--delay '1ns': too small: give 50ms to 1h"),
        (['top', '--delay', '2h'], "--delay '2h': too large: give 50ms to 1h"),
        (['top', '--delay', '99999999999999h'], 'give a time'),
        (['top', '--delay', '-1s'], 'give a time'),
        (['top', '--delay', ''], 'give a time'),
        (['top', '--delay'], "option '--delay' requires an argument"),
        (['top', '--hz', '0'], "--hz '0': too small: give 1 to 100000, or max"),
        (['top', '--hz', '100001'], "--hz '100001': too large: give 1 to 100000"),
        (['top', '--hz', '1e3'], "--hz '1e3': give a number"),
        (['top', '--hz', '99999999999999999999'], 'give a number'),
        (['top', '--sort', 'size'], "--sort 'size': give cpu, switches"),
        (['top', '--filter', 'x' * 300], 'too long'),
        (['top', '--json', 'what'], "what is 'what' for?"),
        (['irq', '--line', 'x'], "--line 'x': give the number of a line"),
        (['irq', '--line', '2147483648'], 'give the number of a line'),
        (['irq', '--tid', '-1'], "--tid '-1': give the id"),
        (['irq', '--kind', 'soft'], "--kind 'soft': give hardware"),
        (['irq', '--backtrace', '17'], "--backtrace '17': too large: give 0 to 16"),
        (['doctor', '--wait', 'long'], "--wait 'long': give a time"),
        (['doctor', '--timeout', '0s'], "--timeout '0s': too small: give 1ms to 1h"),
    ]
    for arguments, words in cases:
        result = vmscope(*arguments)
        same(result.code, 2, f'exit code of {arguments}: {result.err}')
        same(result.out, '', f'output of {arguments}')
        check(words in result.err, f'{arguments}: no "{words}" in '
              f'{result.err}')
        check('--help' in result.err, f'{arguments}: {result.err}')


def test_did_you_mean():
    """The command or option that was probably meant; none where none is."""
    cases = [
        (['recrod'], 'did you mean record?'),
        (['tpo'], 'did you mean top?'),
        (['help', 'docter'], 'did you mean doctor?'),
        (['irq', '--duraton', '5s'], 'did you mean --duration?'),
        (['irq', '--duraton=5s'], 'did you mean --duration?'),
        (['top', '--Json'], 'did you mean --json?'),
        (['record', '--rotatesize', '1M'], 'did you mean --rotate-size?'),
        (['report', '--htm1', 'x'], 'did you mean --html?'),
        (['export', '--fromat', 'csv', 'x'], 'did you mean --format?'),
        (['frobnicate'], None), (['top', '--frobnicate'], None),
        (['x'], None), (['top', '--x'], None), (['top', '-x'], None),
        (['top', '--' + 'x' * 500], None), (['top', '--delay'], None),
        (['top', '--='], None),
    ]
    for arguments, words in cases:
        result = vmscope(*arguments)
        same(result.code, 2, f'exit code of {arguments}: {result.err}')
        if words:
            check(words in result.err, f'{arguments}: {result.err}')
        else:
            check('did you mean' not in result.err, result.err)


def test_durations():
    """What a duration may look like is what --delay takes."""
    for text in ('1', '1s', '50ms', '50000us', '50000000ns', '1m', '1h',
                 '0.05', '1.5s', '0.5m'):
        result = vmscope('top', '--json', '--delay', text, '--qmp', '/none')
        same(result.code, 1, f'{text}: {result.err}')


def test_no_terminal():
    result = vmscope('top', '--qmp', fake(calm()).path)
    same(result.code, 2, 'exit code')
    check('use --batch or --json' in result.err, result.err)


def test_full_device():
    """Data that cannot be written is an error, in every command."""
    with open('/dev/full', 'w', encoding='ascii') as full:
        import subprocess
        from harness import VMSCOPE, environment
        for arguments in (['--help'], ['top', '--help'], ['--version'],
                          ['top', '--json', '-n', '1', '-d', '50ms'],
                          ['irq', '-n', '1', '--summary', '-d', '50ms'],
                          ['doctor']):
            if arguments[0] in ('top', 'irq', 'doctor'):
                arguments = [*arguments, '--qmp', fake(calm()).path]
            done = subprocess.run([VMSCOPE, *arguments], stdout=full,
                                  stderr=subprocess.PIPE, timeout=30,
                                  stdin=subprocess.DEVNULL,
                                  env=environment())
            same(done.returncode, 1, f'exit code of {arguments}')
            check(b'No space left' in done.stderr, done.stderr)
