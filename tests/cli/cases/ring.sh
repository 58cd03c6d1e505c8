# A ring file says what the text log of the same events says, loss and all;
# also compressed, and through a pipe.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/ring" all.ring all.log 64 50
"$FIXTURES/ring" over.ring over.log 64 1000
for name in all over; do
    "$ANALYZE" $name.log > text.txt 2> /dev/null
    "$ANALYZE" $name.ring > ring.txt 2> /dev/null
    echo "$name: exit $?, $(grep -c '^- time=' ring.txt) events"
    cmp ring.txt text.txt
    grep '^- lost' ring.txt
    "$ANALYZE" < $name.ring 2> /dev/null | cmp - text.txt
    cat $name.ring | "$ANALYZE" 2> /dev/null | cmp - text.txt
    gzip -c $name.ring | "$ANALYZE" 2> /dev/null | cmp - text.txt
done
"$ANALYZE" --json all.ring 2> /dev/null | sed -n '$p' |
    sed 's/"timestamp-ns": [0-9]*/"timestamp-ns": N/'
"$ANALYZE" --summary over.ring 2> /dev/null | sed -n '2,5p'
