#!/bin/bash
# SPDX-License-Identifier: MIT
# A directory holds 100 000 entries, and finds, lists and removes them.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir d
expect ok vt makefiles d 0 100000
expect 100002 vt countdir d
expect "file EEXIST ENOENT" vt stat d/f077777 : mknod d/f012345 f 0644 : stat d/f100000
expect ok vt dropfiles d 0 50000
expect 50002 vt countdir d
expect 50000 vt rmloop d
expect ok vt rmdir d
