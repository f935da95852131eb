#!/bin/bash
# SPDX-License-Identifier: MIT
# A file without names lives until the last descriptor is closed.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok 5 ok ENOENT hello 0,5 ok 6 hello!" vt open f rdwr,creat 0644 : pwrite 0 0 hello : unlink f : \
	tryopen f rdonly : pread 0 0 5 : fstat 0 nlink,size : fchmod 0 0600 : \
	pwrite 0 0 hello! : pread 0 0 9
expect "none" vt ls .
# Replaced by rename: the same.
echo old >a
echo new >b
expect "ok ok old\\x0a 0 ok new\\x0a" vt open a rdonly : rename b a : pread 0 0 9 : fstat 0 nlink : \
	open a rdonly : pread 1 0 9
rm -f a b
mkdir d
expect "ok ok ENOENT 0 none" vt open d rdonly : rmdir d : stat d type : fstat 0 nlink : ls .
expect "ok ok ok ENOENT ENOENT" vt mkdir e 0755 : chdir e : rmdir ../e : mknod f f 0644 : \
	stat ../e
