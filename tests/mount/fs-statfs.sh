#!/bin/bash
# SPDX-License-Identifier: MIT
# statfs: blocks and inodes are there, used ones do not exceed them, and space
# goes and comes with files.
. "$(dirname "$0")/lib.sh"
use_dir

read -r frsize blocks bfree bavail files ffree namemax < <(vt statfs .)
equal 255 "$namemax" "longest name"
check "frsize" "$frsize" -ge 512
check "blocks $blocks >= free $bfree" "$blocks" -ge "$bfree"
check "free $bfree >= available $bavail" "$bfree" -ge "$bavail"
check "files $files >= free $ffree" "$files" -ge "$ffree"
check "free inodes" "$ffree" -gt 0
vt open f rdwr,creat 0644 : fill 0 0 32M 1 : fsync 0 >/dev/null
read -r _ _ _ after _ < <(vt statfs .)
used=$(((bavail - after) * frsize / 1048576))
check "32 MiB written took $used MiB" "$used" -ge 30 -a "$used" -le 40
ok df -i .
