#!/bin/bash
# SPDX-License-Identifier: MIT
# Files of every size around block, page and batch borders come back whole.
. "$(dirname "$0")/lib.sh"
use_dir

for n in 0 1 511 512 513 4095 4096 4097 8191 8192 8193 65535 65536 65537 131071 131072 131073 \
	1048575 1048576 1048577 2097153; do
	expect "ok ok" vt open f$n rdwr,creat 0644 : fill 0 0 $n $n
done
for n in 0 1 511 512 513 4095 4096 4097 8191 8192 8193 65535 65536 65537 131071 131072 131073 \
	1048575 1048576 1048577 2097153; do
	expect "$n ok ok" vt stat f$n size : open f$n rdonly : isfill 0 0 $n $n
done
