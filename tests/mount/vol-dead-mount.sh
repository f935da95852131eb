#!/bin/bash
# SPDX-License-Identifier: MIT
# When the daemon is dead its mount stays visible and answers ENOTCONN, until
# it is unmounted; then the volume can be mounted again.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

pid=$(daemon_pid)
kill -KILL "$pid"
gone "$pid"
is_mounted "$M" || failed "the mount has vanished"
expect ENOTCONN vt stat "$M"
ok umount "$M"
ok mount_volume
