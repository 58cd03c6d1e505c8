# Callers of the summary are functions, with what is inlined into them.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" > raise.log
analyze --summary raise.log | hide
