#!/bin/bash
# SPDX-License-Identifier: MIT
# A file's birth time is when it was made, and nothing changes it.
. "$(dirname "$0")/lib.sh"
use_dir
[ "${VARVE_TEST_DIR:+x}" != x ] || [ "$(vt stat . btime)" != none ] || skip "no birth times"

before=$(vt now)
vt mknod f f 0644 >/dev/null
born=$(vt stat f btime)
check "a birth time is there" "$born" != none
check "not before it was made" "$(printf '%s\n' "$before" "$born" | sort -n | head -1)" = "$before"
expect "ok 1 ok ok ok $born" vt open f rdwr : pwrite 0 0 x : utimens f 5 5 : chmod f 0600 : \
	rename f g : stat g btime
mkdir d
ln -s x l
check "directories too" "$(vt stat d btime)" != none
check "links too" "$(vt lstat l btime)" != none
