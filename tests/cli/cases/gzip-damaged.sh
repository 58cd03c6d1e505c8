# A compressed log that ends early or is damaged: what can be read is used.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

gzip -nc "$LOGS/course.log" > whole.gz
head -c 2000 whole.gz > cut.gz
analyze cut.gz > out.txt
grep '^!' out.txt
[ "$(grep -c '^- time=' out.txt)" -gt 10 ] && echo "some events"
{ head -c 2 whole.gz; echo nothing at all; } > broken.gz
analyze broken.gz
analyze --follow whole.gz
