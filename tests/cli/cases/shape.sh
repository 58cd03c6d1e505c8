# The contract's block, then the original lines; unresolved parts are left out
# with one warning.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze "$LOGS/page.log"
