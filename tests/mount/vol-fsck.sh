#!/bin/bash
# SPDX-License-Identifier: MIT
# fsck.varve finds a clean volume clean, refuses a mounted one, and changes
# nothing.
. "$(dirname "$0")/lib.sh"
requires_fs varve
requires fsck.varve
use_volume

cp -r /usr/include/linux "$M/"
fails fsck.varve "$IMG"
umount_volume
released
sum=$(md5sum <"$IMG")
ok fsck.varve "$IMG"
expect "$sum" bash -c "md5sum <'$IMG'"
