#!/bin/bash
# SPDX-License-Identifier: MIT
# varvefs is cloned and built inside the mount, and its unit tests pass there.
. "$(dirname "$0")/lib.sh"
requires git autoreconf make
git -C "$src" rev-parse -q --verify HEAD >/dev/null 2>&1 || skip "not a git checkout"
use_volume 4G

cd "$M" || exit 1
ok git -c safe.directory='*' clone -q "$src" varvefs
cd varvefs && mkdir build || exit 1
ok autoreconf -i
cd build || exit 1
ok ../configure -q --enable-werror
make -s -j"$(nproc)" >log 2>&1 || failed "make: $(tail -3 log)"
make -s -k -j"$(nproc)" check >log 2>&1 || failed "make check: $(grep -E '^(FAIL|ERROR)' log)"
cd .. || exit 1
expect "" git status --porcelain
ok git gc -q
ok git fsck --strict
