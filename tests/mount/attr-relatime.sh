#!/bin/bash
# SPDX-License-Identifier: MIT
# Reading sets the access time if it was not newer than the last change.
. "$(dirname "$0")/lib.sh"
use_dir
grep -q "relatime" <(findmnt -n -o OPTIONS -T .) || skip "not mounted with relatime"

vt mknod f f 0644 : open f rdwr : pwrite 0 0 hello >/dev/null
ok vt utimens f 1000 2000
expect "ok hello" vt open f rdonly : read 0 5
check "atime was older than mtime: read sets it" "$(vt stat f atime | cut -d. -f1)" -gt 2000
mkdir d
ok vt utimens d 1000 2000
ls d
check "directories too" "$(vt stat d atime | cut -d. -f1)" -gt 2000
