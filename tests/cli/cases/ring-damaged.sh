# A ring file that is cut short or of a newer version is refused.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/ring" all.ring all.log 64 50
head -c 5000 all.ring > cut.ring
analyze cut.ring
head -c 100000 all.ring > cut.ring
analyze cut.ring
{ head -c 8 all.ring; printf '\377\0\0\0'; tail -c +13 all.ring; } > newer.ring
analyze newer.ring
