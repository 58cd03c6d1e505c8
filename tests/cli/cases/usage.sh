# Wrong usage: exit 2, and what is wrong with which option.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

for wrong in --bogus "--pid x" "--pid 0" "--pid 4294967296" "--line 1x" \
             "--tid -1" "--kind wire" "--since soon" "--until 1.5days" \
             "--since 99999999999999h" "--since 1." "--top many" "one two" \
             "--binary" "--depth x"; do
    echo "== $wrong"
    # shellcheck disable=SC2086
    analyze $wrong
done
