# "--pid $(pgrep qemu-system-x86_64)" finds nothing, as pgrep compares 15
# characters, or several: the log is explained all the same.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" > raise.log
"$FIXTURES/raise" > ./77
log=raise.log

# try WORD...: which callers are named, or what is said
try()
{
    echo "== ${*//$FIXTURES/}"
    analyze --no-raw "$@" | hide | grep -e '!' -e 'exit' -e '-> device_reset'
}

for pids in "" "12 13"; do
    # shellcheck disable=SC2086
    try --pid $pids --binary "$FIXTURES/raise" $log
    # shellcheck disable=SC2086
    try --pid $pids $log
    try --pid "${pids// /$'\n'}" $log
    try --pid="$pids" $log
    # shellcheck disable=SC2086
    try $log --pid $pids
done
try --pid
try --pid - < $log
try --pid 12 13 77
try --pid nothing $log
try --pid 12x $log
try --pid=12x $log
