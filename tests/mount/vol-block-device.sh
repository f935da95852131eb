#!/bin/bash
# SPDX-License-Identifier: MIT
# On a block device umount returns when the device is free: mkfs, mount and
# another open with O_EXCL work at once, twenty times.
. "$(dirname "$0")/lib.sh"
requires_fs varve
IMG=$T/img M=$T/mnt use_loop=1
mkdir "$M"
make_volume 256M || skip "no loop device"

for i in $(seq 1 20); do
	ok mount_volume
	echo "round $i" >"$M/f$i"
	ok umount_volume
	expect ok vt tryopen "$IMG" rdwr,excl
done
ok mount_volume
expect 20 bash -c "ls '$M' | wc -l"
