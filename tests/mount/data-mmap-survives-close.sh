#!/bin/bash
# SPDX-License-Identifier: MIT
# Stores of a mapping that was never synced are in the file after unmapping.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok ok ok ok ok ok" vt open f rdwr,creat 0644 : ftruncate 0 300000 : map 0 300000 rw shared : \
	mfill 0 0 300000 9 : unmap 0 : close 0
expect "ok ok ok" vt open f rdonly : isfill 0 0 300000 9 : fsync 0
