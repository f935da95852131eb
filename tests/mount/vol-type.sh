#!/bin/bash
# SPDX-License-Identifier: MIT
# An image file mounts as fuse.varve, a block device as fuseblk, with the
# device as its source.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

expect fuse.varve findmnt -n -o FSTYPE "$M"
umount_volume
ok mount.varve "$IMG" "$M" -o "$opts"
umount_volume
rm "$IMG"
use_loop=1
make_volume 256M || { echo "no loop device"; exit 77; }
ok mount_volume
expect_one_of "fuseblk|fuseblk.varve" findmnt -n -o FSTYPE "$M"
expect "$IMG" findmnt -n -o SOURCE "$M"
echo content >"$M/f"
expect "ok ok" vt open "$M" rdonly : syncfs 0
ok umount_volume
ok mount_volume
expect content cat "$M/f"
