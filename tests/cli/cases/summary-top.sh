# --top shortens each list and says of how many.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --summary --top 1 "$LOGS/course.log"
