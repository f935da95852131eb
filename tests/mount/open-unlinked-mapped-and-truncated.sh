#!/bin/bash
# SPDX-License-Identifier: MIT
# An unlinked file can still be truncated, extended, mapped and synced.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok ok ok ok ok ok ok" vt open f rdwr,creat 0644 : fill 0 0 100000 1 : unlink f : \
	ftruncate 0 50000 : isfill 0 0 50000 1 : ftruncate 0 60000 : iszero 0 50000 10000 : \
	fsync 0 : map 0 60000 rw shared
expect "none" vt ls .
