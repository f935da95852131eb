#!/bin/bash
# SPDX-License-Identifier: MIT
# On a block device: what each way to sync makes the device do.  An fsync is one
# write and one flush, O_SYNC and O_DSYNC the same, -o sync for every operation,
# syncfs once; what is not synced costs no flush.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_loop=1
use_volume 256M
# No checkpoint and no commit in between, which would write and flush as well.
quiet=commit=3600,ckpt=3600
ok remount_volume $quiet

# Writes and flushes that the device has done.
done_by_device()
{
	awk '{ print $5, $16 }' "/sys/block/${IMG#/dev/}/stat"
}
[ -n "$(done_by_device | cut -d' ' -f2)" ] || skip "the kernel does not count flushes"

# Some kernels count a flush as a write, too: what are one write and one flush?
truncate -s 1M "$T/other"
other=$(losetup --find --show --direct-io=on "$T/other") || skip "no second loop device"
read -r w0 f0 < <(IMG=$other done_by_device)
dd if=/dev/zero of="$other" bs=4k count=1 oflag=direct conv=notrunc,fdatasync status=none
read -r w1 f1 < <(IMG=$other done_by_device)
[ $((f1 - f0)) = 1 ] || skip "the kernel counts $((f1 - f0)) flushes for one"
flush_is_write=$((w1 - w0 - 1))

# costs WHAT TIMES CMD... : that many writes and flushes, and up to two more.
costs()
{
	local what=$1 times=$2 w0 f0 w1 f1 r
	shift 2
	read -r w0 f0 < <(done_by_device)
	"$@" || failed "$what: $*"
	read -r w1 f1 < <(done_by_device)
	r=$((f1 - f0))
	check "$what: $r flushes" $r -ge "$times" -a $r -le $((times + 2))
	r=$((w1 - w0 - r * flush_is_write))
	check "$what: $r writes" $r -ge "$times" -a $r -le $((times + 2))
}

# A file of 4 KiB, overwritten and synced so many times by dd.
rewrite()
{
	dd if=/dev/zero of="$M/f" bs=4k count=50 conv=notrunc status=none "$@"
}

rewrite
sync -f "$M"
costs "fsync" 1 rewrite conv=notrunc,fsync
costs "fdatasync" 1 rewrite conv=notrunc,fdatasync
costs "O_SYNC" 50 rewrite oflag=sync
costs "O_DSYNC" 50 rewrite oflag=dsync
costs "nothing" 0 rewrite
costs "syncfs" 1 sync -f "$M"
costs "syncfs again" 0 sync -f "$M"
make_20()
{
	local i
	for i in $(seq 20); do : >"$M/$1$i"; done
}
make_20 a
costs "fsync of a directory" 1 sync "$M"
ok remount_volume $quiet,sync
costs "-o sync" 20 make_20 b
