"""Find test functions, run them, print their seconds and a count line.

In a folder, each test_*.py holds functions test_*; one that raises has failed,
one that raises Skip was skipped.  Arguments are parts of names.  A test that
is marked with @full is long and not the only witness of what it shows: it runs
with --full, or when its whole name is given.  One that failed may be run once
more (second.py).

SPDX-License-Identifier: GPL-2.0-or-later
"""

import glob
import importlib
import os
import signal
import sys
import time
import traceback

import second

WORDS = {'passed': 'ok  ', 'failed': 'FAIL', 'skipped': 'skip'}


class Skip(Exception):
    """This test cannot run here; says why."""


def full(function):
    """Mark a test: make check-full alone runs it."""
    function.full = True
    return function


def find_tests(folder):
    for path in sorted(glob.glob(os.path.join(folder, 'test_*.py'))):
        name = os.path.basename(path)[:-3]
        module = importlib.import_module(name)
        for key in sorted(dir(module)):
            if key.startswith('test_'):
                yield f'{name[5:]}/{key[5:]}', getattr(module, key)


def is_wanted(name, function, arguments):
    words = [word for word in arguments if word != '--full']
    if getattr(function, 'full', False) != ('--full' in arguments):
        return name in words
    return not words or any(word in name for word in words)


def run_one(name, function, clean_up):
    """Returns 'passed', 'failed' or 'skipped', and why."""
    started = time.monotonic()
    why = failure = ''
    try:
        try:
            function()
        finally:
            clean_up()
        result = 'passed'
    except Skip as skip:
        result, why = 'skipped', f': {skip}'
    except Exception:   # whatever it is, it is this test's failure
        traceback.print_exc()
        result, failure = 'failed', traceback.format_exc()
    seconds = time.monotonic() - started
    print(f'{WORDS[result]} {name} ({seconds:.1f} s){why}', flush=True)
    return result, failure


def run_again(failed, clean_up):
    """How many of those that failed pass now"""
    good = 0
    for name, function, _ in second.chosen(failed, lambda one: one[2]):
        if run_one(name, function, clean_up)[0] == 'passed':
            second.passed(name)
            good += 1
    return good


def run(folder, clean_up, arguments):
    """Returns an exit code."""
    # a run in the background ignores ^C, and what it starts would, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    failed = []
    for name, function in find_tests(folder):
        if is_wanted(name, function, arguments):
            result, failure = run_one(name, function, clean_up)
            counts[result] += 1
            if result == 'failed':
                failed.append((name, function, failure))
    good = run_again(failed, clean_up)
    counts['passed'] += good
    counts['failed'] -= good
    print(', '.join(f'{n} {what}' for what, n in counts.items()))
    return 1 if counts['failed'] or not counts['passed'] else 0
