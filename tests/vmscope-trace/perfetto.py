"""Perfetto's trace format, decoded by protoc with perfetto.proto.

SPDX-License-Identifier: GPL-2.0-or-later
"""

import re
import shutil
import subprocess

from rig import HERE, Skip, same, vmscope

# A reader of protoc's text, which is a tree of names.

TOKEN = re.compile(r'\s*(?:([\w.]+) \{|([\w.]+): (.*)|(\}))')


def unquote(text):
    """A string as protoc writes it: octal escapes of UTF-8."""
    data = re.sub(rb'\\([0-7]{3}|.)', lambda m: bytes([int(m[1], 8)])
                  if len(m[1]) == 3 else
                  {b'n': b'\n', b't': b'\t', b'r': b'\r'}.get(m[1], m[1]),
                  text[1:-1].encode())
    return data.decode()


def parse(lines):
    """{name: [value, ...]} of the lines up to the end of a message."""
    found = {}
    for line in lines:
        opened, name, value, closed = TOKEN.fullmatch(line).groups()
        if closed:
            break
        if opened:
            found.setdefault(opened, []).append(parse(lines))
        else:
            found.setdefault(name, []).append(
                unquote(value) if value.startswith('"') else int(value))
    return found


def packets(path, *arguments):
    if not shutil.which('protoc'):
        raise Skip('protoc is not installed')
    data = vmscope('export', '--format', 'perfetto', *arguments, path,
                   raw=True).out
    text = subprocess.run(
        ['protoc', f'--proto_path={HERE}', '--decode=Trace', 'perfetto.proto'],
        input=data, capture_output=True, check=True, timeout=120).stdout
    return parse(iter(text.decode().splitlines()))['packet']


def switches(found):
    for packet in found:
        for bundle in packet.get('etw_events', []):
            event = bundle['event'][0]
            same(event['timestamp'], packet['timestamp'], 'time')
            same(event['cpu'], bundle['cpu'], 'vCPU')
            yield (event['timestamp'][0], event['cpu'][0],
                   event['c_switch'][0])
