# Names in a position independent program: plain calls, functions inlined into
# each other, a handler, a shared library.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" > raise.log
analyze raise.log | hide
echo
"$ANALYZE" --json raise.log | hide |
    sed -E 's/("(host-tid|[a-z]*-addr)": )[0-9]+/\1N/g'
