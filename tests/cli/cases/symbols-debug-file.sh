# A stripped program whose debug file lies in .debug beside it, by its link.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise-linked" > raise.log
analyze --no-raw raise.log | hide | callers
