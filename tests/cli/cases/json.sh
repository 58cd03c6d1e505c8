# One object an event, members as in QMP; lost events have their own.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --json "$LOGS/all-lines.log"
"$ANALYZE" --json "$LOGS/page.log" 2> /dev/null | tail -n 1
"$ANALYZE" --json "$LOGS/course.log" 2> /dev/null |
    python3 -c 'import json, sys; print(sum(1 for l in sys.stdin if json.loads(l)))'
