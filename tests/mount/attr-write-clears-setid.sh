#!/bin/bash
# SPDX-License-Identifier: MIT
# A write by someone without privilege takes set-user-ID and set-group-ID away,
# and so does a truncation; root's write does not.
. "$(dirname "$0")/lib.sh"
use_dir

for op in "pwrite 0 0 x" "ftruncate 0 1"; do
	for mode in 04777 02777 06777; do
		vt mknod f f 0644 : pwrite 0 0 a >/dev/null 2>&1
		chmod $mode f
		# shellcheck disable=SC2086
		expect "0777" vt_last -u 1000 -g 1000 open f wronly : $op : stat f mode
		rm -f f
	done
done
vt mknod f f 0644 >/dev/null
chmod 06777 f
expect "ok 1 6777" vt open f wronly : pwrite 0 0 x : stat f mode
expect "0777" vt_last -u 1000 -g 1000 truncate f 0 : stat f mode
chmod 06777 f
expect "0777" vt_last -u 1000 -g 1000 tryopen f wronly,trunc : stat f mode
# Without group execution the bit means mandatory locking, and stays.
chgrp 1000 f
chmod 02666 f
expect "2666" vt_last -u 1000 -g 1000 open f wronly : pwrite 0 0 x : stat f mode
