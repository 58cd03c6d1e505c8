# Debug information that dwz moved to a file of several programs (as Debian's
# packages have it): names are there; without that file those of functions are
# the symbol table's, which once were "(unknown)", and one warning says it.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

command -v dwz > /dev/null || skip "there is no dwz here"
${CC:-cc} -std=gnu11 -g -O2 -fPIE -pie -o one "$CLI/fixtures/raise.c" \
    "-L$FIXTURES" -ldevice "-Wl,-rpath,$FIXTURES"
cp one two
dwz -m common.debug one two || skip "dwz cannot do it here"
./one > raise.log
analyze --no-raw raise.log | hide | callers | sed "s#$CLI/fixtures#/src#"
echo "== the common file is gone"
rm common.debug
# libdw's dwarf_getscopes() loses what it has gathered when a reference leads
# nowhere; that is not ours to free.
echo leak:libdw.so > leaks
export LSAN_OPTIONS="suppressions=$PWD/leaks:print_suppressions=0"
analyze --no-raw raise.log | hide | callers | sed "s#$CLI/fixtures#/src#"
