# What cannot be read at all: exit 1 and a sentence.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

analyze absent.log
mkdir folder
analyze folder
