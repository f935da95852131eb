#!/bin/bash
# SPDX-License-Identifier: MIT
# A hard link is another name of the same file, whatever its type but a
# directory; the file goes with its last name.
. "$(dirname "$0")/lib.sh"
use_dir

echo hello >f
mkdir d
expect "ok 2" vt link f d/g : stat f nlink
expect "$(vt stat f ino),2" vt stat d/g ino,nlink
expect "EEXIST" vt link f d/g
expect "EPERM" vt link d e
expect "ENOENT" vt link missing x
expect "ENOENT" vt link f nodir/x
expect "ENOTDIR" vt link f f/x
expect "ok ok hello\\x0a" vt unlink f : open d/g rdonly : pread 0 0 9
expect "1" vt stat d/g nlink
for t in p s c b; do
	expect "ok ok 2" vt mknod n$t $t 0644 1 3 : link n$t m$t : stat n$t nlink
done
# A link to a symbolic link is to the link itself.
ln -s missing l
expect "ok symlink,2" vt link l l2 : lstat l2 type,nlink
chmod 0755 .
chown 1000 d/g
expect "EACCES" vt -u 1000 -g 1000 link d/g h
