#!/bin/bash
# SPDX-License-Identifier: MIT
# fallocate reserves space that reads as zeros, with or without changing the
# size, and what was there stays.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok 1048576 ok" vt open f rdwr,creat 0644 : fallocate 0 alloc 0 1M : fstat 0 size : \
	iszero 0 0 1M
check "the space is reserved" "$(vt stat f blocks)" -ge 2048
expect "ok ok ok 1048576" vt open f rdwr : fill 0 4000 1000 1 : fallocate 0 alloc 0 8192 : \
	fstat 0 size
expect "ok ok ok" vt open f rdonly : isfill 0 4000 1000 1 : iszero 0 0 4000
expect "ok ok 1048576 ok" vt open f rdwr : fallocate 0 keep 1M 1M : fstat 0 size : ftruncate 0 2M
expect "ok ok" vt open f rdonly : iszero 0 1M 1M
expect "ok EINVAL EINVAL EINVAL" vt open f rdwr : fallocate 0 alloc 0 0 : fallocate 0 alloc -1 10 : \
	fallocate 0 alloc 0 -1
expect "ok EBADF" vt open f rdonly : fallocate 0 alloc 0 10
expect "ok ok 5 hello" vt open g rdwr,creat 0644 : fallocate 0 keep 0 1M : pwrite 0 0 hello : \
	pread 0 0 100
expect_one_of "EOPNOTSUPP|EINVAL" vt_last open f rdwr : fallocate 0 punch-only 0 4096
