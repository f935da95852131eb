#!/bin/bash
# SPDX-License-Identifier: MIT
# umount followed at once by mount works, twenty times, and nothing is lost.
. "$(dirname "$0")/lib.sh"
use_volume

for i in $(seq 1 20); do
	echo "round $i" >"$M/f$i" || failed "round $i: write"
	ok umount_volume
	ok mount_volume
	is_mounted "$M" || { failed "round $i: not mounted"; exit 1; }
done
for i in $(seq 1 20); do
	expect "round $i" cat "$M/f$i"
done
