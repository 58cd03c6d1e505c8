# The summary as one object: the same counts, and what people call the lines.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

line='irq-log: line irq=0x1000 handler=0x20 opaque=0x30 n=0 kind=hardware'
line="$line path=\"/machine/pit/out[0]\" device=\"isa-pit:clock\""
sed "3a $line" "$LOGS/course.log" > told.log
"$ANALYZE" --summary --json told.log 2> /dev/null > sum.json
python3 - << 'END'
import json
total = json.load(open('sum.json'))
print({k: v for k, v in total.items() if not isinstance(v, list)})
for line in total['lines']:
    print(line['label'], line['path'], line['irq-line'], line['kind'], line['events'],
          line['unchanged'], line['longest-gap'], line['storms'])
    print(' ', line['raise-to-lower']['count'],
          line['raise-to-lower']['total-ns'],
          [b['count'] for b in line['raise-to-lower']['histogram']])
    print(' ', [(c['function'], c['events']) for c in line['callers']])
for caller in total['callers']:
    print(caller['function'], caller['events'])
for thread in total['threads']:
    print(thread)
END
