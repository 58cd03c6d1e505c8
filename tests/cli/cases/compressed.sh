# Compressed logs, also of several members and with padding behind them, from
# a file and from a pipe.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$ANALYZE" "$LOGS/course.log" > plain.txt 2> /dev/null

# same WHAT [LOG]: it is read as what it was made of is
same()
{
    "$ANALYZE" "${@:2}" > out.txt 2> err.txt
    cmp out.txt plain.txt && echo "  $1: the same"
    grep -v /no/such/qemu err.txt || true
}

for method in gzip xz zstd; do
    command -v $method > /dev/null || skip "$method is not installed"
    echo "== $method"
    $method -c < "$LOGS/course.log" > one
    grep -q . one && "$ANALYZE" one 2>&1 > /dev/null |
        grep -q 'this build cannot' && skip "built without $method"
    same "a file" one
    same "a pipe" < <(cat one)
    same "a slow pipe" < <(head -c 3 one; sleep 0.5; tail -c +4 one)
    { head -n 700 "$LOGS/course.log" | $method -c
      tail -n +701 "$LOGS/course.log" | $method -c; } > two
    same "two members" two
    { cat one; head -c 512 /dev/zero; } > padded
    same "padding" padded
    { head -n 700 "$LOGS/course.log" | $method -c; head -c 400000 /dev/zero
      tail -n +701 "$LOGS/course.log" | $method -c; } > apart
    same "two members, padding between them" apart
done
# a block of output that the input has long ended for
echo "== a long way from a few bytes"
for method in gzip xz zstd; do
    { cat "$LOGS/course.log"; head -c 30000000 /dev/zero | tr '\0' '\n'; } |
        $method -c > long
    same $method long
done
