# SPDX-License-Identifier: MIT
# lib.sh - sourced by every script of tests/mount and by run-all.
#
# A script says what it needs (requires, use_dir or use_volume), then states
# what it expects, one line each; it runs on to its end and fails if any
# expectation did.  Whatever way it ends, its mounts, daemons and loop devices
# go with it.  Nothing here sleeps: mount.varve returns when the mount is ready.
#
#   use_dir             D = working directory = a fresh directory to test in
#   use_volume [SIZE]   a volume of this script's own: IMG, mounted on M
#   expect WANT CMD...  standard output must be WANT
#   ok CMD...           must succeed;  fails CMD... must not
#   vt OP... [: OP...]  system calls in one process, see vt.c

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src=$(cd "$here/../.." && pwd)
failures=0
T=

# ---- finding programs -------------------------------------------------

find_build()
{
	local b
	for b in "${VARVE_BUILD:-}" "$src/build" "$src/build-check"; do
		[ -n "$b" ] && [ -x "$b/mount.varve" ] && [ -x "$b/mkfs.varve" ] &&
			{ (cd "$b" && pwd); return; }
	done
}

BUILD=$(find_build)
[ -z "$BUILD" ] || PATH=$BUILD:$PATH
PATH=$PATH:/usr/sbin:/sbin

# The helper from the build directory, else compiled into directory $1.
find_vt()
{
	local b
	for b in "${VARVE_BUILD:-}" "$BUILD" "$src/build" "$src/build-check"; do
		if [ -n "$b" ] && [ -x "$b/tests/mount/vt" ] &&
		   [ -z "$(find "$here" -name 'vt*.[ch]' -newer "$b/tests/mount/vt")" ]; then
			echo "$b/tests/mount/vt"
			return 0
		fi
	done
	"${CC:-cc}" -std=gnu17 -O2 -pthread -o "$1/vt" "$here"/vt*.c >&2 || return 1
	echo "$1/vt"
}

# Prints why nothing can run here, or fails.
cannot_run()
{
	[ "$(id -u)" = 0 ] || { echo "not root"; return; }
	[ -z "${VARVE_TEST_DIR:-}" ] || return 1
	[ "${VARVE_TEST_FS:-varve}" = varve ] || return 1
	[ -c /dev/fuse ] || { echo "no /dev/fuse"; return; }
	command -v mount.varve >/dev/null && command -v mkfs.varve >/dev/null ||
		{ echo "mount.varve and mkfs.varve are not built"; return; }
	return 1
}

# ---- volumes ----------------------------------------------------------

fs=${VARVE_TEST_FS:-varve}
if [ -n "${VARVE_TEST_DIR:-}" ]; then
	case $(stat -f -c %T "$VARVE_TEST_DIR") in
	ext2/ext3) fs=ext4 ;;
	fuseblk) fs=varve ;;
	fuse) fs=varve ;;
	*) fs=other ;;
	esac
fi
opts=${VARVE_MOUNT_OPTIONS:-allow_other,default_permissions}

# make_volume SIZE [MKFS-OPTION...] : an image file, or with use_loop=1 a loop
# device on one, at $IMG.
use_loop=0
make_volume()
{
	local size=$1 file=$IMG
	shift
	truncate -s "$size" "$file" || return 1
	if [ "$use_loop" = 1 ]; then
		IMG=$(losetup --find --show --direct-io=on "$file") || return 1
	fi
	case $fs in
	ext4) mkfs.ext4 -q -F -O ea_inode -E lazy_itable_init=1 "$IMG" ;;
	*) mkfs.varve "$@" "$IMG" >"${IMG_LOG:-/dev/null}" ;;
	esac
}

# mount_volume [OPTIONS] on $M, further mount options separated by commas.
mount_volume()
{
	case $fs in
	ext4)
		if [ -b "$IMG" ]; then
			mount -t ext4 -o "${1:-rw}" "$IMG" "$M"
		else
			mount -t ext4 -o "loop,${1:-rw}" "$IMG" "$M"
		fi ;;
	*) mount.varve "$IMG" "$M" -o "$opts${1:+,$1}" ;;
	esac
}

