# --pid: names of threads as the host has them, and where a program is loaded
# whose log has no first line.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" bare 60 > raise.log &
pid=$!
wait_for 30 grep -q 'time=3000' raise.log
analyze --no-raw --pid $pid raise.log | hide | callers
echo "== with --binary"
analyze --no-raw --pid $pid --binary "$FIXTURES/raise" raise.log | hide | callers
echo "== the log of another process"
"$FIXTURES/raise" > other.log
analyze --no-raw --pid $pid other.log | hide | callers
echo "== stripped, with a debug file beside it"
kill $pid
"$FIXTURES/raise-linked" bare 60 > raise.log &
pid=$!
wait_for 30 grep -q 'time=3000' raise.log
analyze --no-raw --pid $pid raise.log | hide | callers
kill $pid
wait 2> /dev/null
