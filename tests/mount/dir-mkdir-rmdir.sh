#!/bin/bash
# SPDX-License-Identifier: MIT
# Directories count their subdirectories' links, give their mode, and are
# removed only when empty.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok dir,0750,2" vt mkdir d 0750 : stat d type,mode,nlink
expect "EEXIST ENOENT" vt mkdir d 0755 : mkdir no/d 0755
expect "ok ok 4 ok 3 ok 2" vt mkdir d/a 0755 : mkdir d/b 0755 : stat d nlink : rmdir d/a : \
	stat d nlink : rmdir d/b : stat d nlink
echo x >d/f
expect "2" vt stat d nlink
expect "ok 3 ok ok" vt mkdir d/s 0755 : stat d nlink : mkdir e 0755 : rename d/s e/s
expect "2 3" vt stat d nlink : stat e nlink
ln -s d l
echo f >file
expect "EEXIST EEXIST EEXIST" vt mkdir l 0755 : mkdir file 0755 : mkdir . 0755
expect "ENOTDIR" vt mkdir file/x 0755
expect "ok" vt mkdir slash/ 0755
chmod 0755 .
expect "EACCES" vt -u 1000 -g 1000 mkdir mine 0755
expect "1777" vt_last mkdir t 01777 : chmod t 01777 : stat t mode
