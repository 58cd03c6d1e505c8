# The same log as an editor, Windows or QEMU's other messages leave it: with a
# byte-order mark (which once hid the first line, and with it the names), with
# CRLF, between the lines of "-d int".
#
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=tests/cli/common.sh
. "$CLI/common.sh"

"$FIXTURES/raise" > raise.log
analyze raise.log > plain.txt

# same LOG: it is read as the plain one is
same()
{
    analyze "$1" | cmp - plain.txt && echo "$1: the same"
}

{ printf '\xef\xbb\xbf'; cat raise.log; } > mark.log
same mark.log
sed 's/$/\r/' raise.log > crlf.log
same crlf.log
{ printf '\xef\xbb\xbf'; sed 's/$/\r/' raise.log; } > both.log
same both.log
printf '\xef\xbb\xbf' > only-mark.log
analyze only-mark.log
awk '{
    print
    printf "%6d: v=%02x e=0000 i=0 cpl=0 IP=0010:%016x pc=%016x\n", NR, 32, 1, 2
    print "RAX=0000000000000000 RBX=ffff888003d35c00 RCX=0000000000000000"
    print "RIP=ffffffff81e0f0db RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0"
    print "ES =0000 0000000000000000 ffffffff 00c00000"
    print "Servicing hardware INT=0x30"
}' raise.log > d-int.log
same d-int.log
