# Events from a pipe that stays open are shown as they come.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

mkfifo pipe
"$ANALYZE" --no-raw < pipe > out.txt 2> /dev/null &
pid=$!
exec 3> pipe
cat "$LOGS/old.log" >&3
wait_for 30 grep -q '^  tid=' out.txt && echo shown
exec 3>&-
wait $pid
echo "exit $?"
