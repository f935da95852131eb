#!/bin/bash
# SPDX-License-Identifier: MIT
# In a sticky directory only the owner of an entry, of the directory, and root
# remove or rename it.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
chmod 01777 d
vt -u 1000 -g 1000 mknod d/mine f 0666 : mkdir d/dir 0777 >/dev/null
expect "EPERM EPERM EPERM" vt -u 1001 -g 1001 unlink d/mine : rmdir d/dir : rename d/mine d/x
vt -u 1001 -g 1001 mknod d/other f 0666 >/dev/null
expect EPERM vt -u 1001 -g 1001 rename d/other d/mine
expect "ok ok ok" vt -u 1000 -g 1000 rename d/mine d/y : unlink d/y : rmdir d/dir
vt -u 1000 -g 1000 mknod d/mine f 0666 >/dev/null
expect ok vt unlink d/mine
chown 1002 d
expect ok vt -u 1002 -g 1002 unlink d/other
