#!/usr/bin/env python3
"""Make one page of several files, and of it a C header with two strings.

    embed.py OUTPUT page.html page.css SCRIPT.js...

The scripts become one function in the order given; what the last returns is
`page`.  The page is cut at @DATA@, where vmscope puts a recording.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def c_array(name, text):
    data = text.encode()
    rows = [data[i:i + 16] for i in range(0, len(data), 16)]
    lines = [', '.join(f'0x{byte:02x}' for byte in row) for row in rows]
    return (f'static const unsigned char {name}[] = {{\n    '
            + ',\n    '.join(lines) + '\n};\n')


def main(output, html, css, *scripts):
    script = ("'use strict';\nconst page = (() => {\n" +
              '\n'.join(read(path) for path in scripts) + '})();')
    style = read(css)
    if '</script' in script or '<!--' in script or '</style' in style:
        sys.exit(f'{css}, {scripts}: must not end the element they are put in')
    page = read(html).replace('@CSS@', style).replace('@JS@', script)
    before, after = page.split('@DATA@')
    with open(output, 'w', encoding='utf-8') as file:
        file.write('/* Made by embed.py. */\n')
        file.write(c_array('html_before', before))
        file.write(c_array('html_after', after))


main(*sys.argv[1:])
