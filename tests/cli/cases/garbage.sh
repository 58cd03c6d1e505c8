# Binary input: exit 1 and a sentence, unless there is a log within.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

head -c 300000 /dev/zero > zero.bin
analyze zero.bin
openssl enc -aes-128-ctr -K 0 -iv 0 < zero.bin > random.bin 2> /dev/null ||
    tr '\0' '\377' < zero.bin > random.bin
analyze random.bin 2>&1 | grep -v malformed | grep -v '^!   '
{ cat random.bin; echo; cat "$LOGS/old.log"; cat random.bin; } > mixed.bin
analyze --no-raw mixed.bin | grep -a -c '^- time=12508130441234ns'
