# A followed summary comes at the end.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$ANALYZE" --follow --summary "$LOGS/course.log" > out.txt 2> err.txt &
pid=$!
all_read()
{
    grep -q "^pos:[[:space:]]*$(stat -c %s "$LOGS/course.log")$" \
        /proc/$pid/fdinfo/3
}
wait_for 20 all_read 2> /dev/null || echo "not all is read"
sleep 0.2
[ -s out.txt ] && echo "too early"
kill -INT $pid
wait $pid
echo "exit $?"
head -n 1 out.txt
