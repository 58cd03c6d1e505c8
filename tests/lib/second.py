"""A failed test of whole machines is run once more, when the others are done.

Guests here share two CPUs with their tests.  A host that takes a CPU away for
half a second can make one test in a thousand fail that has no fault: the
second try tells the two apart.  It is never silent: the first failure stays
in the output, a line that begins with MARK follows it, and run-checks counts
and lists those lines at its end.  Each is a fault of the test, or a rare one
of the product, to be looked at.

No second try: with VMSCOPE_STRICT=1, for what a sanitizer found, where QEMU or
a tool of ours ended by a signal or unasked, and for any when more than LIMIT
tests of a suite failed.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re

LIMIT = 2
MARK = 'AGAIN'
# A busy host makes none of these.
GRAVE = re.compile(r'runtime error:|Sanitizer|QEMU hung up|QEMU ended|'
                   r'SIG(SEGV|ABRT|BUS|ILL|FPE)\b|exit code -\d|: -\d+\n')


def chosen(failed, text=str):
    """
    Those of the list @failed to be run again: all or none.

    text: makes of one of them what its failure said
    """
    if os.environ.get('VMSCOPE_STRICT') == '1' or len(failed) > LIMIT:
        return []
    if any(GRAVE.search(text(one)) for one in failed):
        return []
    return list(failed)


def passed(name):
    """Say that @name passed the second time."""
    print(f'{MARK} {name}: failed once, passed when run again', flush=True)
