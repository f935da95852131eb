#!/bin/bash
# SPDX-License-Identifier: MIT
# Reading a directory gives every entry once, with the type and inode number
# that lstat gives, and seekdir goes back to any of them.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 : mkdir d 0755 : symlink x l : mknod p p 0644 : mknod s s 0644 : \
	mknod c c 0644 1 3 : makefiles d 0 3000 >/dev/null
expect "c,d,f,l,p,s" vt ls .
expect "8" vt countdir . stat
expect "3002" vt countdir d stat
expect ok vt seekdir .
expect ok vt seekdir d
expect "ok none" vt mkdir e 0755 : ls e
expect "2" vt countdir e
expect "ENOTDIR ENOENT" vt ls f : ls missing
expect 3000 vt rmloop d
expect none vt ls d
