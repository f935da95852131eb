#!/bin/bash
# SPDX-License-Identifier: MIT
# A path may be 4095 bytes long; deeper trees work through relative steps.
. "$(dirname "$0")/lib.sh"
use_dir

d=$(printf 'd%.0s' {1..200})
(
	for i in $(seq 1 30); do
		mkdir "$d" && cd "$d" || exit 1
	done
	echo deep >file && cat file >/dev/null
) || failed "a tree 6000 bytes deep"
expect "30" bash -c "find . -type d -name '$d' | wc -l"
p=.
while [ $((${#p} + 201)) -le 4080 ]; do
	p=$p/$d
done
expect "dir" vt stat "$p"
fill=$(printf '/%.0s' $(seq 1 $((4095 - ${#p}))))
expect "dir" vt stat "$p$fill"
expect "ENAMETOOLONG" vt stat "$p$fill/"
ok rm -rf "$d"
