"""vmscope top on a terminal: what is on it, keys, sizes, the end.

The terminal is tmux; time in the fake QEMU passes with each look, so what is
waited for is what a key changes.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re
import signal
import time

from fake_qmp import CommandError, World, idle, thread
from guests import MS, SYSTEM, calm, crowded, with_irqs
from harness import Terminal, check, fake, golden, same, wait_for


def top(*more, world=None, mode='', delay='200ms', **size):
    qemu = fake(world or calm(300), mode)
    terminal = Terminal('top', '--qmp', qemu.path, '-d', delay, *more,
                        **size)
    terminal.world = qemu.world
    return terminal


ROW = re.compile(r'%CPU.*\n +[0-9]+ +[0-9]+ ')


def look(terminal):
    """Wait until an interval is shown."""
    wait_for('threads', lambda: ROW.search(terminal.screen()))


def rows(terminal):
    """What stands below the head of the list of threads."""
    return terminal.screen().partition('%CPU')[2]


def still(terminal):
    """Stop time, so that the screen stays as it is."""
    look(terminal)
    terminal.keys('Space')
    return terminal.wait('paused')


def screen_is(terminal, name):
    """How long, and how many, depends on the number of looks: hide it."""
    text = re.sub(r'for [0-9. ]+ m?s +', 'for (time) ', terminal.screen())
    golden(name, re.sub(r'(?<=missed )\d+', '#', text))


def steady():
    """The same in every interval: 60 % System, 40 % idle, for 300 s."""
    world = World()
    for number in range(3000):
        at = world.now_ns + number * 100 * MS
        world.sched.add(at, vcpu=0, origin='poll', **SYSTEM)
        world.sched.add(at + 60 * MS, vcpu=0, origin='poll', **idle(0))
    return world


def test_screen_80x24():
    terminal = top('-i', world=with_irqs(calm(300), 300))
    still(terminal)
    screen_is(terminal, 'screen-80x24.txt')


def test_screen_40x10():
    terminal = top(columns=40, rows=10)
    still(terminal)
    screen_is(terminal, 'screen-40x10.txt')


def test_screen_20x6():
    terminal = top(columns=20, rows=6)
    wait_for('a thread', lambda: '4000' in terminal.screen())
    terminal.keys('Space')
    terminal.wait('paused')
    screen_is(terminal, 'screen-20x6.txt')


def test_screen_60x15():
    terminal = top('-i', world=with_irqs(calm(300), 300), columns=60, rows=15)
    still(terminal)
    screen_is(terminal, 'screen-60x15.txt')


def test_screen_132x40():
    terminal = top('-i', world=with_irqs(calm(300), 300), columns=132,
                   rows=40)
    still(terminal)
    screen_is(terminal, 'screen-132x40.txt')


def test_screen_processes():
    terminal = top('-p')
    wait_for('a process', lambda: re.search(r'PROCESS\n +[0-9]+ +[0-9]+ ',
                                            terminal.screen()))
    terminal.keys('Space')
    terminal.wait('paused')
    screen_is(terminal, 'screen-processes.txt')


def test_tiny():
    """It lives through any size, also one that shows nothing."""
    terminal = top()
    look(terminal)
    for columns, rows in ((20, 4), (10, 2), (2, 2), (1, 1), (300, 3),
                          (80, 24)):
        terminal.resize(columns, rows)
        terminal.keys('h', 'h', 'i', 't', 'Down')
    terminal.wait('chrome.exe')
    terminal.keys('q')
    same(terminal.exit_code(), 0, 'exit code')


def test_resize():
    terminal = top()
    terminal.wait('STATE')
    terminal.resize(40, 10)
    terminal.wait_gone('STATE')
    check(max(map(len, terminal.screen().splitlines())) <= 40, 'too wide')
    terminal.resize(120, 40)
    terminal.wait('STATE')
    terminal.wait('한국어 스레드 🚀')


def test_names_align():
    """Korean and emoji take two columns; what stands behind still aligns."""
    terminal = top('--filter', '메모장')
    still(terminal)
    lines = [line for line in terminal.screen().splitlines()
             if '804' in line]
    check(lines and '메모장.exe: 한국어 스레드 🚀' in lines[-1], lines)


def test_hostile_names():
    """A guest's escape sequences never reach the terminal."""
    terminal = top(columns=120)
    still(terminal)
    check('ev\\x1b[31mil.exe: a\\xe2\\x80\\xaeb\\x09tab' in
          terminal.screen(), terminal.last)


