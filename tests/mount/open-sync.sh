#!/bin/bash
# SPDX-License-Identifier: MIT
# O_SYNC and O_DSYNC writes, fsync, fdatasync and syncfs work on every object
# that can be opened.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
expect "ok 2 ok" vt open f rdwr,creat,sync 0644 : pwrite 0 0 ab : fsync 0
expect "ok 2 ok" vt open f rdwr,dsync : pwrite 0 2 cd : fdatasync 0
expect "ok ok ok ok" vt open d rdonly : fsync 0 : fdatasync 0 : syncfs 0
expect "ok ok ok" vt open f rdonly : fsync 0 : fdatasync 0
expect "ok ok ok" vt open f rdwr,direct,dsync : fill 0 0 64K 1 : isfill 0 0 64K 1
