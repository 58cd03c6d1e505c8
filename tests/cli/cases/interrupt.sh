# Interrupted in the middle of a pipe: what is known is written, exit 1.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

mkfifo pipe
"$ANALYZE" --no-raw < pipe > out.txt 2> err.txt &
pid=$!
exec 3> pipe
cat "$LOGS/course.log" >&3
shown() { [ "$(grep -c '^- time=' out.txt)" = 345 ]; }
wait_for 20 shown || echo "not all events are shown"
kill -INT $pid
wait $pid
echo "exit $?"
grep -c '^- time=' out.txt
grep interrupted err.txt
