#!/bin/bash
# SPDX-License-Identifier: MIT
# FITRIM gives unused space of an image back to its host, for root only, and
# harms nothing.
. "$(dirname "$0")/lib.sh"
use_volume 512M

vt open "$M/f" rdwr,creat 0644 : fill 0 0 100M 1 : fsync 0 >/dev/null
cp -r /usr/include/linux "$M/"
rm "$M/f"
sync -f "$M"
got=$(vt fitrim "$M")
[[ $got =~ ^[0-9]+$ ]] || failed "FITRIM: $got"
expect EPERM vt -u 1000 -g 1000 fitrim "$M"
ok remount_volume
ok diff -r /usr/include/linux "$M/linux"
