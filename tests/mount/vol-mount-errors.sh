#!/bin/bash
# SPDX-License-Identifier: MIT
# What cannot be mounted is refused with an exit status, a reason and no mount.
. "$(dirname "$0")/lib.sh"
requires_fs varve
mkdir "$T/mnt"

refused()
{
	local what=$1
	shift
	if "$@" >"$T/out" 2>"$T/err"; then
		failed "$what: accepted"
	fi
	[ -s "$T/err" ] || failed "$what: no reason given"
	! is_mounted "$T/mnt" || { failed "$what: mounted"; umount "$T/mnt"; }
}
refused "no such image" mount.varve "$T/none" "$T/mnt"
truncate -s 256M "$T/zeros"
refused "zeros" mount.varve "$T/zeros" "$T/mnt"
head -c 1M /dev/urandom >"$T/random"
refused "random bytes" mount.varve "$T/random" "$T/mnt"
truncate -s 0 "$T/empty"
refused "an empty file" mount.varve "$T/empty" "$T/mnt"
refused "a directory" mount.varve "$T" "$T/mnt"
refused "a character device" mount.varve /dev/null "$T/mnt"
truncate -s 256M "$T/ext4"
mkfs.ext4 -q "$T/ext4"
refused "another file system" mount.varve "$T/ext4" "$T/mnt"
truncate -s 256M "$T/img"
ok mkfs.varve "$T/img"
refused "no such mount point" mount.varve "$T/img" "$T/nomnt"
refused "a file as mount point" mount.varve "$T/img" "$T/zeros"
refused "no arguments" mount.varve
# A volume of which the end is missing.
truncate -s 100M "$T/img"
refused "a truncated image" mount.varve "$T/img" "$T/mnt"
