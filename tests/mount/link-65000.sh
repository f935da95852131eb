#!/bin/bash
# SPDX-License-Identifier: MIT
# A file has at least 65 000 names.
. "$(dirname "$0")/lib.sh"
use_dir

echo x >f
mkdir d
expect "ok 65000" vt makelinks f d 64999 : stat f nlink
expect "65001" vt countdir d
if is_fs ext4; then
	expect "EMLINK" vt link f one-more
fi
expect "ok 2" vt unlink f : stat d/l064998 size
expect "64999" vt stat d/l000000 nlink
expect "64999" vt rmloop d
