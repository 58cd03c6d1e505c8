# shellcheck shell=bash
# What the set-up scripts share: where things lie, how progress and failure
# are told, the lock, and apt with lists of its own.
#
# It decides nothing about QEMU: what is fetched, patched and built stands in
# the scripts beside it, one step a script.
#
# SPDX-License-Identifier: GPL-2.0-or-later

set -euo pipefail

# Debian's own tools first: a pyenv or a meson from pip would be found
# otherwise, and QEMU's configure wants python and meson from one place.
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
export LC_ALL=C.UTF-8
unset LANGUAGE
unset CDPATH

TOP=${VMSCOPE_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${VMSCOPE_BUILD:-$TOP/build}
LOGDIR=$BUILD/log
LOG=
# shellcheck disable=SC2034  # read by the scripts that source this file
DEFAULT_QEMU_VERSION=10.0

# say TEXT... - one line of progress on stdout
say() { printf 'vmscope: %s\n' "$*"; }

# warn TEXT... - one line on stderr, work goes on
warn() { printf 'vmscope: %s\n' "$*" >&2; }

# die SENTENCE... - what failed and what to do; names the log of this step
die()
{
    local where=

    [ -z "$LOG" ] || where=" (log: $(shown "$LOG"))"
    printf 'vmscope: %s%s\n' "$*" "$where" >&2
    trap - ERR
    exit 1
}

# shown PATH - as a person in the checkout would write it
shown() { printf '%s' "${1#"$TOP"/}"; }

on_error()
{
    local line=$1

    if full_disk; then
        die "the disk is full: free some space below $(shown "$BUILD") and" \
            "run the same command again"
    fi
    die "$(shown "$0") failed at line $line: see the log, mend it, run again"
}
trap 'on_error $LINENO' ERR
trap 'trap - ERR; warn "interrupted: run the same command again"; exit 130' \
    INT TERM

# full_disk - did the step end for want of space?
full_disk()
{
    local left

    if [ -n "$LOG" ] && [ -f "$LOG" ] &&
        tail -n 40 "$LOG" | grep -q 'No space left on device'; then
        return 0
    fi
    left=$(df -Pk "$BUILD" 2>/dev/null | awk 'NR == 2 { print $4 }')
    [ "${left:-1000000}" -lt 10240 ]
}

# need_space MEBIBYTES WHAT - stop before the work, not in its middle
need_space()
{
    local left

    mkdir -p "$BUILD" || die "$(shown "$BUILD") cannot be made"
    left=$(df -Pk "$BUILD" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$left" -ge "$1" ] ||
        die "$2 needs $1 MiB and $left MiB are free: make room on the disk" \
            "of $(shown "$BUILD") and run again"
}

# start_log NAME - this step's messages go to build/log/NAME.log
start_log()
{
    mkdir -p "$LOGDIR" || die "$(shown "$LOGDIR") cannot be made"
    LOG=$LOGDIR/$1.log
    : > "$LOG" || die "$(shown "$LOG") cannot be written"
}

# logged COMMAND... - run it with all output in the log
logged()
{
    printf '\n+ %s\n' "$*" >> "$LOG"
    "$@" >> "$LOG" 2>&1 < /dev/null
}

# take_lock - one set-up at a time in this build folder
take_lock()
{
    [ "${VMSCOPE_LOCKED:-}" != "$BUILD" ] || return 0
    mkdir -p "$BUILD" || die "$(shown "$BUILD") cannot be made"
    exec 9> "$BUILD/.lock" || die "$(shown "$BUILD")/.lock cannot be written"
    if ! flock -n 9; then
        say "another make is at work in $(shown "$BUILD"): waiting for it"
        flock 9
    fi
    export VMSCOPE_LOCKED=$BUILD
}

# put_if_changed FROM TO - copy only what differs, so ninja has less to do.
# Made beside its place and renamed: an interrupted copy leaves the old file.
put_if_changed()
{
    if [ -f "$2" ] && [ ! -L "$2" ] && cmp -s "$1" "$2"; then
        return 1
    fi
    if mkdir -p "$(dirname "$2")" && cp "$1" "$2.vmscope-new" &&
        mv -fT "$2.vmscope-new" "$2"; then
        return 0
    fi
    rm -f "$2.vmscope-new"
    ! full_disk || on_error "$LINENO"
    die "$(shown "$2") could not be written: see the line above, mend it and" \
        "run again"
}

# debian_codename - bookworm, trixie; empty on anything else
debian_codename()
{
    # shellcheck disable=SC1091
    (. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] &&
        printf '%s' "${VERSION_CODENAME:-}") || true
}

# archive_uri SUITE - where this machine's apt gets SUITE from; empty if it
# does not.  apt itself reads its .list and .sources files for us.
archive_uri()
{
    # a read to the end: leaving early would kill apt-get by SIGPIPE
    apt-get --print-uris update 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/$1/InRelease'.*|\1|p" |
        awk '!/^cdrom:/ && !found { print; found = 1 }'
}

# main_uri - the Debian archive: DEBIAN_MIRROR, else the system's, else
# Debian's official one
main_uri()
{
    local host=deb.debian.org uri

    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        printf '%s' "${DEBIAN_MIRROR%/}"
        return
    fi
    uri=$(archive_uri "$(debian_codename)")
    printf '%s' "${uri:-http://$host/debian}"
}

# security_uri - the same for security updates; empty when unknown
security_uri()
{
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        printf '%s' "${DEBIAN_SECURITY_MIRROR:-}"
        return
    fi
    archive_uri "$(debian_codename)-security"
}

# apt_use NAME - apt calls from here on see build/apt/NAME only: sources,
# lists and cache.  What is installed is still the system's to say.
apt_use()
{
    APT_DIR=$BUILD/apt/$1
    mkdir -p "$APT_DIR/lists/partial" "$APT_DIR/cache/archives/partial" \
        "$APT_DIR/empty"
    APT_OPTS=(
        -o "Dir::Etc::SourceList=$APT_DIR/sources.list"
        -o "Dir::Etc::SourceParts=$APT_DIR/empty"
        -o "Dir::State::Lists=$APT_DIR/lists"
        -o "Dir::Cache=$APT_DIR/cache"
        -o "Dir::Cache::Archives=archives/"
        -o "Acquire::Languages=none"
        -o "Acquire::Retries=${VMSCOPE_RETRIES:-3}"
        -o "DPkg::Lock::Timeout=300"
        -o "Dpkg::Use-Pty=0"
    )
    # _apt may not enter the checkout; signatures are checked all the same
    [ "$(id -u)" != 0 ] || APT_OPTS+=(-o "APT::Sandbox::User=root")
}

# apt_source TYPE URI SUITE - one line for apt_write_sources
apt_source()
{
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local option=

    [ ! -f "$keyring" ] || option="[signed-by=$keyring] "
    printf '%s %s%s %s main\n' "$1" "$option" "$2" "$3"
}

# apt_update - fetch the lists named in sources.list (read on stdin)
apt_update()
{
    cat > "$APT_DIR/sources.list"
    logged apt-get "${APT_OPTS[@]}" -o APT::Update::Error-Mode=any update
}

# binary_sources - what apt may install or unpack from on this system
binary_sources()
{
    local name main security

    name=$(debian_codename)
    main=$(main_uri)
    security=$(security_uri)
    apt_source deb "$main" "$name"
    [ -n "${DEBIAN_MIRROR:-}" ] || apt_source deb "$main" "$name-updates"
    [ -z "$security" ] || apt_source deb "$security" "$name-security"
    [ "$name" != bookworm ] || apt_source deb "$main" "$name-backports"
}

# own_tree_name - under which name the copy of QEMU_SRC is kept
own_tree_name()
{
    printf 'own-%s' "$(printf '%s' "$QEMU_SRC" | sha256sum | cut -c1-8)"
}

# wanted_features - "NAME LIBRARY PACKAGE" of what the complete QEMU gets: the
# table `features`, and what QEMU_CONFIGURE changes in it
wanted_features()
{
    awk -v asked="${QEMU_CONFIGURE:-}" '
        BEGIN {
            n = split(asked, word, " ")
            for (i = 1; i <= n; i++) {
                if (match(word[i], /^--(en|dis)able-[a-z0-9-]+$/)) {
                    name = word[i]
                    sub(/^--[a-z]+-/, "", name)
                    sign[name] = word[i] ~ /^--enable/ ? "+" : "-"
                }
            }
        }
        /^[+-]/ && ($2 in sign ? sign[$2] : $1) == "+" { print $2, $3, $4 }
    ' "$(dirname "${BASH_SOURCE[0]}")/features"
}
