"""Names that a guest may choose, and what outputs must make of them.

The names are those of tests/fixtures/nasty-names.txt; core/base/safe-text.h
says what is harmless.  This is written anew, not taken from there.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import os
import re
import unicodedata

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..',
                     'fixtures', 'nasty-names.txt')


def _read():
    with open(TABLE, encoding='ascii') as file:
        for line in file:
            if not line.startswith('#'):
                label, digits = line.split()
                yield label, bytes.fromhex(digits)


NAMES = dict(_read())

# The controls of direction of UAX #9.
DIRECTIONS = set('\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e'
                 '\u2066\u2067\u2068\u2069')


def harmful(text, allowed='\n'):
    """Characters of it that no output may have."""
    return sorted({c for c in text if c not in allowed and
                   (unicodedata.category(c) in ('Cc', 'Zl', 'Zp', 'Cs') or
                    c in DIRECTIONS)})


def unescape(text):
    """The bytes that a text with escapes stands for."""
    return re.sub(rb'\\x([0-9a-fA-F]{2})',
                  lambda m: bytes.fromhex(m[1].decode()), text.encode())


def as_utf8(name):
    """What can be said of it in UTF-8: other bytes as \\xNN."""
    return name.decode('utf-8', 'backslashreplace')
