# --binary names another file than the log: here the unstripped program.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise-stripped" > raise.log
analyze --no-raw --binary "$FIXTURES/raise" raise.log | hide | callers
