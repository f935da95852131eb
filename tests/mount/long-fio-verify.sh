#!/bin/bash
# SPDX-License-Identifier: MIT
# fio verifies every block it wrote: random and sequential, buffered and
# direct, mixed block sizes, several jobs, also after a remount.
. "$(dirname "$0")/lib.sh"
requires fio
use_volume 4G
cd "$T" || exit 1

for direct in 0 1; do
	for rw in write randwrite randrw; do
		for jobs in 1 4; do
			ok fio --name=v$direct$rw$jobs --directory="$M" --rw=$rw --bsrange=4k-256k \
				--size=64M --numjobs=$jobs --direct=$direct --ioengine=io_uring \
				--iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1
		done
	done
done
ok fio --name=small --directory="$M" --rw=randwrite --bsrange=512-20000 --bs_unaligned --size=32M \
	--verify=crc32c --verify_fatal=1
ok fio --name=map --directory="$M" --rw=randwrite --bs=4k --size=64M --ioengine=mmap \
	--verify=crc32c --verify_fatal=1
ok fio --name=sync --directory="$M" --rw=randwrite --bs=4k --size=8M --fsync=1 --verify=crc32c \
	--verify_fatal=1
remount_volume || failed "remount"
ok fio --name=small --directory="$M" --rw=randwrite --bsrange=512-20000 --bs_unaligned --size=32M \
	--verify=crc32c --verify_fatal=1 --verify_only
