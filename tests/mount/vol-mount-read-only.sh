#!/bin/bash
# SPDX-License-Identifier: MIT
# A volume mounted with -o ro is readable, refuses changes with EROFS, and its
# image does not change by a byte.
. "$(dirname "$0")/lib.sh"
use_volume

cp -r /usr/include/linux "$M/"
umount_volume
released
sum=$(md5sum <"$IMG")
ok mount_volume ro
ok diff -r /usr/include/linux "$M/linux"
expect "EROFS EROFS" vt tryopen "$M/linux/fs.h" wronly : mkdir "$M/x" 0755
umount_volume
released
is_fs ext4 || expect "$sum" bash -c "md5sum <'$IMG'"
