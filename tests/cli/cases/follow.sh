# --follow goes on as the log grows, over rotation and truncation, and ends
# cleanly on SIGINT; the last event does not wait for the next.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

number() { sed "s/time=[0-9]*/time=$1/" "$LOGS/old.log"; }
shown() { [ "$(grep -c '^- time=' out.txt)" = "$1" ]; }
number 1 > live.log
"$ANALYZE" --follow --no-raw live.log > out.txt 2> err.txt &
pid=$!
wait_for 30 shown 1 || echo "the first event is not shown"
number 2 >> live.log
wait_for 30 shown 2 || echo "the second event is not shown"
number 3 | head -n 2 >> live.log
sleep 0.5
number 3 | tail -n 2 >> live.log
wait_for 30 shown 3 || echo "the third event is not shown"
mv live.log live.log.1
number 4 >> live.log.1
number 5 > live.log
wait_for 30 shown 5 || echo "the events around the rotation are not shown"
: > live.log
wait_for 30 grep -q truncated err.txt
number 6 >> live.log
wait_for 30 shown 6 || echo "the event behind the truncation is not shown"
kill -INT $pid
wait $pid
echo "exit $?"
grep '^- time=' out.txt
grep -v 'not named' err.txt
