#!/bin/bash
# SPDX-License-Identifier: MIT
# ZERO_RANGE gives zeros and reserved space, and extends unless told to keep
# the size.
. "$(dirname "$0")/lib.sh"
use_dir

vt open f rdwr,creat 0644 : fill 0 0 100000 1 >/dev/null
expect "ok ok ok ok ok 100000" vt open f rdwr : fallocate 0 zero 1000 50001 : isfill 0 0 1000 1 : \
	iszero 0 1000 50001 : isfill 0 51001 48999 1 : fstat 0 size
expect "ok ok 100000 ok 200000 ok" vt open f rdwr : fallocate 0 zero,keep 90000 110000 : \
	fstat 0 size : fallocate 0 zero 90000 110000 : fstat 0 size : iszero 0 90000 110000
expect "ok ok" vt open f rdwr : isfill 0 51001 38999 1
