#!/bin/bash
# SPDX-License-Identifier: MIT
# varve scrub and varve backup command a mounted volume; a rebuild then uses the
# backup that was asked for.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires varve
requires fsck.varve
use_volume

# until TEXT COMMAND... : waits for TEXT in its output, which asking again brings.
until_says()
{
	local text=$1 i
	shift
	for i in $(seq 2000); do
		"$@" | grep -q "$text" && return 0
		stat -f "$M" >/dev/null
	done
	return 1
}

cp -r /usr/include/linux "$M/"
sync -f "$M"
expect "state: never run" bash -c "varve scrub status '$M' | head -1"
ok varve scrub limit "$M" 0
ok varve scrub start "$M"
ok until_says "state: finished" varve scrub status "$M"
ok until_says "errors: 0" varve scrub status "$M"
fails varve scrub cancel "$M"
fails varve scrub start "$M/linux"
fails varve scrub limit "$M" much
[ -z "$(getfattr -m - "$M" 2>/dev/null)" ] || failed "control attributes are listed"

expect "backup: none" varve backup status "$M"
ok varve backup now "$M"
ok until_says "^pages:" varve backup status "$M"
rm -r "$M/linux/can"
want=$(cd "$M" && find . -type f -exec md5sum {} + | sort | md5sum)
umount_volume
released
off=$(varve dump --super "$IMG" | awk '$1 == "slot_off" { print $2 }')
len=$(varve dump --super "$IMG" | awk '$1 == "slot_size" { print $2 }')
dd if=/dev/zero of="$IMG" bs=4096 seek=$((off / 4096)) count=$((2 * len / 4096)) \
	conv=notrunc status=none
fsck.varve --rebuild -z none -f "$IMG" >"$T/out" 2>&1
grep -q "restored from the backup" "$T/out" || failed "$(cat "$T/out")"
ok mount_volume
expect "$want" bash -c "cd '$M' && find . -type f -exec md5sum {} + | sort | md5sum"
umount_volume
