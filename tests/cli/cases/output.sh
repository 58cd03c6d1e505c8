# A full disk is an error, a reader that leaves is none.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

for options in --no-raw --json --summary "--summary --json"; do
    # shellcheck disable=SC2086
    "$ANALYZE" $options "$LOGS/course.log" > /dev/full 2> err.txt
    echo "$options: exit $?"
    grep -v named err.txt
done
for _ in 1 2 3 4 5 6 7 8 9 10; do cat "$LOGS/course.log"; done > long.log
"$ANALYZE" long.log 2> err.txt | head -n 1
echo "exit ${PIPESTATUS[0]}"
grep -v named err.txt
"$ANALYZE" "$LOGS/old.log" >&- 2> err.txt
echo "closed: exit $?"
