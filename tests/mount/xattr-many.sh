#!/bin/bash
# SPDX-License-Identifier: MIT
# A file carries hundreds of attributes.
. "$(dirname "$0")/lib.sh"
requires getfattr
use_dir

n=300
is_fs varve || n=100
vt mknod f f 0644 >/dev/null
for i in $(seq 1 $n); do
	[ "$(vt setxattr f user.number$i value$i)" = ok ] || failed "attribute $i"
done
expect $n bash -c "getfattr f | grep -c user.number"
expect "value1 value50 value$n" vt getxattr f user.number1 : getxattr f user.number50 : \
	getxattr f user.number$n
for i in $(seq 1 2 $n); do
	vt removexattr f user.number$i >/dev/null
done
expect $((n / 2)) bash -c "getfattr f | grep -c user.number"
