#!/bin/bash
# SPDX-License-Identifier: MIT
# SIGTERM unmounts cleanly: the mount goes away, the daemon ends, and what was
# written, synced or not, is there at the next mount.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

cp -r /usr/include/linux "$M/"
pid=$(daemon_pid) || { failed "no daemon found"; exit 1; }
kill -TERM "$pid"
gone "$pid" || failed "the daemon did not end"
! is_mounted "$M" || failed "still mounted"
ok mount_volume
ok diff -r /usr/include/linux "$M/linux"
