#!/bin/bash
# SPDX-License-Identifier: MIT
# utimensat sets both times to the nanosecond, now, or leaves one; far past and
# far future are kept; explicit times are for the owner, now for any writer.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 : symlink f l >/dev/null
expect "ok 1.000000001,2.999999999" vt utimens f 1.1 2.999999999 : stat f atime,mtime
expect "ok 1.000000001,3.000000000" vt utimens f omit 3 : stat f atime,mtime
expect "ok 4.000000000,3.000000000" vt utimens f 4 omit : stat f atime,mtime
expect "ok 0.000000000,0.000000000" vt utimens f 0 0 : stat f atime,mtime
# 2128 and 2255; before 1970.
expect "ok 5000000000.000000007,9000000000.000000008" \
	vt utimens f 5000000000.7 9000000000.8 : stat f atime,mtime
expect "ok -1000000000.000000005,-1.000000000" \
	vt utimens f -1000000000.5 -1 : stat f atime,mtime
expect "ok 7.000000000,8.000000000" vt lutimens l 7 8 : lstat l atime,mtime
expect "ok 9.000000000,9.000000000" vt utimens l 9 9 : stat f atime,mtime

ok vt utimens f now now
mtime=$(vt stat f mtime)
check "now is now" "$(($(date +%s) - ${mtime%.*}))" -le 5

chown 1000:1000 f
chmod 0666 f
expect "ok" vt -u 1000 -g 1000 utimens f 5 5
expect "EPERM" vt -u 1001 -g 1001 utimens f 6 6
expect "ok" vt -u 1001 -g 1001 utimens f now now
expect "EPERM" vt -u 1001 -g 1001 utimens f now omit
chmod 0644 f
expect "EACCES" vt -u 1001 -g 1001 utimens f now now
