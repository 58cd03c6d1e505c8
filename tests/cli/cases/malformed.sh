# Bad blocks are counted with line and reason, the rest is used.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --no-raw "$LOGS/malformed.log"
