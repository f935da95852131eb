#!/bin/bash
# SPDX-License-Identifier: MIT
# A full volume gives ENOSPC, keeps what it holds, and can be emptied and
# filled again.
. "$(dirname "$0")/lib.sh"
use_volume 128M

echo precious >"$M/keep"
for round in 1 2 3; do
	expect ENOSPC vt_last open "$M/fill" rdwr,creat 0644 : fill 0 0 1G $round
	for i in $(seq 1 200); do
		echo "$i" >"$M/small$i" || break
	done 2>/dev/null
	size=$(vt stat "$M/fill" size)
	check "round $round: $size bytes fitted" "$size" -ge $((80 * 1048576))
	expect "ok ok" vt open "$M/fill" rdonly : isfill 0 0 "$size" $round
	expect precious cat "$M/keep"
	ok rm -f "$M"/small* "$M/fill"
	ok sync -f "$M"
done
expect "ok ok ok" vt open "$M/again" rdwr,creat 0644 : fill 0 0 60M 9 : fsync 0
ok remount_volume
expect "ok ok" vt open "$M/again" rdonly : isfill 0 0 60M 9
expect "again,keep" bash -c "ls '$M' | grep -v lost+found | paste -sd,"