def test_sort_keys():
    terminal = top()
    orders = {}
    for key, first in (('p', '     4      8'), ('n', '   900    904'),
                       ('c', '  4000   4004')):
        look(terminal)
        terminal.keys(key)

        def first_row(wanted=first):
            lines = terminal.screen().splitlines()
            at = [i for i, line in enumerate(lines) if '%CPU' in line][0]
            orders[key] = lines[at + 1]
            return lines[at + 1].startswith(wanted)
        wait_for(f'"{first}" to be first', first_row)
    terminal.keys('p', 'r')
    wait_for('the order turned round',
             lambda: re.search(r'%CPU.*\n +4000 +4008', terminal.screen()))
    # it is of this order, not of the next one, nor of this one anew
    for keys, first in ((('n',), '900 +904'), (('p', 'r', 'p'), '4 +8')):
        terminal.keys(*keys)
        wait_for(f'the usual order of {keys}', lambda wanted=first: re.search(
            f'%CPU.*\n +{wanted}', terminal.screen()))


def test_processes():
    terminal = top()
    look(terminal)
    terminal.keys('t', 't')
    wait_for('two threads of chrome.exe', lambda: re.search(
        r'PROCESS(.*\n)* +4000 +2 .*chrome.exe', terminal.screen()))
    terminal.keys('t')
    terminal.wait('TID')


TREE = re.compile(r'THREAD\n +4000 .* - chrome.exe \(2\)\n'
                  r' +4000 +4004 .*     Compositor\n'
                  r' +4000 +4008 .*     ThreadPool\n')


def test_tree():
    """Processes with their threads below them; enter folds one."""
    terminal = top()
    look(terminal)
    terminal.keys('t')
    wait_for('the tree', lambda: TREE.search(terminal.screen()))
    terminal.keys('Enter')
    terminal.wait('+ chrome.exe (2)')
    check('Compositor' not in rows(terminal), terminal.last)
    terminal.keys('Enter')
    wait_for('the tree', lambda: TREE.search(terminal.screen()))
    # the filter is for threads, and their process stands above them
    terminal.keys('/')
    terminal.type('compos')
    terminal.keys('Enter')
    terminal.wait('- chrome.exe (1)')
    check('ThreadPool' not in rows(terminal), terminal.last)


def test_processes_open():
    """Enter on a process in the list shows it in the tree."""
    terminal = top('-p')
    terminal.wait('PROCESS')
    wait_for('a process', lambda: '4000' in rows(terminal))
    terminal.keys('Enter')
    wait_for('the tree', lambda: TREE.search(terminal.screen()))


def test_sort_mark():
    """The head that the table is sorted by is marked, with its direction."""
    terminal = top()
    terminal.wait('%CPUv')
    for keys, mark in ((('r',), '%CPU^'), (('p',), 'PID^'),
                       (('r',), 'PIDv'), (('n',), 'THREAD^'),
                       (('s',), 'SW/Sv')):
        terminal.keys(*keys)
        terminal.wait(mark)


def marked_line(terminal):
    """The row that is shown reversed: attributes go on from line to line."""
    reverse = False
    for line in terminal.colours().splitlines():
        for part in re.split(r'(\x1b\[[0-9;]*m)', line):
            if part.startswith('\x1b['):
                for code in part[2:-1].split(';'):
                    reverse = code == '7' or reverse and code not in ('', '0',
                                                                      '27')
            elif reverse and part.strip() and '%CPU' not in line:
                return line
    return ''


