#!/bin/bash
# SPDX-License-Identifier: MIT
# A file is up to 2^63-1 bytes long; beyond is EFBIG.
. "$(dirname "$0")/lib.sh"
use_dir
max=9223372036854775807
is_fs varve || max=$((16 * 1024 * 1024 * 1024 * 1024 - 4096))

expect "ok ok $max" vt open f rdwr,creat 0644 : ftruncate 0 $max : fstat 0 size
expect "ok ok" vt open f rdonly : iszero 0 $((max - 100)) 100
if is_fs varve; then
	expect "ok EFBIG" vt open f rdwr : fallocate 0 alloc $max 1
	expect_one_of "EFBIG|EINVAL" vt_last open f rdwr : pwrite 0 $max x
	expect "ok 1" vt open f rdwr : pwrite 0 $((max - 1)) x
	expect "ok x" vt open f rdonly : pread 0 $((max - 1)) 1
	expect_one_of "$((max - 1))|$(((max - 1) / 4096 * 4096))" vt_last open f rdonly : \
		lseek 0 1 data
else
	expect "EFBIG" vt truncate f $((max + 8192))
fi
expect "ok ok ok" vt open g rdwr,creat 0644 : fill 0 8T 1M 1 : isfill 0 8T 1M 1
expect "ok 8796093022208" vt open g rdonly : lseek 0 0 data
# The limit of the process.
(ulimit -f 1; trap '' XFSZ; vt open l rdwr,creat 0644 : fill 0 0 1024 1 : pwrite 0 1024 x) >out
expect "ok ok EFBIG" cat out
