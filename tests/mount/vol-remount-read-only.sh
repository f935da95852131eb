#!/bin/bash
# SPDX-License-Identifier: MIT
# remount,ro refuses changes with EROFS and keeps reading; remount,rw takes
# changes again.
. "$(dirname "$0")/lib.sh"
use_volume

cd "$M" || exit 1
echo before >f
mkdir d
cd / || exit 1
# Not installed, mount(8) has no helper for our type, and needs none.
internal=
is_fs ext4 || [ -x /sbin/mount.fuse.varve ] || internal=-i
ok mount $internal -o remount,ro "$M"
expect "before" cat "$M/f"
expect "EROFS EROFS EROFS EROFS EROFS" vt tryopen "$M/f" wronly : mknod "$M/n" f 0644 : unlink "$M/f" : \
	mkdir "$M/x" 0755 : rmdir "$M/d"
expect "EROFS EROFS EROFS EROFS EROFS" vt chmod "$M/f" 0600 : rename "$M/f" "$M/g" : \
	setxattr "$M/f" user.a b : utimens "$M/f" 1 1 : link "$M/f" "$M/g"
ok mount $internal -o remount,rw "$M"
echo after >"$M/g" || failed "write after remount,rw"
ok remount_volume
expect "before after" bash -c "cat '$M/f' '$M/g' | paste -sd' '"
