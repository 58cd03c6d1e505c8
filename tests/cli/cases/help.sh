# --help and --version say what there is, on standard output.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze --help
analyze --version | sed 's/ [0-9][0-9.]*$/ N/'
analyze -h | cmp - <(analyze --help) && echo "-h is --help"
"$ANALYZE" --help > /dev/full 2> err.txt
echo "[exit $?]"
cat err.txt
