#!/bin/bash
# SPDX-License-Identifier: MIT
# Options that mount(8) knows are taken; an unknown one is refused by its name.
. "$(dirname "$0")/lib.sh"
requires_fs varve
use_volume
umount_volume

for o in defaults noatime relatime nodiratime nosuid nodev noexec ro auto noauto nofail _netdev \
	user=root x-systemd.automount x-anything strictatime lazytime dirsync; do
	ok mount.varve "$IMG" "$M" -o "$opts,$o"
	ok umount "$M"
done
if mount.varve "$IMG" "$M" -o "$opts,nosuchoption=7" 2>"$T/err"; then
	failed "an unknown option was accepted"
fi
grep -q nosuchoption "$T/err" || failed "the option is not named: $(cat "$T/err")"
! is_mounted "$M" || failed "mounted with an unknown option"
ok mount.varve "$IMG" "$M" -o "$opts,noexec,nosuid,nodev"
cp /bin/true "$M/" 2>/dev/null || cp "$(type -P true)" "$M/true"
fails "$M/true"
for o in noexec nosuid nodev; do
	findmnt -n -o OPTIONS "$M" | grep -qw $o || failed "$o is not in effect"
done
