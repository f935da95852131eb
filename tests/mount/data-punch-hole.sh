#!/bin/bash
# SPDX-License-Identifier: MIT
# A punched range reads as zeros, of any alignment, and gives its space back;
# the size stays.
. "$(dirname "$0")/lib.sh"
use_dir

vt open f rdwr,creat 0644 : fill 0 0 1M 1 : fsync 0 >/dev/null
before=$(vt stat f blocks)
expect "ok ok ok ok ok 1048576" vt open f rdwr : fallocate 0 punch 100000 500001 : \
	isfill 0 0 100000 1 : iszero 0 100000 500001 : isfill 0 600001 448575 1 : fstat 0 size
expect "ok ok" vt open f rdwr : fsync 0
check "space came back" "$(vt stat f blocks)" -lt $((before - 800))
expect "ok ok ok ok" vt open f rdwr : fallocate 0 punch 10 5 : iszero 0 10 5 : isfill 0 15 1000 1
expect "ok ok 1048576" vt open f rdwr : fallocate 0 punch 1000000 10M : fstat 0 size
expect "ok ok" vt open f rdwr : iszero 0 1000000 48576
expect "ok ok 0" vt open e rdwr,creat 0644 : fallocate 0 punch 0 1M : fstat 0 size
