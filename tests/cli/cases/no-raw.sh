# --no-raw leaves out the log's own lines, and nothing else.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --no-raw "$LOGS/page.log"
