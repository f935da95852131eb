#!/bin/bash
# SPDX-License-Identifier: MIT
# RENAME_WHITEOUT leaves a character device 0:0 in the old place.
. "$(dirname "$0")/lib.sh"
use_dir

echo a >a
echo b >b
expect "ok char,0:0 file" vt rename a c whiteout : lstat a type,rdev : stat c
expect "ok char,0:0" vt rename b c whiteout : lstat b type,rdev
expect "b" cat c
expect "EEXIST EINVAL" vt rename c a noreplace,whiteout : rename c a exchange,whiteout
expect "ok file char" vt rename c d noreplace,whiteout : stat d : lstat c
