# scripts/irqlog-analyze.py runs the program: beside it, in PATH, or says that
# it is not built.
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

mkdir -p top/scripts top/build bin
cp "$TOP/scripts/irqlog-analyze.py" top/scripts/
python=$(python3 -c 'import sys; print(sys.executable)')
env PATH=/nowhere "$python" top/scripts/irqlog-analyze.py --version
echo "exit $?"
cp "$ANALYZE" bin/irqlog-analyze
PATH=$PWD/bin:$PATH "$python" top/scripts/irqlog-analyze.py --no-raw "$LOGS/page.log" 2> /dev/null | head -n 1
cp "$ANALYZE" top/build/irqlog-analyze
env PATH=/nowhere "$python" top/scripts/irqlog-analyze.py --bogus
echo "exit $?"
env PATH=/nowhere "$python" top/scripts/irqlog-analyze.py --no-raw - < "$LOGS/page.log" 2> /dev/null | head -n 1
mv top/build/irqlog-analyze top/scripts/
ln -s "$PWD/top/scripts/irqlog-analyze.py" link.py
env PATH=/nowhere "$python" link.py --no-raw "$LOGS/page.log" 2> /dev/null | head -n 1
