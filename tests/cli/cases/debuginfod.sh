# A debuginfod server that accepts and never answers once held the program for
# 9 minutes, deaf to Ctrl-C and SIGTERM.  Now it is waited for some seconds,
# once for all files, and a signal ends that; one that works gives names.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

ldconfig -p | grep -q libdebuginfod || skip "libdebuginfod is not installed"

# Two files without symbols: the server is asked for each.
cp "$FIXTURES/raise-stripped" program
strip -o libdevice.so "$FIXTURES/libdevice.so"
export DEBUGINFOD_CACHE_PATH=$PWD/cache DEBUGINFOD_URLS
id=$(readelf -n program | sed -n 's/.*Build ID: //p')
LD_PRELOAD=$PWD/libdevice.so ./program > raise.log

# serve MODE...: start a server; its address in DEBUGINFOD_URLS
serve()
{
    rm -f port
    python3 "$CLI/fixtures/debuginfod.py" port "$@" &
    server=$!
    wait_for 60 test -s port
    DEBUGINFOD_URLS=http://127.0.0.1:$(cat port)
}

# The server's port differs from run to run.
shown()
{
    hide | sed 's/127.0.0.1:[0-9]*/SERVER/' | grep -e '!' -e exit -e 'caller='
}

echo "== silent"
serve silent
start=$SECONDS
analyze --no-raw raise.log | shown
[ $((SECONDS - start)) -lt 50 ] || echo "it took $((SECONDS - start)) s"

for signal in INT TERM; do
    echo "== silent, and SIG$signal"
    # bash ignores SIGINT in what it starts in the background
    env --default-signal=INT DEBUGINFOD_MAXTIME=600 \
        "$ANALYZE" --no-raw raise.log > out.txt 2> $signal.txt &
    pid=$!
    wait_for 60 grep -qs waiting $signal.txt
    kill -$signal $pid
    start=$SECONDS
    wait $pid
    echo "[exit $?]"
    [ $((SECONDS - start)) -lt 30 ] || echo "it took $((SECONDS - start)) s"
    grep -o 'interrupted: .*' $signal.txt
done
kill $server

echo "== one that works"
serve serve "$id" "$FIXTURES/raise"
DEBUGINFOD_MAXTIME=60 analyze --no-raw raise.log | shown | grep -v waiting
kill $server

echo "== one that is not there"
DEBUGINFOD_URLS=http://127.0.0.1:9 DEBUGINFOD_CACHE_PATH=$PWD/other \
    analyze --no-raw raise.log | shown
wait 2> /dev/null