umount_volume()
{
	umount "$M"
}

# The process that serves $IMG: the one that has it open.
daemon_pid()
{
	local link
	link=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "$IMG" -print -quit 2>/dev/null)
	[ -n "$link" ] || return 1
	link=${link#/proc/}
	echo "${link%%/*}"
}

# released: waits until no process has $IMG open.  On an image file umount
# returns before the daemon has written its last.
released()
{
	local pid
	while pid=$(daemon_pid); do
		gone "$pid" || return 1
	done
}

is_mounted()
{
	awk -v m="$1" '$5 == m { found = 1 } END { exit !found }' /proc/self/mountinfo
}

# A mount whose daemon has died answers ENOTCONN.
vt_alive()
{
	is_mounted "$1" && timeout 10 stat -f "$1" >/dev/null 2>&1
}

# sweep DIR: ends every mount, process and loop device that uses DIR.
sweep()
{
	local m d p

	[ -d "$1" ] || return 0
	awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | tac |
	while read -r m; do
		timeout 20 umount "$m" 2>/dev/null || umount -l "$m" 2>/dev/null
	done
	for p in $(find /proc/[0-9]*/fd -maxdepth 1 -lname "$1/*" 2>/dev/null |
			cut -d/ -f3 | sort -u); do
		[ "$p" = $$ ] || [ "$p" = "$BASHPID" ] || kill_and_wait "$p"
	done
	losetup -n -O NAME,BACK-FILE 2>/dev/null | while read -r d m; do
		case $m in
		"$1"/*)
			for p in $(find /proc/[0-9]*/fd -maxdepth 1 -lname "$d" \
					2>/dev/null | cut -d/ -f3 | sort -u); do
				kill_and_wait "$p"
			done
			losetup -d "$d" ;;
		esac
	done
}

# gone PID: waits for a process that is not our child to end.
gone()
{
	timeout 20 tail --pid="$1" -s 0.02 -f /dev/null
}

# A daemon is given time to write its checkpoint before it is killed.
kill_and_wait()
{
	gone "$1" || kill -9 "$1" 2>/dev/null
}

[ "${varve_runner:-0}" = 0 ] || return 0

# ---- one script -------------------------------------------------------

skip()
{
	echo "SKIP: $*"
	exit 77
}

on_exit()
{
	local status=$? p
	trap - EXIT INT TERM HUP
	cd /
	for p in $(jobs -p); do
		kill -9 "$p" 2>/dev/null
	done
	if [ -n "${D:-}" ] && [ -n "${VARVE_TEST_DIR:-}${VARVE_SHARED:-}" ]; then
		chattr -R -f -i -a "$D" 2>/dev/null
		rm -rf --one-file-system "$D"
	fi
	if [ -n "$T" ]; then
		sweep "$T"
		rm -rf --one-file-system "$T"
	fi
	if [ "$status" -eq 0 ] && [ "$failures" -gt 0 ]; then
		status=1
	fi
	exit "$status"
}

why=$(cannot_run) && skip "$why"
trap on_exit EXIT
trap 'exit 143' INT TERM HUP
T=$(mktemp -d "${VARVE_RUN:-${TMPDIR:-/var/tmp}}/t.XXXXXX") || exit 1
chmod 755 "$T"
umask 022
[ -n "${VT:-}" ] || VT=$(find_vt "$T") || exit 1

vt()
{
	"$VT" "$@"
}

# The answer of the last operation alone.
vt_last()
{
	local out
	out=$("$VT" "$@")
	echo "${out##* }"
}

# requires PROGRAM... : skipped without them.
requires()
{
	local p
	for p in "$@"; do
		command -v "$p" >/dev/null || skip "needs $p"
	done
}

# requires_fs NAME... : what follows is meant for these file systems only.
requires_fs()
{
	local f
	for f in "$@"; do
		[ "$f" != "$fs" ] || return 0
	done
	skip "not for $fs"
}

is_fs()
{
	[ "$fs" = "$1" ]
}

