# A ring file is followed too.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/ring" all.ring all.log 64 50
"$ANALYZE" --follow --no-raw all.ring > out.txt 2> err.txt &
pid=$!
sleep 0.5
kill -INT $pid
wait $pid
echo "exit $?"
grep -c '^- time=' out.txt
