# Compressed logs, also of several members, from a file and from a pipe.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$ANALYZE" "$LOGS/course.log" > plain.txt 2> /dev/null
gzip -c "$LOGS/course.log" > one.gz
"$ANALYZE" one.gz 2> /dev/null | cmp - plain.txt && echo "a file: the same"
cat one.gz | "$ANALYZE" 2> /dev/null | cmp - plain.txt && echo "a pipe: the same"
{ head -n 700 "$LOGS/course.log" | gzip; tail -n +701 "$LOGS/course.log" | gzip; } > two.gz
"$ANALYZE" two.gz 2> /dev/null | cmp - plain.txt && echo "two members: the same"
