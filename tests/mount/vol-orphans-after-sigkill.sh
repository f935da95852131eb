#!/bin/bash
# SPDX-License-Identifier: MIT
# A file that was open and unlinked when the daemon was killed is gone after
# the next mount, and its space with it.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume

sync -f "$M"
read -r frsize _ _ before _ < <(vt statfs "$M")
session a
expect ok ask a open "$M/f" rdwr,creat 0644
expect ok ask a fill 0 0 64M 1
expect ok ask a unlink "$M/f"
expect ok ask a fsync 0
pid=$(daemon_pid)
kill -KILL "$pid"
gone "$pid"
finish_session a
umount -l "$M"
ok mount_volume
expect none vt ls "$M"
ok remount_volume
read -r _ _ _ after _ < <(vt statfs "$M")
missing=$(((before - after) * frsize / 1048576))
check "$missing MiB of 64 are still missing" "$missing" -le 16
