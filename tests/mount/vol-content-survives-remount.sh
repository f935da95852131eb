#!/bin/bash
# SPDX-License-Identifier: MIT
# After umount and mount everything is as it was: content, names, types,
# times, owners, modes, links, inode numbers, attributes and ACLs.
. "$(dirname "$0")/lib.sh"
requires setfacl
use_volume 1G

cd "$M" || exit 1
cp -a /usr/include/linux .
mkdir -p d/e/f
chmod 02770 d
chown 1:2 d
vt mknod p p 0600 : mknod s s 0640 : mknod c c 0666 1 3 : mknod b b 0600 7 0 : symlink "x y" l \
	>/dev/null
vt open sparse rdwr,creat 0644 : fill 0 1M 100000 1 : fill 0 7M 100 2 : ftruncate 0 9M >/dev/null
vt open big rdwr,creat 0644 : fill 0 0 20M 3 >/dev/null
vt open big rdonly : open clone rdwr,creat 0644 : copy 0 0 1 0 20M : fill 1 5M 1M 4 >/dev/null
vt open reserved rdwr,creat 0644 : fallocate 0 alloc 0 1M : fill 0 1000 100 5 >/dev/null
vt mknod $'odd\n\xff name' f 0600 : mkdir many 0755 : makefiles many 0 3000 >/dev/null
vt makelinks linux/fs.h d/e 100 >/dev/null
vt open many/f000001 wronly : pwrite 0 0 small >/dev/null
vt setxattr big user.a "*64K" : setxattr d trusted.b "" : setxattr p security.varvetest x >/dev/null
setfacl -m u:2000:rwx,g:3000:r big
setfacl -d -m u:2000:rwx d
vt utimens big 1.5 2.000000007 : lutimens l 3 4.4 : utimens d/e 5000000000 -5 >/dev/null
touch deleted && rm deleted
vt tree "$M" >"$T/before"
remount_volume || failed "remount"
vt tree "$M" >"$T/after"
check "lines" "$(wc -l <"$T/before")" -gt 3000
ok diff "$T/before" "$T/after"
# And once more, after nothing but looking.
remount_volume || failed "remount"
vt tree "$M" >"$T/again"
ok diff "$T/before" "$T/again"
expect "ok ok ok 1048576" vt open "$M/sparse" rdonly : iszero 0 0 1M : isfill 0 1M 100000 1 : \
	lseek 0 0 data
