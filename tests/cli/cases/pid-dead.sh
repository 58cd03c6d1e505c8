# The process is gone: the log's own words are used, one warning.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

true &
pid=$!
wait
"$FIXTURES/raise" > raise.log
analyze --no-raw --pid $pid raise.log | hide | callers
analyze --no-raw --pid $pid "$LOGS/old.log" | hide
