# Time between runs is not a gap, nor is a level kept over it; what was lost
# is said.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

{
    cat "$LOGS/course.log"
    awk -F 'time=|ns' '/time=/ {
        at = sprintf("%.0f", $2 + 1000000000000)
        sub(/time=[0-9]+/, "time=" at)
    } { sub(/disabled.*/, "lost=17"); print }' "$LOGS/course.log"
} > two.log
analyze --summary --top 2 two.log
