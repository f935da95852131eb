#!/bin/bash
# SPDX-License-Identifier: MIT
# An immutable file cannot be changed in any way, an immutable directory not
# gain or lose entries; only root sets it.
. "$(dirname "$0")/lib.sh"
use_dir

echo x >f
chown 1000 f
expect "ok EPERM EPERM" vt -u 1000 -g 1000 open f rdonly : setflags 0 immutable : setflags 0 append
expect "ok ok immutable" vt open f rdonly : setflags 0 immutable : getflags 0
expect "EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM EPERM" vt tryopen f wronly : truncate f 0 : unlink f : \
	rename f g : link f g : chmod f 0600 : chown f 1 1 : utimens f 1 1 : setxattr f user.a b
expect "EPERM" vt tryopen f wronly,append
expect "x" cat f
expect "ok ok" vt open f rdonly : setflags 0 none
expect "ok" vt unlink f
mkdir d
echo x >d/a
expect "ok ok" vt open d rdonly : setflags 0 immutable
expect "EPERM EPERM EPERM EPERM EPERM EPERM" vt mknod d/b f 0644 : unlink d/a : rename d/a d/b : mkdir d/s 0755 : \
	symlink x d/l : chmod d 0700
echo y >d/a || failed "a file in an immutable directory can be written"
expect "ok ok" vt open d rdonly : setflags 0 none
# A descriptor opened before keeps its right to write only on ext4's terms;
# a new one is refused.
expect "ok ok ok EPERM ok" vt open d/a rdwr : open d/a rdonly : setflags 1 immutable : \
	tryopen d/a wronly : setflags 1 none
