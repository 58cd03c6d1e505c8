# The program was built again since: one warning with both ids, names still.
# With the right id there is none.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

BUILD_ID=$(readelf -n "$FIXTURES/raise" | sed -n 's/.*Build ID: //p') \
    "$FIXTURES/raise" > right.log
BUILD_ID=00112233445566778899aabbccddeeff00112233 "$FIXTURES/raise" > wrong.log
analyze --no-raw right.log | hide | callers
echo
analyze --no-raw wrong.log | hide | callers
LIBRARY_ID=0011 "$FIXTURES/raise" > library.log
analyze --no-raw library.log | hide | grep '!'