use_dir()
{
	local base=${VARVE_TEST_DIR:-${VARVE_SHARED:-}}
	if [ -z "$base" ]; then
		use_volume 1G
		base=$M
	fi
	D=$(mktemp -d "$base/${0##*/}.XXXXXX") || exit 1
	chmod 755 "$D"
	cd "$D" || exit 1
}

use_volume()
{
	[ -z "${VARVE_TEST_DIR:-}" ] || skip "needs a volume of its own"
	IMG=$T/img M=$T/mnt
	mkdir -p "$M"
	make_volume "${1:-256M}" || { echo "mkfs failed"; exit 1; }
	mount_volume || { echo "mount failed"; exit 1; }
}

# A directory is left before its volume is unmounted.
remount_volume()
{
	cd / && umount_volume && mount_volume "$@"
}

# ---- expectations -----------------------------------------------------

failed()
{
	failures=$((failures + 1))
	echo "FAILED at ${0##*/}:${BASH_LINENO[${#FUNCNAME[@]} - 2]}: $*" >&2
}

# Long arguments (names of 255 bytes) would drown the message.
shown()
{
	local a out=
	for a in "$@"; do
		[ ${#a} -le 80 ] || a="${a:0:30}...(${#a} bytes)"
		out+=" $a"
	done
	printf '%s' "${out# }" | tr -c '[:print:]' '?'
}

expect()
{
	local want=$1 got
	shift
	got=$("$@" 2>&1)
	[ "$got" = "$want" ] ||
		failed "$(shown "$@"): expected '$(shown "$want")', got '$(shown "$got")'"
}

# expect_one_of "A|B" CMD... : where systems rightly differ.
expect_one_of()
{
	local want=$1 got
	shift
	got=$("$@" 2>&1)
	case "|$want|" in
	*"|$got|"*) ;;
	*) failed "$(shown "$@"): expected one of '$want', got '$(shown "$got")'" ;;
	esac
}

ok()
{
	local got status
	got=$("$@" 2>&1)
	status=$?
	[ $status -eq 0 ] ||
		failed "$(shown "$@"): exit status $status: ${got:0:500}"
}

fails()
{
	local got
	if got=$("$@" 2>&1); then
		failed "$(shown "$@"): succeeded: ${got:0:200}"
	fi
}

equal()
{
	[ "$1" = "$2" ] || failed "${3:-value}: expected '$(shown "$1")', got '$(shown "$2")'"
}

# check "what" EXPR... : test(1) must hold.
check()
{
	local what=$1
	shift
	[ "$@" ] || failed "$what: [ $* ] does not hold"
}

# ---- processes that stay, driven line by line ------------------------

# session NAME [VT-OPTION...] starts one; ask NAME OP ARG... prints its answer.
session()
{
	local name=$1 in out
	shift
	mkfifo "$T/$name.in" "$T/$name.out"
	"$VT" "$@" - <"$T/$name.in" >"$T/$name.out" &
	exec {in}>"$T/$name.in" {out}<"$T/$name.out"
	eval "in_$name=$in out_$name=$out pid_$name=$!"
}

ask()
{
	local name=$1 in out line
	shift
	eval "in=\$in_$name out=\$out_$name"
	echo "$*" >&"$in"
	IFS= read -r -t 30 line <&"$out" || line="no answer"
	echo "$line"
}

# send NAME OP... without waiting; answer NAME prints what came.
send()
{
	local name=$1 in
	shift
	eval "in=\$in_$name"
	echo "$*" >&"$in"
}

answer()
{
	local out line
	eval "out=\$out_$1"
	IFS= read -r -t "${2:-30}" line <&"$out" || line="no answer"
	echo "$line"
}

finish_session()
{
	local in out pid
	eval "in=\$in_$1 out=\$out_$1 pid=\$pid_$1"
	# Not by closing its input: later sessions have inherited that.
	(echo quit >&"$in") 2>/dev/null
	exec {in}>&- {out}<&-
	wait "$pid" 2>/dev/null
	rm -f "$T/$1.in" "$T/$1.out"
}
