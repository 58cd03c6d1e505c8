# The summary of a course of events whose counts are known.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --summary "$LOGS/course.log"
