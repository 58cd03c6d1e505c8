# ADDR2LINE: eu-addr2line and binutils addr2line say what libdw says.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" > raise.log
analyze --no-raw raise.log | hide | callers > libdw.txt
found=0
for program in addr2line eu-addr2line; do
    command -v $program > /dev/null || continue
    found=$((found + 1))
    ADDR2LINE=$program analyze --no-raw raise.log | hide | callers > out.txt
    diff libdw.txt out.txt
done
[ $found -gt 0 ] || skip "neither addr2line nor eu-addr2line is installed"
cat out.txt
