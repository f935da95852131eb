#!/bin/bash
# SPDX-License-Identifier: MIT
# copy_file_range copies inside a volume, of any alignment, between files and
# inside one; original and copy are independent afterwards.
. "$(dirname "$0")/lib.sh"
use_dir

vt open a rdwr,creat 0644 : fill 0 0 4M 1 >/dev/null
expect "ok ok 4194304 ok 4194304" vt open a rdonly : open b rdwr,creat 0644 : copy 0 0 1 0 4M : \
	isfill 1 0 4M 1 : fstat 1 size
expect "ok ok ok ok" vt open b rdwr : fill 0 1M 1M 2 : open a rdonly : isfill 1 0 4M 1
expect "ok ok ok" vt open b rdonly : isfill 0 0 1M 1 : isfill 0 1M 1M 2
expect "ok ok" vt open a rdwr : fill 0 2M 1M 3
expect "ok ok" vt open b rdonly : isfill 0 2M 2M 1
# Unaligned, and to where it reads back by its bytes.
expect "ok ok 100001 100345" vt open a rdonly : open c rdwr,creat 0644 : copy 0 12345 1 344 100001 : \
	fstat 1 size
ok cmp -i 12345:344 -n 100001 a c
expect "ok ok" vt open c rdonly : iszero 0 0 344
# Inside one file; overlapping is refused.
expect "ok 100000 EINVAL EINVAL" vt open c rdwr : copy 0 344 0 200000 100000 : copy 0 0 0 10 100 : \
	copy 0 10 0 0 100
ok cmp -i 12345:200000 -n 100000 a c
# Past the end of the source: what there is.
expect "ok ok 1000 0 ok 10" vt open a rdonly : open d rdwr,creat 0644 : copy 0 4193304 1 0 5000 : \
	copy 0 4M 1 0 5000 : ftruncate 1 10 : fstat 1 size
expect "ok ok EBADF" vt open a rdonly : open d rdonly : copy 0 0 1 0 10
expect "ok ok EBADF" vt open a rdonly : open d rdwr,append : copy 0 0 1 0 10
# Holes stay holes in what is read.
expect "ok ok ok 2097152 ok" vt open h rdwr,creat 0644 : ftruncate 0 2M : open i rdwr,creat 0644 : \
	copy 0 0 1 0 2M : iszero 1 0 2M
