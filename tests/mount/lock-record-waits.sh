#!/bin/bash
# SPDX-License-Identifier: MIT
# A waiting lock is given when the holder lets go or dies; two that wait for
# each other are told so.
. "$(dirname "$0")/lib.sh"
use_dir

session a
session b
for s in a b; do
	expect ok ask $s open "$D/f" rdwr,creat 0644
done
expect ok ask a lock 0 w 0 10
send b lockw 0 w 0 10
expect "w,0,10" vt_last open f rdwr : getlock 0 w 0 10
expect ok ask a lock 0 u 0 10
expect ok answer b
# The holder is killed.
send a lockw 0 w 0 10
kill -9 "$pid_b"
expect ok answer a
finish_session b
session c
expect ok ask c open "$D/f" rdwr
expect ok ask c lock 0 w 20 10
send c lockw 0 w 0 10
# When c waits for a, a must not wait for c.  Until c has got so far, a's
# attempt would wait; a lock that does not is tried first.
until grep -q -- '-> POSIX' /proc/locks || [ $((n = ${n:-0} + 1)) -gt 200 ]; do :; done
if grep -q -- '-> POSIX' /proc/locks; then
	expect EDEADLK ask a lockw 0 w 20 10
fi
expect ok ask a lock 0 u 0 10
expect ok answer c
finish_session a
finish_session c
