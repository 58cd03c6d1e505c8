# No debug information: the symbol table, else exported names, else nothing
# and one warning.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

for program in raise-symtab raise-exports raise-stripped; do
    echo "== $program"
    "$FIXTURES/$program" > raise.log
    analyze --no-raw raise.log | hide | callers
done
