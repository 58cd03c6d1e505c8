# One that does not start, ends at once, ends later, answers nonsense or hangs:
# one warning, and the blocks.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" > raise.log
printf '#!/bin/sh\nexit 3\n' > ends
printf '#!/bin/sh\nread a; echo "??"; echo "??:0"; read a; echo half\n' > later
printf '#!/bin/sh\nexec yes\n' > endless
printf '#!/bin/sh\necho $$ >> hanging\nexec sleep 1000\n' > hangs
printf '#!/bin/sh\nwhile read a; do echo fake; echo /fake.c:7; done\n' > fake
chmod +x ends later endless hangs fake
for program in ./absent ./ends ./later ./endless ./hangs ./fake; do
    echo "== $program"
    ADDR2LINE=$program analyze --no-raw --resolver-timeout 1 raise.log | hide |
        callers
done
echo "== the program is gone, but the resolver knows"
ADDR2LINE=./fake analyze --no-raw "$LOGS/page.log"
# Only those that were started here: others may sleep, too.
[ -s hanging ] || echo "nothing has slept"
while read -r pid; do
    [ "$(tr '\0' ' ' 2> /dev/null < "/proc/$pid/cmdline")" != "sleep 1000 " ] ||
        echo "sleep is left over"
done < hanging
