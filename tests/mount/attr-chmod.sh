#!/bin/bash
# SPDX-License-Identifier: MIT
# chmod sets the twelve permission bits of every kind of object, follows
# symbolic links, changes the status time, and is for the owner and root only.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 : mkdir d 0755 : mknod p p 0600 : bind s >/dev/null
ln -s f l
for mode in 0000 0111 0444 0644 0777 1777 2755 4755 7777; do
	for f in f d p s; do
		expect "ok $mode" vt chmod $f 0$mode : stat $f mode
	done
done
expect "ok 0640 0777" vt chmod l 0640 : stat f mode : lstat l mode
expect ENOENT vt chmod missing 0644
expect ENOTDIR vt chmod f/x 0644

chown 1000:1000 f
expect "ok 0600" vt -u 1000 -g 1000 chmod f 0600 : stat f mode
expect "EPERM 0600" vt -u 1001 -g 1001 chmod f 0666 : stat f mode
expect "ok ok 0755" vt open f rdwr : fchmod 0 0755 : fstat 0 mode

before=$(vt stat f ctime)
until [ "$(vt now)" != "$before" ]; do :; done
ok vt chmod f 0640
check "chmod changes ctime" "$(vt stat f ctime)" != "$before"
mtime=$(vt stat f mtime)
ok vt chmod f 0600
expect "$mtime" vt stat f mtime
