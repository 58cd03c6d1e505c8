"""Overrides of the scheduler trace: right, wrong, absurd, contradictory.

SPDX-License-Identifier: GPL-2.0-or-later
"""

from harness import wait_for
from sched import (QUERY, SET, offset, start, state, status, trace,
                   wait_for_state, wait_for_switches)

# As people write it, from Microsoft's symbols of some builds.
CLASSIC = {
    'kpcr-current-prcb': 384,
    'prcb-current-thread': 8,
    'kthread-apc-process': 544,
    'kthread-client-id': 2168,
    'kthread-state': 812,
    'ethread-thread-name': 2160,
    'eprocess-image-file-name': 1448,
}

# Rows of data/windows-x64-offsets.csv, of what CLASSIC names.
ROWS = {
    26100: {'kthread-apc-process': 0xb8, 'kthread-client-id': 0x508,
            'kthread-state': 0x184, 'ethread-thread-name': 0x6a0,
            'eprocess-image-file-name': 0x338},
    19041: {'kthread-apc-process': 0xb8, 'kthread-client-id': 0x478,
            'kthread-state': 0x184, 'ethread-thread-name': 0x610,
            'eprocess-image-file-name': 0x5a8},
}


def settled(machine):
    """The status once the layout is known as well as it will be."""
    wait_for_state(machine, 'active', 'degraded')
    return status(machine)


def says(machine, text):
    wait_for(f'{text!r}, now {status(machine).get("reason")!r}',
             lambda: text in status(machine).get('reason', ''))


def classic(build, auto_detect):
    machine = start(config=f'build={build}')
    trace(machine, auto_detect=auto_detect, overrides=CLASSIC)
    for name, right in ROWS[build].items():
        value = CLASSIC[name]
        if value == right:
            assert offset(machine, name)['standing'] == 'confirmed'
            assert name not in status(machine)['reason']
        else:
            says(machine, f'{name} {value} (found: {right})')
            # KTHREAD.Process looks like the field, but is another.
            assert name == 'kthread-apc-process' or (
                offset(machine, name)['standing'] == 'refuted'), name
        assert offset(machine, name)['value'] == value
        assert offset(machine, name)['source'] == 'override'
    now = settled(machine)
    assert now['state'] == 'degraded'
    for name in ('kpcr-current-prcb', 'prcb-current-thread'):
        assert offset(machine, name)['standing'] == 'confirmed'
        assert name not in now['reason']
    others = {o['name'] for o in now['offsets'] if 'value' in o} - set(CLASSIC)
    assert bool(others) == auto_detect, others
    machine.cmd(SET, enable=False)
    machine.cmd(SET, enable=True)
    wait_for_state(machine, 'active')
    assert 'reason' not in status(machine)
    machine.quit()


def test_classic_alone():
    classic(26100, auto_detect=False)


def test_classic_over_detection():
    classic(19041, auto_detect=True)


def test_all_right():
    """Each field given, as detection has it: all is as without."""
    machine = start()
    trace(machine)
    wait_for('the layout', lambda: all(
        'value' in offset(machine, name) for name in CLASSIC))
    found = {name: offset(machine, name)['value'] for name in CLASSIC}
    machine.cmd(SET, enable=False)
    for auto_detect in (True, False):
        trace(machine, auto_detect=auto_detect, overrides=found)
        wait_for_state(machine, 'active')
        for name, value in found.items():
            given = offset(machine, name)
            assert given['value'] == value and 'found' not in given
            assert 'override' in given['agreed-by'], given
        wait_for('names', lambda: any(
            'thread-name' in entry
            for entry in machine.cmd(QUERY, max_entries=5000)))
        machine.cmd(SET, enable=False)


def test_some_given():
    """The rest is detected; what is given is used."""
    machine = start()
    trace(machine, overrides={'kthread-state': 0x184,
                              'prcb-context-switches': 65535})
    says(machine, 'prcb-context-switches 65535 (found: ')
    assert 'kthread-state' not in status(machine)['reason']
    assert offset(machine, 'kthread-client-id')['source'] != 'override'
    assert any('unique-thread-id' in entry for entry in machine.cmd(QUERY))


def wrong_ways(ways):
    """One machine, turned on with each; found again in the end."""
    machine = start()
    for reason, options in ways:
        machine.cmd(SET, enable=True, **options)
        for text in reason:
            says(machine, text)
        assert state(machine) in ('degraded', 'detecting'), options
        machine.cmd(QUERY)
        machine.cmd(SET, enable=False)
    machine.cmd(SET, enable=True)
    wait_for_state(machine, 'active')
    wait_for_switches(machine)
    assert machine.quit() == 0


def test_absurd():
    most = {name: 65535 for name in CLASSIC}
    odd = {name: 3 + 2 * i for i, name in enumerate(CLASSIC)}
    wrong_ways((
        (['prcb-current-thread 65535 (found: 8)'],
         {'overrides': {'prcb-current-thread': 65535}}),
        (['kpcr-current-prcb 65535 (found: 32)'], {'overrides': most}),
        (['kpcr-current-prcb 65535 (found: 32)'],
         {'overrides': most, 'auto_detect': False}),
        (['prcb-current-thread 5 (found: 8)'],
         {'overrides': odd, 'auto_detect': False}),
        (['kpcr-current-prcb 0 (found: 32)',
          'prcb-current-thread 0 (found: 8)'],
         {'overrides': dict.fromkeys(CLASSIC, 0), 'auto_detect': False}),
        (['kpcr-self 64'], {'overrides': {'kpcr-self': 64}}),
    ))


def test_contradictory():
    """Two fields at one place, or a field at another's place."""
    wrong_ways((
        (['ethread-thread-name 1288 (found: 1696)'],
         {'overrides': {'kthread-client-id': 1288,
                        'ethread-thread-name': 1288}}),
        # NextThread and IdleThread are threads, too.
        (['prcb-current-thread 16 (found: 8)'],
         {'overrides': {'prcb-current-thread': 16}}),
        (['prcb-current-thread 24 (found: 8)'],
         {'overrides': {'prcb-current-thread': 24}}),
    ))


def test_beside_another_reason():
    """Neither what exact mode says nor what overrides do is lost."""
    machine = start()
    trace(machine, mode='exact', exact_ms=50,
          overrides={'kthread-client-id': 24})
    says(machine, 'exact mode has ended')
    says(machine, '; overrides that do not fit this guest: '
                  'kthread-client-id 24 (found: 1288)')
    assert state(machine) == 'degraded'
