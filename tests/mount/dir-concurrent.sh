#!/bin/bash
# SPDX-License-Identifier: MIT
# Processes that make, rename, link and remove in one directory at once leave
# exactly what they should.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
expect ok vt creators d 4 500
expect 1002 vt countdir d
