# Nothing that can be read: exit 1.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

head -n 5 "$LOGS/malformed.log" > bad.log
analyze bad.log
