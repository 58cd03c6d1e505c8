# A log with bytes that are no UTF-8 and with terminal commands in names: none
# reaches the terminal, JSON stays valid.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --no-raw "$LOGS/strange-bytes.log" | grep tid=
analyze --summary "$LOGS/strange-bytes.log" > out.txt
LC_ALL=C grep -c "$(printf '\033')" out.txt
"$ANALYZE" --json "$LOGS/strange-bytes.log" 2> /dev/null > events.json
"$ANALYZE" --json --summary "$LOGS/strange-bytes.log" 2> /dev/null > sum.json
python3 - << 'END'
import json
event = json.loads(open('events.json', 'rb').read().decode('utf-8', 'strict'))
print(ascii(event['path']), ascii(event['thread-role']))
total = json.loads(open('sum.json', 'rb').read().decode('utf-8', 'strict'))
print(ascii(total['threads'][0]['thread-name']))
END
