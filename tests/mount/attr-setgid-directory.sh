#!/bin/bash
# SPDX-License-Identifier: MIT
# In a set-group-ID directory new objects take its group, and new directories
# the bit as well.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
chown 0:3000 d
chmod 02777 d
expect "ok 1000,3000 0644" vt -u 1000 -g 1000 mknod d/f f 0644 : stat d/f uid,gid : stat d/f mode
expect "ok 1000,3000,2755" vt -u 1000 -g 1000 mkdir d/s 0755 : stat d/s uid,gid,mode
expect "ok 1000,3000" vt -u 1000 -g 1000 symlink x d/l : lstat d/l uid,gid
expect "ok 1000,3000" vt -u 1000 -g 1000 mknod d/p p 0644 : stat d/p uid,gid
expect "ok 3000" vt -u 1000 -g 1000 tryopen d/o wronly,creat 0644 : stat d/o gid
ok vt chmod d 0777
expect "ok 1000" vt -u 1000 -g 1000 mknod d/f2 f 0644 : stat d/f2 gid
# A file made set-group-ID by one outside of the group does not keep the bit.
chmod 02777 d
expect "ok 0755" vt -u 1000 -g 1000 tryopen d/x wronly,creat 02755 : stat d/x mode
