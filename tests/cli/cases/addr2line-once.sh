# The resolver is started once for a file and asked once an address.
# two files, three callers and one handler
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

cat > counting << 'END'
#!/bin/sh
echo started >> started.txt
tee asked.txt | addr2line "$@"
END
chmod +x counting
"$FIXTURES/raise" > raise.log
sed -n '/time=/,$p' raise.log > events.txt
for _ in 1 2 3 4 5; do cat events.txt; done >> raise.log
ADDR2LINE=./counting analyze --no-raw raise.log | grep -c -e '-> irq_raise$'
sort started.txt | uniq -c
grep -v ffffffffffffffff asked.txt | sort | uniq -c | awk '$1 > 1'
ADDR2LINE="addr2line -C" analyze --no-raw raise.log | grep -c -e '-> irq_raise$'
