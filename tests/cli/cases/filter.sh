# Each filter, alone: how many events of the course it leaves.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

count()
{
    echo "$*: $("$ANALYZE" --no-raw "$@" "$LOGS/course.log" 2> /dev/null |
                grep -c '^- time=')"
}
count
count --line 4
count --line 4 --line 0
count --line -1
count --tid 11
count --tid 13 --tid 12
count --path '/machine/pit/out[0]'
count --path '*ioapic*'
count --path '/machine/*/out?0?'
count --path '/machine/pit/out[[]*'
count --path 'machine'
count --path 'machine*' --path '*net0'
count --kind msi
count --kind msi --kind hardware
count --kind software
count --outermost
count --depth 0
count --depth 1
count --since 5000000000
count --since 5000000001ns
count --since 6s --until 6.001s
count --since +1s --until +2s
count --since +1000ms --until +1000001us
count --since +2000100us --until +2.0062s --line 4
count --until +0
count --tid 11 --kind msi
