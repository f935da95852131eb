#!/bin/bash
# SPDX-License-Identifier: MIT
# A volume of 16 TiB on a sparse image is made, mounted and used as any other.
. "$(dirname "$0")/lib.sh"
requires_fs varve
truncate -s 16T "$T/img" 2>/dev/null || truncate -s $((16 * 1024 ** 4 - 4096)) "$T/img" 2>/dev/null ||
	skip "the host file system has no files of that size"
IMG=$T/img M=$T/mnt
mkdir "$M"

ok mkfs.varve "$IMG"
check "mkfs writes little: $(stat -c %b "$IMG") blocks" "$(stat -c %b "$IMG")" -lt 400000
ok mount_volume
echo content >"$M/f"
read -r frsize blocks _ < <(vt statfs "$M")
check "size" $((blocks * frsize / 1024 ** 4)) -ge 14
ok remount_volume
expect content cat "$M/f"
