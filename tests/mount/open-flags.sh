#!/bin/bash
# SPDX-License-Identifier: MIT
# O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY and O_NOFOLLOW do what open(2) says.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
ln -s f l
ln -s missing dangling
expect "ENOENT" vt tryopen f rdonly
expect "ok file" vt tryopen f wronly,creat,excl 0600 : stat f type
expect "EEXIST" vt tryopen f wronly,creat,excl 0600
expect "EEXIST" vt tryopen l wronly,creat,excl 0600
expect "EEXIST" vt tryopen dangling wronly,creat,excl 0600
expect "ok 0600" vt tryopen f wronly,creat 0666 : stat f mode
expect "ok 5 5" vt open f wronly : pwrite 0 0 hello : stat f size
expect "ok 0" vt tryopen f wronly,trunc : stat f size
expect "EISDIR" vt tryopen d wronly
expect "EISDIR" vt tryopen d rdwr,creat 0644
expect "ENOTDIR" vt tryopen f rdonly,directory
expect "ok" vt tryopen d rdonly,directory
expect "ELOOP" vt tryopen l rdonly,nofollow
expect "ok" vt tryopen l rdonly,path,nofollow
expect "ok file" vt tryopen dangling wronly,creat 0644 : stat missing type
expect "ENOTDIR" vt tryopen f/x rdonly
expect "ENOTDIR" vt tryopen f/x wronly,creat 0644
expect "ENOENT" vt tryopen nodir/x wronly,creat 0644
expect "EISDIR" vt tryopen new/ wronly,creat 0644
expect "0000" vt_last tryopen g wronly,creat 0 : stat g mode
# The descriptor works although the mode gives nobody anything.
chmod 0777 .
expect "ok 3 3" vt -u 1000 -g 1000 open h rdwr,creat,excl 0 : pwrite 0 0 abc : fstat 0 size
expect "EACCES" vt -u 1000 -g 1000 tryopen h rdonly
