# An empty log is no failure; it is said.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

: > empty.log
analyze empty.log
