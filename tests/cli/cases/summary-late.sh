# A line the log tells of only after its first event: the demo called the
# busiest line "irq" on some days, when the main loop had been busy.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

event()
{
    printf '%s\n' "irq-log: time=$1ns level=$2 n=4 kind=software" \
        '         path=/machine/unattached/non-qdev-gpio[4]' \
        '         irq=0x1000 handler=0x2000 opaque=0x3000' \
        '         host-tid=1 caller=0x4000'
}

{
    event 1000 1
    printf '%s%s\n' 'irq-log: line irq=0x1000 handler=0x2000 opaque=0x3000 ' \
        'n=4 kind=software path="/machine/unattached/non-qdev-gpio[4]" driven-by="/machine/lpc:gsi[4]" owner="/machine/lpc"'
    event 2000 0
} > late.log
analyze --summary late.log 2> /dev/null | grep -E 'driven|owner'
