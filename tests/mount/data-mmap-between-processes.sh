#!/bin/bash
# SPDX-License-Identifier: MIT
# What one process stores in a shared mapping, another one reads, mapped or not.
. "$(dirname "$0")/lib.sh"
use_dir

vt open f rdwr,creat 0644 : ftruncate 0 65536 >/dev/null
session a
session b
for s in a b; do
	expect ok ask $s open "$D/f" rdwr
	expect ok ask $s map 0 65536 rw shared
done
for i in $(seq 0 15); do
	expect ok ask a mwrite 0 $((i * 4096)) from-a$i
	expect "from-a$i" ask b mread 0 $((i * 4096)) $((6 + ${#i}))
	expect 5 ask b pwrite 0 $((i * 4096 + 100)) fromb
	expect fromb ask a mread 0 $((i * 4096 + 100)) 5
done
expect ok ask a msync 0
finish_session a
finish_session b
expect "ok from-a3" vt open f rdonly : pread 0 12288 7
