# Debug information that elfutils cannot take apart (compressed with zstd,
# before 0.189) is not lost without a word: names or one warning.  So is a
# debug file of another build, which the debug link's checksum tells.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

zstd=(objcopy --compress-debug-sections=zstd)
"${zstd[@]}" "$FIXTURES/raise" program 2> /dev/null ||
    skip "objcopy knows no zstd"

# Inlined functions are shown, or one sentence says why not.
shown_or_said()
{
    analyze --no-raw raise.log | hide > out.txt
    if grep -q 'inlined by) timer_expired' out.txt; then
        ! grep '!' out.txt
    else
        [ "$(grep -c '! .*it is compressed with zstd' out.txt)" = 1 ]
    fi && echo "shown or said"
    grep -o -e '-> device_reset' out.txt
}

echo "== in the program"
./program > raise.log
shown_or_said
echo "== in a debug file"
mkdir .debug
"${zstd[@]}" --only-keep-debug "$FIXTURES/raise" .debug/program.debug
strip -o program "$FIXTURES/raise"
objcopy --add-gnu-debuglink=.debug/program.debug program
./program > raise.log
shown_or_said
echo "== a debug file of another build"
cp "$FIXTURES/raise-fixed" .debug/program.debug
analyze --no-raw raise.log | hide | callers
echo "== a debug file with another checksum, no build-id"
objcopy --remove-section=.note.gnu.build-id "$FIXTURES/raise" plain
objcopy --only-keep-debug plain .debug/plain.debug
strip plain
objcopy --add-gnu-debuglink=.debug/plain.debug plain
./plain > raise.log
analyze --no-raw raise.log | hide | callers | head -n 2
echo more >> .debug/plain.debug
analyze --no-raw raise.log | hide | callers
