#!/bin/bash
# SPDX-License-Identifier: MIT
# O_NOATIME is for the owner, and keeps the access time.
. "$(dirname "$0")/lib.sh"
use_dir

echo x >f
chmod 0666 f
expect "EPERM" vt -u 1000 -g 1000 tryopen f rdonly,noatime
ok vt utimens f 1000 2000
expect "ok x\\x0a 1000.000000000" vt open f rdonly,noatime : read 0 9 : stat f atime
