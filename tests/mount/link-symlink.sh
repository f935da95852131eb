#!/bin/bash
# SPDX-License-Identifier: MIT
# A symbolic link holds any target of up to 4095 bytes, is followed where it
# should be, and its loops end with ELOOP.
. "$(dirname "$0")/lib.sh"
use_dir

expect "ok x/y/z symlink,5,0777" vt symlink x/y/z l : readlink l : lstat l type,size,mode
expect "EEXIST" vt symlink a l
long=$(printf 'a%.0s' {1..4095})
expect "ok 4095" vt symlink "$long" long : lstat long size
expect "$long" vt readlink long
expect "ENAMETOOLONG" vt symlink "${long}b" longer
expect "ENOENT" vt symlink "" empty
expect "EINVAL" vt readlink .
echo hello >f
expect "EINVAL" vt readlink f
ln -s f lf
expect "file" vt stat lf
expect "hello" cat lf
ln -s loop2 loop1
ln -s loop1 loop2
ln -s self self
expect "ELOOP ELOOP" vt stat loop1 : tryopen self rdonly
expect "ELOOP" vt mkdir self/x 0755
for i in $(seq 0 39); do
	ln -s "c$((i + 1))" "c$i"
done
echo end >c40
expect "file ok" vt stat c0 : unlink c0
ln -s c1 c0
ln -s c0 cc
expect "ELOOP" vt stat cc
expect "ENOENT" vt stat l
expect "ok ENOENT symlink" vt unlink lf : lstat lf : lstat l
mkdir d
ln -s d ld
expect "ok dir" vt mkdir ld/s 0755 : stat d/s
expect "ENOTDIR" vt rmdir ld
