#!/bin/bash
# SPDX-License-Identifier: MIT
# Small files are packed: 100 bytes each take less than 600 bytes of device.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume 512M

sync -f "$M"
read -r frsize _ bfree _ < <(vt statfs "$M")
mkdir "$M/d"
expect ok vt makefiles "$M/d" 0 40000 100
ok sync -f "$M"
ok remount_volume
read -r _ _ after _ < <(vt statfs "$M")
used=$(((bfree - after) * frsize / 40000))
check "$used bytes for each file" "$used" -lt 600
expect "100 ok ok" vt stat "$M/d/f039999" size : open "$M/d/f023456" rdonly : isfill 0 0 100 23456
