#!/bin/bash
# SPDX-License-Identifier: MIT
# User attributes follow the file's permissions; trusted ones are root's, and
# hidden from others; security ones are readable.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0640 : setxattr f user.a b : setxattr f trusted.t x >/dev/null
chown 1000:1000 f
expect "ok b user.a" vt -u 1000 -g 1000 setxattr f user.a b : getxattr f user.a : listxattr f
expect "EACCES EACCES EACCES" vt -u 1001 -g 1001 getxattr f user.a : setxattr f user.a c : \
	removexattr f user.a
chmod 0644 f
expect "b EACCES" vt -u 1001 -g 1001 getxattr f user.a : setxattr f user.a c
expect "EPERM ENODATA" vt -u 1000 -g 1000 setxattr f trusted.t y : getxattr f trusted.t
expect "x trusted.t,user.a" vt getxattr f trusted.t : listxattr f
expect "ok y ok" vt setxattr f trusted.t y : getxattr f trusted.t : removexattr f trusted.t
expect "ok z" vt setxattr f security.varvetest z : getxattr f security.varvetest
expect "EPERM" vt -u 1000 -g 1000 setxattr f security.varvetest y
# trusted and security are for every type.
ln -s x l
mkfifo p
expect "ok x ok y" vt setxattr l trusted.a x : getxattr l trusted.a : setxattr p trusted.a y : \
	getxattr p trusted.a
