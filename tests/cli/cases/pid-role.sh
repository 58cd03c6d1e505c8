# With --pid a thread's role still comes first, and the host's name behind it:
# it once was "(qemu-system-x86)" for all of them.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

ROLE="vcpu 0" "$FIXTURES/raise" 60 > raise.log &
pid=$!
wait_for 30 grep -q 'time=3000' raise.log
analyze --no-raw raise.log | hide | grep tid=
analyze --no-raw --pid $pid raise.log | hide | grep tid=
analyze --summary --pid $pid raise.log | hide | grep tid=
analyze --json --pid $pid raise.log |
    grep -o '"thread-[a-z]*": "[^"]*"' | sort | uniq -c
kill $pid
wait 2> /dev/null
