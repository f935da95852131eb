#!/bin/bash
# SPDX-License-Identifier: MIT
# O_DIRECT reads and writes see buffered data and the other way round.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok ok ok ok ok" vt open f rdwr,creat 0644 : open f rdwr,direct : \
	fill 0 0 256K 1 : isfill 1 0 256K 1 : fill 1 64K 64K 2 : isfill 0 64K 64K 2 : \
	isfill 0 128K 128K 1
# A small buffered write inside of a block that is read directly.
expect "ok ok ok ok" vt open f rdwr : open f rdonly,direct : fill 0 9000 100 3 : fill 0 8192 100 3
vt open f rdonly,direct : pread 0 8192 4096 >a
vt open f rdonly : pread 0 8192 4096 >b
ok cmp a b
# A direct write that extends, and a direct read past the end.
expect "ok ok 8192 ok empty" vt open g rdwr,creat,direct 0644 : fill 0 4096 4096 1 : \
	fstat 0 size : iszero 0 0 4096 : pread 0 8192 4096
expect "ok ok ok ok ok" vt open h rdwr,creat,direct 0644 : fill 0 0 8M 5 : open h rdonly : \
	isfill 1 0 8M 5 : isfill 0 0 8M 5
