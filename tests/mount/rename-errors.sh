#!/bin/bash
# SPDX-License-Identifier: MIT
# rename refuses to put a directory below itself, across nothing, and without
# permission on both directories.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir -p a/b/c d
echo x >f
expect "EINVAL EINVAL EINVAL" vt rename a a/b : rename a a/x : rename a a/b/c/d
expect_one_of "ENOTEMPTY|EEXIST" vt rename a/b a
expect "ENOTDIR ENOENT ENOTDIR" vt rename f/x y : rename f no/y : rename a f
expect "EBUSY EBUSY" vt rename . x : rename a/.. x
expect "ok ok" vt rename f f : rename a a
expect_one_of "EXDEV" vt rename f /dev/shm/varve-test-xdev
chmod 0755 a d
chmod 0777 .
expect "EACCES EACCES" vt -u 1000 -g 1000 rename a/b x : rename f d/f
# A directory that changes its parent must be writable: its .. changes.
mkdir own
chown 1000 own
mkdir own/sub
chmod 0755 own/sub
chmod 0777 d
expect "EACCES" vt -u 1000 -g 1000 rename own/sub d/sub
chown 1000 own/sub
expect "ok" vt -u 1000 -g 1000 rename own/sub d/sub
