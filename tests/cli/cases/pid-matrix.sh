# Once "ADDR2LINE=... irqlog-analyze --pid PID --binary QEMU LOG" named nothing
# on a live QEMU: the load base was taken from a private mapping of QEMU's own
# file.  So: a program that has its file mapped once more, position independent
# or not, alive or dead, with each way to say which it is.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

export MAP_SELF=1
command -v addr2line > /dev/null || skip "addr2line is not installed"

# The functions of the three events, outermost last, on one line.
names()
{
    "$ANALYZE" --json "$@" 2> stderr.txt |
        python3 -c '
import json, sys
print(*("<".join(f.get("function", "?") for f in json.loads(line).get(
    "caller-frames", [])) or "-" for line in sys.stdin))'
    sed -e "s#$FIXTURES#/fixtures#g" -e 's/^/      ! /' \
        -e 's/process [0-9]*/process ID/g' -e 's/0x[0-9a-f]*/0xADDR/g' stderr.txt
}

# row LABEL OPTION...: with libdw, and what a resolver makes of it if it differs
row()
{
    local label=$1 libdw resolver

    shift
    libdw=$(names "$@")
    resolver=$(ADDR2LINE=addr2line names "$@")
    echo "  $label: $libdw"
    [ "$libdw" = "$resolver" ] || echo "    with ADDR2LINE: $resolver"
}

for program in raise raise-fixed raise-stripped; do
    binary=$FIXTURES/${program%-stripped}
    for log in first-line bare; do
        words=60
        [ $log = first-line ] || words="bare 60"
        # shellcheck disable=SC2086
        "$FIXTURES/$program" $words > raise.log &
        pid=$!
        wait_for 30 grep -q 'time=3000' raise.log
        for state in live dead; do
            [ $state = live ] || { kill $pid; wait 2> /dev/null; }
            echo "== $program, $log, $state"
            row "no option" raise.log
            row "--pid" --pid $pid raise.log
            row "--binary" --binary "$binary" raise.log
            row "--pid --binary" --pid $pid --binary "$binary" raise.log
        done
    done
done
