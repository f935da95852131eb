#!/bin/bash
# SPDX-License-Identifier: MIT
# Creating needs write permission on the directory; opening what exists does not.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
echo x >d/f
chmod 0666 d/f
chmod 0555 d
expect "EACCES ok" vt -u 1000 -g 1000 tryopen d/new wronly,creat 0644 : tryopen d/f rdwr,creat 0644
