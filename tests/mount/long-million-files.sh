#!/bin/bash
# SPDX-License-Identifier: MIT
# A directory of a million files of 100 bytes is made, listed and removed, and
# needs less than 600 MB of device.
. "$(dirname "$0")/lib.sh"
use_volume 2G

sync -f "$M"
read -r frsize _ bfree _ < <(vt statfs "$M")
mkdir "$M/d"
expect ok vt makefiles "$M/d" 0 1000000 100
ok remount_volume
if is_fs varve; then
	read -r _ _ after _ < <(vt statfs "$M")
	check "MB used" $(((bfree - after) * frsize / 1000000)) -lt 600
fi
expect 1000002 vt countdir "$M/d"
expect "ok ok" vt open "$M/d/f765432" rdonly : isfill 0 0 100 765432
expect 1000000 vt rmloop "$M/d"
