#!/bin/bash
# SPDX-License-Identifier: MIT
# mkfs.varve makes images of the size asked for, with a label, refuses what
# holds something or is too small, and with -n changes nothing.
. "$(dirname "$0")/lib.sh"
requires_fs varve

ok mkfs.varve -s 256M -L label "$T/new"
expect 268435456 stat -c %s "$T/new"
if mkfs.varve "$T/new" >/dev/null 2>"$T/err"; then
	failed "mkfs over a varve volume without -f"
fi
[ -s "$T/err" ] || failed "no reason given"
ok mkfs.varve -f "$T/new"
truncate -s 256M "$T/ext4"
mkfs.ext4 -q "$T/ext4"
sum=$(md5sum <"$T/ext4")
fails mkfs.varve "$T/ext4"
expect "$sum" bash -c "md5sum <'$T/ext4'"
ok mkfs.varve -n -f "$T/ext4"
expect "$sum" bash -c "md5sum <'$T/ext4'"
ok mkfs.varve -f "$T/ext4"
truncate -s 64K "$T/small"
if mkfs.varve "$T/small" >/dev/null 2>"$T/err"; then
	failed "mkfs of 64 KiB"
fi
[ -s "$T/err" ] || failed "no reason given"
fails mkfs.varve "$T/missing"
fails mkfs.varve -Q "$T/new"
mkdir "$T/mnt"
ok mount.varve "$T/ext4" "$T/mnt" -o "$opts"
expect none vt ls "$T/mnt"
expect "dir,0755" vt stat "$T/mnt" type,mode
ok umount "$T/mnt"
