# Paths, threads and requesters of all names of tests/fixtures/nasty-names.txt:
# whatever they are, what is printed is harmless, and says every byte of them.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

cat > nasty-check.py << 'END'
import json
import sys
sys.path.insert(0, sys.argv[1])
from nasty import NAMES, as_utf8, harmful, unescape


def escaped(name):
    return b''.join(b'\\x%02x' % c for c in name)


if sys.argv[2] == 'log':
    for n, name in enumerate(NAMES.values(), 1):
        sys.stdout.buffer.write(
            b'irq-log: thread tid=%d role="" name="%s"\n'
            b'irq-log: time=%dns level=1 n=%d kind=hardware\n'
            b'         path=%s\n'
            b'         irq=0x%x handler=0x0 opaque=0x0\n'
            b'         host-tid=%d caller=0x0\n'
            b'         msi=0xfee00000 data=0x31 requester=%s\n' % (
                n, escaped(name), n * 1000, n, escaped(name), n, n,
                escaped(name)))
    sys.exit()
data = sys.stdin.buffer.read()
text = data.decode()
assert not harmful(text), harmful(text)
if sys.argv[2] == 'events':
    paths = [json.loads(line)['path'] for line in text.splitlines()]
    assert paths == [as_utf8(name) for name in NAMES.values()], paths
elif sys.argv[2] == 'summary':
    paths = {line['path'] for line in json.loads(text)['lines']}
    assert paths == {as_utf8(name) for name in NAMES.values()}, paths
else:
    shown = unescape(text)
    assert all(name in shown for name in NAMES.values())
print('harmless')
END
check() {
    python3 -B nasty-check.py "$TOP/tests/harness" "$@"
}

check log > nasty.log
"$ANALYZE" nasty.log | check text
"$ANALYZE" --summary --top 0 nasty.log | check text
"$ANALYZE" --json nasty.log | check events
"$ANALYZE" --json --summary --top 0 nasty.log | check summary
