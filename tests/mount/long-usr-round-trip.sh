#!/bin/bash
# SPDX-License-Identifier: MIT
# /usr/include and /usr/share come back from tar and rsync with nothing
# different, also after a remount.
. "$(dirname "$0")/lib.sh"
requires rsync tar
use_volume 8G

mkdir "$M/tar" "$M/rsync"
ok rsync -aHAX /usr/include /usr/share "$M/rsync/"
tar -C /usr -cf - include share | tar -C "$M/tar" -xpf - || failed "tar"
remount_volume || failed "remount"
expect "" rsync -aHAXni --checksum --delete /usr/include /usr/share "$M/rsync/"
expect "" rsync -aHAXni --checksum --delete /usr/include /usr/share "$M/tar/"
