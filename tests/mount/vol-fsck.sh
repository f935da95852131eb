#!/bin/bash
# SPDX-License-Identifier: MIT
# fsck.varve refuses a mounted volume, waits for one that is being unmounted,
# finds a clean volume clean and changes nothing; replays the log of a killed
# one; names damaged files; repairs and takes it back; with fsck(8)'s status.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires fsck.varve
use_volume

# status WANT PATTERN CMD... : exit status, and what it says.
status()
{
	local want=$1 pattern=$2 out got
	shift 2
	out=$("$@" 2>&1)
	got=$?
	[ "$got" = "$want" ] || failed "$(shown "$@"): status $got, not $want: ${out:0:500}"
	# shellcheck disable=SC2254
	case $out in
	$pattern) ;;
	*) failed "$(shown "$@"): says '${out:0:300}', not '$pattern'" ;;
	esac
}

mkdir "$M/dir"
cp -r /usr/include/linux "$M/"
head -c 200000 /dev/zero | tr '\0' 'q' >"$M/dir/file"
status 8 '*mounted*' fsck.varve "$IMG"
status 8 '*mounted*' fsck.varve -y "$IMG"
umount_volume
status 0 '*clean*' fsck.varve "$IMG"
sum=$(md5sum <"$IMG")
status 0 '*no problems*' fsck.varve -f --data "$IMG"
status 0 '*' fsck.varve -p "$IMG"
status 0 '*no problems*' fsck.varve -y -f "$IMG"
expect "$sum" bash -c "md5sum <'$IMG'"
status 16 'usage*' fsck.varve -n -y "$IMG"
status 16 'usage*' fsck.varve
status 8 '*' fsck.varve "$T/none"
status 8 '*' fsck.varve /dev/null

# Killed: checked with its log, replayed by preening.
mount_volume
echo more >"$M/dir/more"
sync "$M/dir/more"
pid=$(daemon_pid)
kill -9 "$pid"
gone "$pid"
umount -l "$M"
status 0 '*no problems*' fsck.varve -n "$IMG"
status 0 '*' fsck.varve -p "$IMG"
status 0 '*clean*' fsck.varve "$IMG"

# A superblock copy, and a byte of the file.
dd if=/dev/urandom of="$IMG" bs=4096 count=1 conv=notrunc status=none
at=$(LC_ALL=C grep -abo -m1 'qqqqqqqqqqqqqqqq' "$IMG" | head -n1 | cut -d: -f1)
printf 'X' | dd of="$IMG" bs=1 seek=$((at + 5000)) conv=notrunc status=none
sum=$(md5sum <"$IMG")
status 4 '*superblock copy 0*' fsck.varve "$IMG"
expect "$sum" bash -c "md5sum <'$IMG'"
status 5 '*/dir/file: bytes 4096 to 8191 are damaged*' fsck.varve -y --data -z "$T/undo" "$IMG"
status 0 '*clean*' fsck.varve "$IMG"
status 1 '*' fsck.varve --undo "$T/undo" "$IMG"
expect "$sum" bash -c "md5sum <'$IMG'"
status 1 '*rewritten*' fsck.varve -p "$IMG"

mount_volume
expect more cat "$M/dir/more"
fails cat "$M/dir/file"
umount_volume
status 4 '*/dir/file*' fsck.varve --data "$IMG"
