# LOG may be -, or absent.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --no-raw - < "$LOGS/page.log"
cat "$LOGS/page.log" | analyze --no-raw
