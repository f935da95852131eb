#!/bin/bash
# SPDX-License-Identifier: MIT
# A file that was only extended reads as zeros; SEEK_DATA and SEEK_HOLE find
# where data is.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok" vt open f rdwr,creat 0644 : ftruncate 0 10M : iszero 0 0 10M
expect "ok ok ok ok" vt open f rdwr : fill 0 1M 64K 1 : fill 0 5M 64K 2 : fsync 0
expect "ok 1048576 1114112 5242880 5308416 ENXIO 0 1048576 6291456" vt open f rdonly : \
	lseek 0 0 data : lseek 0 1M hole : lseek 0 1114112 data : lseek 0 5M hole : \
	lseek 0 6M data : lseek 0 0 hole : lseek 0 1M data : lseek 0 6M hole
expect "ok ENXIO ENXIO 1050000 10485760" vt open f rdonly : lseek 0 10M data : lseek 0 10M hole : \
	lseek 0 1050000 data : lseek 0 10M set
check "holes occupy nothing" "$(vt stat f blocks)" -le 320
# A file full of data has its hole at its end; an empty one has neither.
expect "ok ok 0 100000 ENXIO" vt open g rdwr,creat 0644 : fill 0 0 100000 1 : lseek 0 0 data : \
	lseek 0 0 hole : lseek 0 100000 hole
expect "ok ENXIO ENXIO" vt open e rdwr,creat 0644 : lseek 0 0 data : lseek 0 0 hole
cp --sparse=always f c
ok cmp f c
