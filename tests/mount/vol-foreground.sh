#!/bin/bash
# SPDX-License-Identifier: MIT
# mount.varve -f serves in the foreground and ends with the unmount.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume
umount_volume

mount.varve -f "$IMG" "$M" -o "$opts" >"$T/out" 2>&1 &
pid=$!
until is_mounted "$M" || ! kill -0 $pid 2>/dev/null; do :; done
is_mounted "$M" || failed "not mounted: $(cat "$T/out")"
echo content >"$M/f" || failed "write"
ok umount "$M"
wait $pid
equal 0 $? "exit status"
ok mount_volume
expect content cat "$M/f"
