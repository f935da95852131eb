#!/bin/bash
# SPDX-License-Identifier: MIT
# chown is root's; an owner may give a file to a group that he is in; -1 leaves
# either as it is; lchown changes the link itself.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 : symlink f l >/dev/null
expect "ok 10,20" vt chown f 10 20 : stat f uid,gid
expect "ok 11,20" vt chown f 11 -1 : stat f uid,gid
expect "ok 11,21" vt chown f -1 21 : stat f uid,gid
expect "ok 30,31 11,21" vt lchown l 30 31 : lstat l uid,gid : stat f uid,gid
expect "ok 32,33" vt chown l 32 33 : stat f uid,gid
expect "ok 4294967294,4294967294" vt chown f 4294967294 4294967294 : stat f uid,gid

chown 1000:1000 f
expect "ok 1000,1001" vt -u 1000 -g 1000 -G 1001 chown f -1 1001 : stat f uid,gid
expect "EPERM" vt -u 1000 -g 1000 -G 1001 chown f -1 1002
expect "EPERM" vt -u 1000 -g 1000 -G 1001 chown f 1001 -1
expect "EPERM 1000,1001" vt -u 2000 -g 1001 chown f -1 2000 : stat f uid,gid
expect ENOENT vt chown missing 0 0
