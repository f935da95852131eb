#!/bin/bash
# SPDX-License-Identifier: MIT
# User attributes are set, replaced, listed and removed, with any bytes, of up
# to 64 KiB, and with the errors of xattr(7).
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 : mkdir d 0755 : symlink f l >/dev/null
expect "none ok value user.a" vt listxattr f : setxattr f user.a value : getxattr f user.a : \
	listxattr f
expect "ENODATA ENODATA ENODATA" vt getxattr f user.b : removexattr f user.b : \
	setxattr f user.b x replace
expect "EEXIST ok other" vt setxattr f user.a x create : setxattr f user.a other replace : \
	getxattr f user.a
expect "ok ok empty" vt setxattr f user.b x create : setxattr f user.b "" : getxattr f user.b
expect "user.a,user.b" vt listxattr f
expect "5 ERANGE 14 ERANGE" vt getxattr f user.a 0 : getxattr f user.a 4 : listxattr f 0 : listxattr f 13
expect "ok ENODATA user.b" vt removexattr f user.a : getxattr f user.a : listxattr f
expect "EOPNOTSUPP EOPNOTSUPP" vt setxattr f noprefix x : getxattr f nosuch.prefix
expect_one_of "EINVAL|EOPNOTSUPP" vt setxattr f user. x
expect "ok x" vt setxattr d user.x x : getxattr d user.x
# User attributes are for files and directories only.
expect "EPERM" vt setxattr l user.x x
vt mknod p p 0644 >/dev/null
expect "EPERM" vt setxattr p user.x x
for n in 1 255 4096 10000 65535 65536; do
	expect "ok $n" vt setxattr f user.long "*$n" : getxattr f user.long 0
	[ $n -le 200 ] || expect "$n,same" vt getxattr f user.long
done
expect "ok 100 ok 65536,same" vt setxattr f user.long '*100' : getxattr f user.long 0 : \
	setxattr f user.long '*64K' : getxattr f user.long
expect "E2BIG" vt setxattr f user.long '*65537'
name=user.$(printf 'n%.0s' {1..250})
expect "ok v" vt setxattr f "$name" v : getxattr f "$name"
expect "ERANGE" vt setxattr f "${name}x" v
expect "ok ok w" vt open f rdwr : fsetxattr 0 user.fd w : getxattr f user.fd
