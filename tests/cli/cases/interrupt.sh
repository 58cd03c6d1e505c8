# Interrupted in the middle of a pipe: what is known is written, exit 1.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

mkfifo pipe
"$ANALYZE" --summary < pipe > out.txt 2> err.txt &
pid=$!
exec 3> pipe
cat "$LOGS/course.log" >&3
sleep 0.5
kill -INT $pid
wait $pid
echo "exit $?"
head -n 1 out.txt
grep interrupted err.txt
