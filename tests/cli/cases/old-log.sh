# A log without a first line: the block is printed, one warning is given.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze "$LOGS/old.log"
