#!/bin/bash
# SPDX-License-Identifier: MIT
# A chmod by an owner who is not in the file's group cannot set the set-group-ID bit.
. "$(dirname "$0")/lib.sh"
use_dir

vt mknod f f 0644 >/dev/null
chown 1000:2000 f
expect "ok 0755" vt -u 1000 -g 1000 chmod f 02755 : stat f mode
expect "ok 2755" vt -u 1000 -g 1000 -G 2000 chmod f 02755 : stat f mode
expect "ok 2711" vt chmod f 02711 : stat f mode
