#!/bin/bash
# SPDX-License-Identifier: MIT
# What is written at any offset is read back; reads end at the end of the file.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok 5 ello empty" vt open f rdwr,creat 0644 : pwrite 0 0 hello : pread 0 1 100 : pread 0 5 10
expect "ok 3 ok 5003" vt open f rdwr : pwrite 0 5000 end : iszero 0 5 4995 : fstat 0 size
for off in 0 1 4095 4096 4097 131071 131072 1048575 1048577; do
	for len in 1 100 4095 4096 4097 70000 1048576 3000001; do
		expect "ok ok ok" vt open g rdwr,creat 0644 : fill 0 $off $len 1 : \
			isfill 0 $off $len 1
	done
done
expect "ok EISDIR EBADF" vt open . rdonly : read 0 1 : write 0 x
expect "ok EBADF" vt open f wronly : read 0 1
expect "ok EINVAL" vt open f rdwr : pread 0 -1 1
