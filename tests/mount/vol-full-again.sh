#!/bin/bash
# SPDX-License-Identifier: MIT
# A volume that is filled to the last byte, with large files and with small ones,
# can always be worked with: everything that frees space or needs little works,
# so does unmounting and mounting; and however often, it holds as much as the first
# time, to within one segment.  (The very first filling does not count: metadata
# that has grown keeps some room of its own.)  ROUNDS=10 for longer.
. "$(dirname "$0")/lib.sh"
requires_fs varve
rounds=${ROUNDS:-4}
use_volume 48M
segment=$(varve dump "$IMG" | sed -n 's/^seg_size //p')

free_bytes()
{
	local frsize avail
	read -r frsize _ _ avail _ < <(vt statfs "$M")
	echo $((frsize * avail))
}

# Filling leaves nothing: not even a file of 100 KiB fits.
fill_large()
{
	expect ENOSPC vt_last open "$M/large" rdwr,creat 0644 : fill 0 0 1G "$1"
	size=$(vt stat "$M/large" size)
}

fill_small()
{
	mkdir "$M/small"
	vt makefiles "$M/small" 0 1000000 3000 >/dev/null
	count=$(find "$M/small" -type f | wc -l)
}

# What must work when nothing fits any more.
work_when_full()
{
	local i
	# overwriting: not a new name, the old space comes back
	ok vt open "$M/over" rdwr : fill 0 0 4K "$1"
	ok setfattr -x user.big "$M/over"
	ok truncate -s 1000 "$M/cut"
	ok rmdir "$M/empty"
	ok rm "$M/gone"
	ok mv "$M/here" "$M/there"
	ok chmod 600 "$M/there"
	ok sync -f "$M"
	ok remount_volume
	expect "ok ok" vt open "$M/over" rdonly : isfill 0 0 4K "$1"
	equal "$(stat -c %s "$M/cut")" 1000 "size after truncate"
}

prepare()
{
	rm -rf "${M:?}"/there "$M/cut"
	vt open "$M/over" rdwr,creat 0644 : fill 0 0 4K 1 >/dev/null
	setfattr -n user.big -v "$(printf %2000s x)" "$M/over"
	vt open "$M/cut" rdwr,creat 0644 : fill 0 0 300K 2 >/dev/null
	vt open "$M/gone" rdwr,creat 0644 : fill 0 0 300K 3 >/dev/null
	mkdir "$M/empty"
	echo here >"$M/here"
	sync -f "$M"
}

first_size=0 first_count=0
for round in $(seq 0 "$rounds"); do
	prepare
	fill_large "$round"
	check "round $round: less than 2 segments are left" "$(free_bytes)" -le $((2 * segment))
	work_when_full "$round"
	expect "ok ok" vt open "$M/large" rdonly : isfill 0 0 "$size" "$round"
	ok truncate -s 1M "$M/large"
	ok rm "$M/large"
	ok remount_volume
	prepare
	fill_small
	work_when_full $((round + 100))
	ok rm -rf "$M/small"
	ok remount_volume
	[ "$round" -gt 1 ] || first_size=$size first_count=$count
	[ -z "${SHOW:-}" ] || echo "round $round: $size bytes, $count files"
	check "round $round: $size bytes fit, $first_size in the first" \
		"$size" -ge $((first_size - segment))
	check "round $round: $count files fit, $first_count in the first" \
		$((count * 4096)) -ge $((first_count * 4096 - segment))
done
umount "$M"
gone "$(daemon_pid || echo 1000000000)" 2>/dev/null
ok fsck.varve -n -f --data "$IMG"
