#!/bin/bash
# SPDX-License-Identifier: MIT
# fsck.varve --rebuild brings a tree back whose checkpoints and database are
# destroyed, and --undo takes that back; on a whole volume it is refused.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires fsck.varve
requires varve
use_volume

sums()
{
	(cd "$M" && find . -type f -exec md5sum {} + | sort | md5sum &&
		find . -printf '%p %m %u %s %n %l\n' | sort | md5sum)
}

cp -r /usr/include/linux "$M/"
rm -r "$M/linux/can"
ln -s nowhere "$M/link"
want=$(sums)
umount_volume
released
fails fsck.varve --rebuild "$IMG"

off=$(varve dump --super "$IMG" | awk '$1 == "slot_off" { print $2 }')
len=$(varve dump --super "$IMG" | awk '$1 == "slot_size" { print $2 }')
size=$(varve dump --super "$IMG" | awk '$1 == "seg_size" { print $2 }')
metas=$(varve dump --segments "$IMG" | awk '$1 == "segment" && / meta / { print $4 }')
for at in $off $((off + len)); do
	dd if=/dev/urandom of="$IMG" bs=4096 seek=$((at / 4096)) count=$((len / 4096)) \
		conv=notrunc status=none
done
for at in $metas; do
	dd if=/dev/urandom of="$IMG" bs=4096 seek=$((at / 4096)) count=$((size / 4096)) \
		conv=notrunc status=none
done
fails fsck.varve "$IMG"
fails mount_volume
sum=$(md5sum <"$IMG")
fsck.varve --rebuild -z "$T/undo" "$IMG" >"$T/out" 2>&1
status=$?
check "fsck.varve --rebuild exits with 1, not $status" $status -eq 1
ok fsck.varve -f --data "$IMG"
cp --sparse=always "$IMG" "$T/rebuilt"
fsck.varve --undo "$T/undo" "$IMG" >"$T/out" 2>&1
status=$?
check "fsck.varve --undo exits with 1, not $status" $status -eq 1
expect "$sum" bash -c "md5sum <'$IMG'"
cp --sparse=always "$T/rebuilt" "$IMG"
ok mount_volume
expect "$want" sums
umount_volume
