#!/bin/bash
# SPDX-License-Identifier: MIT
# Many copies of a file, each changed a little, keep what is theirs after the
# original is gone.
. "$(dirname "$0")/lib.sh"
use_dir

vt open a rdwr,creat 0644 : fill 0 0 1M 1 >/dev/null
for i in $(seq 1 20); do
	expect "ok ok 1048576 ok" vt open a rdonly : open c$i rdwr,creat 0644 : copy 0 0 1 0 1M : \
		fill 1 $((i * 10007)) 5000 $((i + 1))
done
rm a
for i in $(seq 1 20); do
	at=$((i * 10007))
	expect "ok ok ok ok" vt open c$i rdonly : isfill 0 0 $at 1 : \
		isfill 0 $at 5000 $((i + 1)) : isfill 0 $((at + 5000)) $((1048576 - at - 5000)) 1
done
