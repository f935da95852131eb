#!/bin/bash
# SPDX-License-Identifier: MIT
# O_APPEND writes at the end whatever the offset, also after truncation, and
# several writers neither lose nor tear a record.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok 3 ok 0 3 6" vt open f rdwr,creat,append 0644 : write 0 abc : open f rdwr : lseek 0 0 set : \
	write 0 def : fstat 0 size
expect "abcdef" cat f
expect "ok ok 2 2" vt open f wronly,append : ftruncate 0 0 : write 0 gh : fstat 0 size
expect "gh" cat f
expect ok vt appenders log 4 2000