def select(terminal, text):
    """Go down until the marked row has it."""
    for _ in range(20):
        if text in marked_line(terminal):
            return
        before = marked_line(terminal)
        terminal.keys('Down')
        wait_for('another row to be marked',
                 lambda wanted=before: marked_line(terminal) != wanted)
    raise AssertionError(f'{text} is not marked on:\n{terminal.screen()}')


def test_path_of_a_thread():
    """A thread's view says which file its process runs, the whole path."""
    path = r'\Device\HarddiskVolume3\Program Files\chrome.exe'
    world = calm(300)
    world.missing = world.missing - {'query-windows-processes'}
    world.processes = [{'unique-process-id': 4000,
                        'process-image': 'chrome.exe',
                        'process-path': path}]
    terminal = top(world=world)
    still(terminal)
    select(terminal, 'Compositor')
    terminal.keys('Enter')
    terminal.wait('4000/4004 chrome.exe: Compositor')
    screen = terminal.wait('image ')
    check(f'image    {path}' in screen, screen)


def test_thread():
    """Enter shows a thread: where it ran, for how long, what came then."""
    terminal = top()
    still(terminal)
    select(terminal, 'Compositor')
    terminal.keys('Enter')
    terminal.wait('4000/4004 chrome.exe: Compositor')
    # 15 ms of each 50 ms it runs; then its quantum ends
    screen = terminal.wait('AGO')
    check(re.search(r' +cpu0 +10 +15\.0 ms Ready\n', screen), screen)
    check(re.search(r'\n +[0-9]+ +[0-9.]+ m?s +35\.0 ms Ready\n', screen),
          screen)
    check(re.search(r'vCPUs +cpu0 [0-9.]+ m?s in [0-9]+\n', screen), screen)
    check('lost 0' in screen, screen)
    terminal.keys('Escape')
    terminal.wait('TID')
    terminal.keys('Enter')
    terminal.wait('AGO')
    # it goes on while it is open
    before = terminal.wait('seen')
    terminal.keys('Space')
    wait_for('more runs', lambda: 'seen' in terminal.screen() and
             terminal.screen() != before)
    terminal.keys('Enter')
    terminal.wait('TID')


def test_row_is_followed():
    """The chosen thread stays chosen when the order changes."""
    terminal = top()
    still(terminal)
    select(terminal, 'averylongname')
    terminal.keys('p', 'r')
    terminal.wait('PIDv')
    # sorting begins at the top again: choose it, then let time go on
    select(terminal, 'averylongname')
    terminal.keys('r')
    terminal.wait('PID^')
    terminal.keys('Enter')
    terminal.wait('900/904 averylongname')


def test_irq_offer():
    """The log is turned on when one says so, and off again at the end."""
    world = with_irqs(calm(300), 300)
    world.irq_on = False
    terminal = top(world=world)
    look(terminal)
    terminal.keys('i')
    terminal.wait('turn it on until you quit? y/n')
    terminal.keys('n')
    terminal.wait_gone('y/n')
    check(not world.irq_on and 'interrupts:' not in terminal.screen(),
          terminal.last)
    terminal.keys('i')
    terminal.wait('y/n')
    terminal.keys('y')
    terminal.wait('IRQ/S')
    terminal.wait('IOAPIC · pin 0')
    check(world.irq_on, 'it is off')
    terminal.keys('q')
    same(terminal.exit_code(), 0, 'exit code')
    check(not world.irq_on, 'it is still on')
    check('IRQ log' not in terminal.screen(), terminal.last)


def test_irq_refused():
    """A QEMU that cannot turn it on says why; top goes on."""
    world = calm(300)
    world.irq_on = False

    def refuse(_):
        raise CommandError('no memory for a ring')
    world.irq_log_set = refuse
    terminal = top(world=world)
    look(terminal)
    terminal.keys('i', 'y')
    terminal.wait('no memory for a ring')
    look(terminal)


def press(terminal, row, column, what, condition):
    """Click, again when the terminal cut the sequence in two."""
    def pressed():
        terminal.type(f'\x1b[<0;{column + 1};{row + 1}M'
                      f'\x1b[<0;{column + 1};{row + 1}m')
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        return False
    wait_for(what, pressed)


