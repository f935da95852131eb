#!/bin/bash
# SPDX-License-Identifier: MIT
# Record locks of processes exclude each other by range and kind, are merged
# and split, and go with any close of the file.
. "$(dirname "$0")/lib.sh"
use_dir

session a
session b
for s in a b; do
	expect ok ask $s open "$D/f" rdwr,creat 0644
done
expect ok ask a lock 0 w 0 100
expect EAGAIN ask b lock 0 w 50 100
expect EAGAIN ask b lock 0 r 99 1
expect ok ask b lock 0 w 100 100
expect "w,0,100" ask b getlock 0 w 0 10
expect "w,100,100" ask a getlock 0 r 0 0
expect ok ask a lock 0 u 40 20
expect "w,0,40" ask b getlock 0 w 0 100
expect "w,60,40" ask b getlock 0 w 40 100
expect free ask b getlock 0 w 40 20
expect ok ask a lock 0 r 0 40
expect ok ask b lock 0 r 10 10
expect EAGAIN ask a lock 0 w 0 40
expect "r,10,10" ask a getlock 0 w 0 40
# To the end of the file, however it grows.
expect ok ask a lock 0 w 1000 0
expect EAGAIN ask b lock 0 w 9223372036854775000 1
# Closing another descriptor of the file releases all, as POSIX says.
expect ok ask a open "$D/f" rdonly
expect ok ask a close 1
expect free ask b getlock 0 w 0 5
expect free ask b getlock 0 w 1000 0
# A writer needs a descriptor open for writing.
expect ok ask a open "$D/f" rdonly
expect EBADF ask a lock 2 w 0 1
expect ok ask a lock 2 r 300 1
finish_session a
expect free ask b getlock 0 w 300 1
finish_session b
