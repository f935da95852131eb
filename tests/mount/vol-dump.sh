#!/bin/bash
# SPDX-License-Identifier: MIT
# varve dump prints an image's structures, of mounted and damaged ones as well,
# and changes nothing.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires varve
use_volume

echo content >"$M/some-file-name"
umount_volume
released
sum=$(md5sum <"$IMG")
ok varve dump "$IMG"
varve dump "$IMG" | grep -qi superblock || failed "no superblock in the dump"
expect "$sum" bash -c "md5sum <'$IMG'"
ok mount_volume
ok timeout 30 varve dump "$IMG"
umount_volume
released
dd if=/dev/urandom of="$IMG" bs=64K seek=16 count=64 conv=notrunc status=none
timeout 30 varve dump "$IMG" >"$T/out" 2>&1
status=$?
check "dump of a damaged image ends by itself, not $status" $status -lt 124
[ -s "$T/out" ] || failed "nothing printed for a damaged image"
