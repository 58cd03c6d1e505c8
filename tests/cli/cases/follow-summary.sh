# A followed summary comes at the end.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$ANALYZE" --follow --summary "$LOGS/course.log" > out.txt 2> err.txt &
pid=$!
sleep 0.5
[ -s out.txt ] && echo "too early"
kill -INT $pid
wait $pid
echo "exit $?"
head -n 1 out.txt
