# A program at a fixed address needs no load base.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise-fixed" > raise.log
analyze --no-raw raise.log | hide | callers
"$FIXTURES/raise-fixed" bare > bare.log
analyze --no-raw --binary "$FIXTURES/raise-fixed" bare.log | hide | callers
