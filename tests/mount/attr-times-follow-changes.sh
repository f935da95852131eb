#!/bin/bash
# SPDX-License-Identifier: MIT
# Every change stamps what POSIX says: data on mtime and ctime, attributes on
# ctime, entries on the directory's mtime and ctime, and nothing else.
. "$(dirname "$0")/lib.sh"
use_dir

# stamp CHANGED UNCHANGED OP...: "CHANGED" is a list of path:field.
tick()
{
	local now
	now=$(vt now)
	until [ "$(vt now)" != "$now" ]; do :; done
}
stamps()
{
	local changed=$1 same=$2 p
	local -A was
	shift 2
	for p in $changed $same; do
		was[$p]=$(vt lstat "${p%:*}" "${p#*:}")
	done
	tick
	"$@" >/dev/null
	for p in $changed; do
		[ "$(vt lstat "${p%:*}" "${p#*:}")" != "${was[$p]}" ] ||
			failed "$*: $p did not change"
	done
	for p in $same; do
		[ "$(vt lstat "${p%:*}" "${p#*:}")" = "${was[$p]}" ] ||
			failed "$*: $p changed"
	done
}

mkdir d
vt mknod f f 0644 >/dev/null
stamps "f:mtime f:ctime" "f:btime" vt open f rdwr : pwrite 0 0 x
stamps "f:mtime f:ctime" "" vt truncate f 0
stamps "f:mtime f:ctime" "" vt truncate f 100
stamps "f:ctime" "f:mtime f:atime" vt chmod f 0600
stamps "f:ctime" "f:mtime f:atime" vt chown f 1 1
stamps "f:ctime" "f:mtime" vt setxattr f user.a b
stamps "f:ctime" "f:mtime" vt removexattr f user.a
stamps "f:ctime" "f:mtime f:btime" vt utimens f 5 omit
stamps "f:ctime d:mtime d:ctime" "f:mtime" vt link f d/l
stamps "f:ctime d:mtime d:ctime" "f:mtime" vt unlink d/l
stamps "d:mtime d:ctime" "d:btime" vt mknod d/n f 0644
stamps "d:mtime d:ctime" "d:btime" vt mkdir d/s 0755
stamps "d:mtime d:ctime" "d:btime" vt rmdir d/s
stamps "d:mtime d:ctime" "" vt symlink x d/y
stamps "d:mtime d:ctime .:mtime" "f:mtime f:ctime" vt rename d/n n
stamps "f:mtime f:ctime" "" vt open f rdwr : fallocate 0 punch 0 10
stamps "f:ctime" "" vt open f rdwr : fallocate 0 alloc 0 10000
stamps "" "f:mtime f:ctime d:mtime d:ctime" vt open f rdonly : read 0 10 : stat d
