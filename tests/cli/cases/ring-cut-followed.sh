# A ring file that is cut short while it is followed ends the following with a
# sentence, not with SIGBUS; what was read of it was shown.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

for left in 0 5000 825000; do
    rm -f out.txt
    "$FIXTURES/ring" all.ring all.log 64 50
    "$ANALYZE" --follow --no-raw all.ring > out.txt 2> err.txt &
    pid=$!
    shown() { [ "$(grep -c '^- time=' out.txt)" = 50 ]; }
    wait_for 30 shown || echo "not all events are shown"
    truncate -s $left all.ring
    ended() { ! kill -0 $pid 2> /dev/null; }
    wait_for 30 ended || kill -KILL $pid
    wait $pid
    echo "exit $?"
    grep -c '^- time=' out.txt
    grep -o 'all.ring: the ring file was cut short while it was read' err.txt
done
