#!/bin/bash
# SPDX-License-Identifier: MIT
# O_TMPFILE makes a file without a name; linkat gives it one, unless O_EXCL.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok 5 0,5 none ok 1 hello" vt open . rdwr,tmpfile 0640 : write 0 hello : fstat 0 nlink,size : \
	ls . : linkfd 0 f : fstat 0 nlink : pread 0 0 9
expect "0640,1" vt stat f mode,nlink
expect "EEXIST" vt_last open . rdwr,tmpfile 0644 : linkfd 0 f
expect "ENOENT" vt_last open . rdwr,tmpfile,excl 0644 : linkfd 0 g
expect "EINVAL" vt tryopen . rdonly,tmpfile 0644
expect "ENOTDIR" vt tryopen f rdwr,tmpfile 0644
expect "f" vt ls .
# It takes owner and group as any new file does, and permission is checked.
mkdir d
chown 0:3000 d
chmod 02777 d
expect "ok 1000,3000" vt -u 1000 -g 1000 open d rdwr,tmpfile 0600 : fstat 0 uid,gid
chmod 0755 d
expect "EACCES" vt -u 1000 -g 1000 tryopen d rdwr,tmpfile 0600
