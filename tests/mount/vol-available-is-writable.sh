#!/bin/bash
# SPDX-License-Identifier: MIT
# What df says is available can be written in pieces of 1 MiB.
. "$(dirname "$0")/lib.sh"
use_volume 256M

read -r frsize _ _ avail _ < <(vt statfs "$M")
avail=$((avail * frsize))
vt open "$M/f" rdwr,creat 0644 : fill 0 0 1G 1 >/dev/null
size=$(vt stat "$M/f" size)
check "$size of $avail bytes were writable" "$size" -ge $((avail - 8 * 1048576))