def test_mouse():
    """A click on a head sorts by it, on a row chooses it, again opens it."""
    terminal = top(env={'TERM': 'xterm-256color'})
    still(terminal)
    lines = terminal.screen().splitlines()
    heads = [i for i, line in enumerate(lines) if '%CPU' in line][0]
    press(terminal, heads, lines[heads].index('PID'), 'PID^',
          lambda: 'PID^' in terminal.screen())
    wait_for('System to be first', lambda: re.search(
        r'PID\^.*\n +4 +8 ', terminal.screen()))
    press(terminal, heads + 1, 10, 'System to open',
          lambda: '4/8 System' in terminal.screen())
    # the wheel chooses another row
    terminal.keys('Escape')
    terminal.wait('TID')


def test_filter_and_pause():
    """Paused, the filter is still to be seen."""
    terminal = top('--filter', 'chrome')
    look(terminal)
    terminal.keys('Space')
    terminal.wait('paused: space goes on  filter: chrome')


def busy_with_long_name():
    world = World()
    world.n_vcpus = 1
    world.sched.add(world.now_ns, vcpu=0, origin='poll',
                    **thread(40000, 40004, 'averylongname.e', 'n' * 79))
    return world


def test_right_figures():
    """At 60 columns the name gives way to the ids, and idle is there."""
    terminal = top(world=busy_with_long_name(), columns=60, rows=15)
    screen = terminal.wait('busy 100.0%  idle 0.0%  sw/s')
    line = [line for line in screen.splitlines() if 'cpu0' in line][0]
    check('~ (40000/40004)' in line and len(line) <= 60, line)
    check('lost 0' in screen, screen)


def test_ticks_fit():
    """The bar gives way to its figures."""
    world = calm(300)
    world.missing = {'query-windows-waits'}
    world.tick_rates = [{'user': 20, 'kernel': 10, 'dpc': 1, 'interrupt': 1,
                         'idle': 32}] * 2
    terminal = top(world=world, columns=60, rows=30)
    screen = terminal.wait('interrupt 2% idle')
    check(re.search(r'idle \d+%\n', screen), screen)

def test_filter():
    terminal = top()
    terminal.wait('메모장')
    terminal.keys('/')
    terminal.wait('filter:')
    terminal.type('chromX')
    terminal.keys('BSpace', 'Enter')
    terminal.wait('filter: chrom')
    terminal.wait_gone('메모장')
    check('Compositor' in terminal.screen(), terminal.last)
    terminal.keys('/')
    terminal.type('한국')
    terminal.keys('Enter')
    terminal.wait('메모장')
    wait_for('Compositor to go', lambda: 'Compositor' not in rows(terminal))
    terminal.keys('/', 'Escape')
    terminal.wait('filter: 한국')
    terminal.keys('/', 'Enter')
    wait_for('Compositor', lambda: 'Compositor' in rows(terminal))


def test_delay():
    terminal = top(delay='300ms')
    look(terminal)
    terminal.keys('d')
    terminal.wait('delay:')
    terminal.type('soon')
    terminal.keys('Enter')
    terminal.wait("'soon' is no time")
    terminal.keys('d')
    terminal.type('1h')
    terminal.keys('Enter')
    terminal.wait_gone('delay:')
    terminal.keys('q')
    same(terminal.exit_code(), 0, 'exit code')


def test_pause():
    """Paused it asks nothing; afterwards it begins anew, without a loss."""
    terminal = top(world=steady())
    look(terminal)
    terminal.keys('Space')
    terminal.wait('paused')
    asked = len(terminal.world.log)
    terminal.keys('p', 'c', 't', 't')
    terminal.wait('paused')
    same(len(terminal.world.log), asked, 'commands while paused')
    terminal.keys('Space')
    terminal.wait_gone('paused')
    wait_for('a look', lambda: len(terminal.world.log) > asked + 3)
    terminal.wait('busy 60.0%')
    check('lost 0' in terminal.screen(), terminal.last)


