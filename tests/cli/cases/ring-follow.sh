# A ring file is followed too: what is in it is shown at once.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/ring" all.ring all.log 64 50
"$ANALYZE" --follow --no-raw all.ring > out.txt 2> err.txt &
pid=$!
shown() { [ "$(grep -c '^- time=' out.txt)" = 50 ]; }
wait_for 20 shown || echo "not all events are shown"
kill -INT $pid
wait $pid
echo "exit $?"
grep -c '^- time=' out.txt
