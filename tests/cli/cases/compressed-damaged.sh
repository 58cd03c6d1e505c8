# A compressed log that ends early or is damaged: what can be read is used.
# What stands behind the compressed data once was left out without a word.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

for method in gzip xz zstd; do
    command -v $method > /dev/null || skip "$method is not installed"
    echo "== $method"
    { cat "$LOGS/course.log"; head -c 300000 /dev/urandom | base64; } |
        $method -c > whole
    "$ANALYZE" whole 2>&1 > /dev/null |
        grep -q 'this build cannot' && skip "built without $method"
    head -c 280000 whole > cut.log
    analyze cut.log > out.txt
    grep '^! .*compressed' out.txt
    [ "$(grep -c '^- time=' out.txt)" -gt 10 ] && echo "some events"
    { head -c 6 whole; echo nothing at all, and more of it; } > broken
    analyze broken
    { cat whole; echo garbage; } > garbage
    analyze garbage > out.txt
    grep '^! .*compressed' out.txt
    [ "$(grep -c '^- time=' out.txt)" -gt 10 ] && echo "some events"
    analyze --follow whole
done
