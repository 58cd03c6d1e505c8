# A run of a newer format is refused with a sentence; runs of ours are read.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze "$LOGS/newer.log"
analyze --no-raw "$LOGS/newer-then-known.log"
