# The program is gone: blocks without names, one warning.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

cp "$FIXTURES/raise" gone
LD_LIBRARY_PATH=$FIXTURES ./gone > raise.log
rm gone
analyze --no-raw raise.log | hide
