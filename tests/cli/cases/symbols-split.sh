# Split debug information (-gsplit-dwarf): as without; where the .dwo file has
# gone, inlined functions are lost, which once was not said.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

for version in 4 5; do
    echo "== DWARF $version"
    mkdir $version
    (cd $version && ${CC:-cc} -std=gnu11 -g -gdwarf-$version -gsplit-dwarf \
        -O2 -fPIE -pie -o split "$CLI/fixtures/raise.c" "-L$FIXTURES" \
        -ldevice "-Wl,-rpath,$FIXTURES") || skip "no split DWARF here"
    $version/split > raise.log
    analyze --no-raw raise.log | hide | callers | sed "s#$CLI/fixtures#/src#"
    echo "== its .dwo file is gone"
    rm $version/*.dwo
    analyze --no-raw raise.log | hide | callers |
        sed -e "s#$CLI/fixtures#/src#" -e 's/[^ ]*\.dwo is/X.dwo is/'
done
