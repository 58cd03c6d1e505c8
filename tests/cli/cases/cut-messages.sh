# What is said of a log that ends early.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

head -n 5 "$LOGS/page.log" > cut.log
analyze --no-raw cut.log
head -n 6 "$LOGS/page.log" | head -c -3 > unended.log
analyze --no-raw unended.log
