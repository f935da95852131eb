#!/bin/bash
# SPDX-License-Identifier: MIT
# The last write of every byte wins, whatever the order, sizes and alignment.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok ok ok ok ok ok ok ok" vt open f rdwr,creat 0644 : fill 0 0 1M 1 : \
	fill 0 300000 1000 2 : fill 0 4096 4096 3 : fill 0 1000000 100000 4 : \
	isfill 0 0 4096 1 : isfill 0 4096 4096 3 : isfill 0 8192 291808 1 : \
	isfill 0 300000 1000 2 : isfill 0 301000 699000 1
expect "ok ok 1100000" vt open f rdonly : isfill 0 1000000 100000 4 : fstat 0 size
for i in $(seq 1 200); do
	printf '%05d' "$i" | dd of=g bs=1 seek=$((i * 3)) conv=notrunc status=none
done
want=$(for i in $(seq 1 199); do printf '%05d' "$i" | cut -c1-3 | tr -d '\n'; done; printf 00200)
expect "$want" bash -c "tail -c +4 g"
