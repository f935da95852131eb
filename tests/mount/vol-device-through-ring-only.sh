#!/bin/bash
# SPDX-License-Identifier: MIT
# Under load the device is touched through io_uring only: no read, write or
# sync call of the daemon goes to it.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires strace
use_volume

pid=$(daemon_pid)
strace -f -y -qq -o "$T/trace" -p "$pid" 2>"$T/err" &
tracer=$!
until grep -q TracerPid:.*[1-9] "/proc/$pid/status" || ! kill -0 $tracer 2>/dev/null; do :; done
kill -0 $tracer 2>/dev/null || skip "strace cannot attach"
cp -r /usr/include/linux "$M/"
vt open "$M/f" rdwr,creat,direct 0644 : fill 0 0 8M 1 : fsync 0 : isfill 0 0 8M 1 >/dev/null
sync -f "$M"
kill $tracer
wait $tracer 2>/dev/null
grep -qE 'io_uring_enter' "$T/trace" || failed "no io_uring_enter seen"
expect "" grep -E '(read|write|readv|writev|pread64|pwrite64|preadv2?|pwritev2?|fsync|fdatasync|sync_file_range)\([0-9]+<'"$IMG" "$T/trace"
