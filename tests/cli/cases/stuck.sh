# What a log tells of stuck and lost interrupts: a line that stays raised while
# its device raises it again and again, one that nobody ever lowers, one that is
# only lowered, and messages that came last long ago.  What is missing in
# between makes a level unknown.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

event()
{
    printf '%s\n' "irq-log: time=$1ns level=$2 n=$3 kind=$4" \
        "         path=/machine/$5" \
        "         irq=0x1000 handler=0x2000 opaque=0x3000" \
        '         host-tid=1 caller=0x4000'
}

{
    event 1000000000 1 7 msi disk
    event 1500000000 1 8 msi net
    event 2000000000 1 2 hardware level
    event 2100000000 0 2 hardware level
    event 2500000000 1 2 hardware level
    event 2500001000 1 2 hardware level
    event 3000000000 1 2 hardware level
    event 3100000000 1 3 hardware once
    event 3200000000 0 4 hardware lowered
    event 3300000000 0 4 hardware lowered
    event 5000000000 1 8 msi net
} > stuck.log
analyze --summary stuck.log 2> /dev/null | sed -n '/^Still/,/^Who/p'
analyze --summary --json stuck.log 2> /dev/null > stuck.json
python3 - << 'END'
import json
for line in sorted(json.load(open('stuck.json'))['lines'],
                   key=lambda line: line['path']):
    print(line['path'], [(key, line[key]) for key in (
        'raises', 'lowers', 'raised-again', 'lowered-again',
        'raised-since-ns', 'last-ns') if key in line])
END
{
    cat stuck.log
    echo 'irq-log: lost=3'
    event 6000000000 1 2 hardware level
} > lost.log
analyze --summary lost.log 2> /dev/null | sed -n '/^Still/,/^Mess/p'
