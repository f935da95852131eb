#!/bin/bash
# SPDX-License-Identifier: MIT
# truncate and ftruncate shorten and extend; what comes back is zeros, also
# behind a mapped page, and the errors are those of POSIX.
. "$(dirname "$0")/lib.sh"
use_dir

vt open f rdwr,creat 0644 : fill 0 0 100000 1 >/dev/null
expect "ok 50000 ok 100000" vt truncate f 50000 : stat f size : truncate f 100000 : stat f size
expect "ok ok ok" vt open f rdonly : isfill 0 0 50000 1 : iszero 0 50000 50000
expect "ok ok ok ok ok" vt open f rdwr : ftruncate 0 0 : ftruncate 0 4096 : iszero 0 0 4096 : \
	fsync 0
# Data beyond the end, written through a mapping, does not come back.
expect "ok ok ok ok ok ok ok 100" vt open g rdwr,creat 0644 : ftruncate 0 100 : \
	map 0 4096 rw shared : mwrite 0 90 0123456789abcdefghij : msync 0 : ftruncate 0 4096 : \
	iszero 0 100 3996 : lseek 0 100 set
mkdir d
expect "EISDIR ENOENT ENOTDIR EINVAL" vt truncate d 0 : truncate no 0 : truncate f/x 0 : truncate f -1
chmod 0644 f
expect "EACCES" vt -u 1000 -g 1000 truncate f 0
expect "ok EINVAL" vt open f rdonly : ftruncate 0 0
# Small files, where all of it is packed.
expect "ok 10 ok 4 ok 0123\\x00\\x00\\x00\\x00" vt open s rdwr,creat 0644 : pwrite 0 0 0123456789 : \
	ftruncate 0 4 : fstat 0 size : ftruncate 0 8 : pread 0 0 100
