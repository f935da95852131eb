#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGTERM with files open detaches the mount and serves them to their last
# close; what was written to them is there at the next mount.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

session a
expect ok ask a open "$M/f" rdwr,creat 0644
expect 3 ask a pwrite 0 0 one
pid=$(daemon_pid) || { failed "no daemon found"; exit 1; }
kill -TERM "$pid"
until ! is_mounted "$M" || [ $((n = ${n:-0} + 1)) -gt 2000 ]; do :; done
! is_mounted "$M" || failed "still mounted"
expect 3 ask a pwrite 0 3 two
expect onetwo ask a pread 0 0 100
expect ok ask a close 0
gone "$pid" || failed "the daemon did not end"
finish_session a
ok mount_volume
expect onetwo cat "$M/f"
