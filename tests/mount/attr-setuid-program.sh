#!/bin/bash
# SPDX-License-Identifier: MIT
# A set-user-ID program runs as its owner.
. "$(dirname "$0")/lib.sh"
use_dir
findmnt -n -o OPTIONS -T . | grep -qw nosuid && skip "mounted nosuid"

cp "$VT" prog
chown 1000 prog
chmod 04755 prog
vt mkdir out 0777 : chmod out 0777 >/dev/null
expect ok setpriv --reuid 2000 --regid 2000 --clear-groups ./prog mknod out/f f 0644
expect 1000 vt stat out/f uid