def test_irq_pane():
    terminal = top(world=with_irqs(calm(300), 300))
    look(terminal)
    check('IRQ/S' not in terminal.screen(), terminal.last)
    terminal.keys('i')
    terminal.wait('IRQ/S')
    terminal.wait('unnamed, driven by q35/ahci:irq')
    terminal.keys('i')
    terminal.wait_gone('IRQ/S')


def test_irq_log_off():
    world = calm(300)
    world.irq_on = False
    terminal = top('-i', world=world)
    terminal.wait('interrupts: the IRQ log is off')


def test_help():
    terminal = top()
    look(terminal)
    terminal.keys('h')
    terminal.wait('vmscope top: keys')
    golden('screen-help.txt', terminal.screen())
    terminal.keys('h')
    look(terminal)


def test_scroll():
    terminal = top(world=crowded(300))
    still(terminal)
    before = terminal.screen()
    terminal.keys('NPage')
    wait_for('other rows', lambda: terminal.screen() != before)
    terminal.keys('End')
    terminal.keys('Home')
    wait_for('the first rows', lambda: terminal.screen() == before)
    terminal.keys('Up', 'Down', 'PPage')
    wait_for('the same rows', lambda: terminal.screen() == before)


def test_many_vcpus():
    """They stand side by side; those without room are counted."""
    terminal = top(world=crowded(100, 64, 300))
    terminal.wait('and 48 more vCPUs')
    check('%CPU' in terminal.screen(), terminal.last)
    terminal.resize(140, 60)
    terminal.wait('cpu63')
    check('more vCPUs' not in terminal.screen(), terminal.last)
    widest = max(map(len, terminal.screen().splitlines()))
    check(widest <= 140, f'{widest} columns')


def test_says_that_it_turned_it_on():
    world = calm(300)
    world.sched_on = False
    terminal = top(world=world)
    terminal.wait('the trace was off: it is on until you quit')
    check(world.sched_on, 'it is off')
    terminal.keys('q')
    same(terminal.exit_code(), 0, 'exit code')
    check(not world.sched_on, 'still on')


def test_signals_restore():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        world = calm(300)
        world.sched_on = False
        terminal = top(world=world)
        look(terminal)
        os.kill(terminal.process(), number)
        same(terminal.exit_code(), 0, f'exit code after {number}')
        check(not world.sched_on, f'still on after {number}')
        check('%CPU' not in terminal.screen(), 'the screen is not restored')


def test_ctrl_c():
    terminal = top()
    look(terminal)
    terminal.keys('C-c')
    same(terminal.exit_code(), 0, 'exit code')


def test_qemu_dies():
    terminal = top(mode=('die', 12))
    same(terminal.exit_code(), 1, 'exit code')
    terminal.wait('QEMU has ended, or close')


def test_colour():
    terminal = top(world=steady(), env={'TERM': 'xterm-256color'})
    look(terminal)
    check('\x1b[36m' in terminal.colours() or
          '\x1b[1;36m' in terminal.colours() or
          '\x1b[1m\x1b[36m' in terminal.colours(), terminal.colours())


def test_no_colour():
    terminal = top(env={'NO_COLOR': '1', 'TERM': 'xterm-256color'})
    look(terminal)
    colours = re.findall(r'\x1b\[[0-9;]*3[0-7][0-9;]*m', terminal.colours())
    same(colours, [], 'colours')


def test_unknown_terminal():
    terminal = top(env={'TERM': 'nonesuch'})
    same(terminal.exit_code(), 1, 'exit code')
    terminal.wait("terminal type 'nonesuch' is not known")


def test_iterations():
    terminal = top('-n', '2')
    same(terminal.exit_code(), 0, 'exit code')


def test_ascii_terminal():
    """Without UTF-8 in the locale a terminal gets ASCII."""
    terminal = top(env={'LC_ALL': 'POSIX'})
    look(terminal)
    check('???.exe: ??? ??? ?' in terminal.screen(), terminal.last)
