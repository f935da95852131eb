#!/bin/bash
# SPDX-License-Identifier: MIT
# st_blocks counts what a file occupies: none for a hole, about its size for
# data; and st_size is exact.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 : truncate f 100M >/dev/null
expect "104857600" vt stat f size
check "a hole occupies nothing" "$(vt stat f blocks)" -le 8
vt open f rdwr : fill 0 0 1M 1 : fsync 0 >/dev/null
b=$(vt stat f blocks)
check "1 MiB is about 2048 blocks, not $b" "$b" -ge 2040 -a "$b" -le 2200
