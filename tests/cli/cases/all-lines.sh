# Optional lines, messages, lines without a path and what is known of them.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze "$LOGS/all-lines.log"
