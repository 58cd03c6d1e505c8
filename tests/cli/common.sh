# What the cases share: sourced by each.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash

LOGS=$CLI/logs

# What differs from run to run: addresses of programs, process ids, folders.
hide()
{
    sed -E -e "s#$FIXTURES#/fixtures#g" -e "s#$PWD#/dir#g" \
        -e 's/0x[0-9a-f]{6,16}/0xADDR/g' -e 's/(tid|pid|process)([= ])[0-9]+/\1\2ID/g' \
        -e 's/build-id [0-9a-f]{40}/build-id ID/g'
}

# Run the program; its messages are shown too, behind its output.
analyze()
{
    local code

    "$ANALYZE" "$@" 2> stderr.txt
    code=$?
    sed -e "s#$LOGS#/logs#g" -e 's/^/! /' stderr.txt
    [ "$code" = 0 ] || echo "[exit $code]"
}

# The lines that name callers, and where they are.
callers()
{
    grep -v -e '^- ' -e '^  path=' -e '^  irq='
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for()
{
    local end=$((SECONDS + $1))

    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

skip()
{
    echo "$*"
    exit 77
}
