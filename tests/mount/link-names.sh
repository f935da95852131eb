#!/bin/bash
# SPDX-License-Identifier: MIT
# A name is 1 to 255 bytes of anything but / and NUL; longer is ENAMETOOLONG.
. "$(dirname "$0")/lib.sh"
use_dir

n255=$(printf 'n%.0s' {1..255})
expect "ok $n255" vt mknod "$n255" f 0644 : ls .
for op in "mknod ${n255}x f 0644" "mkdir ${n255}x 0755" "symlink a ${n255}x" "link $n255 ${n255}x" \
	"rename $n255 ${n255}x" "stat ${n255}x" "unlink ${n255}x" "tryopen ${n255}x rdwr,creat 0644"; do
	# shellcheck disable=SC2086
	expect "ENAMETOOLONG" vt $op
done
expect ok vt unlink "$n255"
# Every byte, alone and between others, and what is not UTF-8.
for i in $(seq 1 255); do
	[ "$i" -ne 47 ] || continue
	c=$(printf '\\x%02x' "$i")
	name=$(printf "a${c}b")
	[ "$i" -ne 10 ] || name=$'a\nb'
	[ "$(vt mknod "$name" f 0644 : stat "$name" type)" = "ok file" ] || failed "byte $i in a name"
done
expect "256" vt countdir .
find . -type f -delete
expect "ok ok ok ok" vt mknod $'\xff\xfe' f 0644 : mknod $'\xc3\x28' f 0644 : mkdir ' ' 0755 : \
	mknod -- f 0644
expect "\\x20,--,\\xc3(,\\xff\\xfe" vt ls .
# Case and normalisation matter.
expect "ok ok ok ok" vt mknod a f 0644 : mknod A f 0644 : mknod $'\xc3\xa9' f 0644 : \
	mknod $'e\xcc\x81' f 0644
