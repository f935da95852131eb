#!/bin/bash
# SPDX-License-Identifier: MIT
# RENAME_EXCHANGE swaps two names of any types at once; both must be there.
. "$(dirname "$0")/lib.sh"
use_dir

echo a >a
mkdir d
mkdir d/s
ln -s x l
expect "ok dir file" vt rename a d exchange : stat a : stat d
expect "a" cat d
expect "ok symlink dir" vt rename a l exchange : lstat a : lstat l
expect "ENOENT ENOENT" vt rename a missing exchange : rename missing a exchange
# Link counts follow directories that change their parents.
mkdir p q
mkdir p/d
echo f >q/f
expect "3 2 ok 2 3 dir file" vt stat p nlink : stat q nlink : rename p/d q/f exchange : \
	stat p nlink : stat q nlink : stat q/f : stat p/d
expect "$(vt stat q ino)" vt stat q/f/.. ino
mkdir -p x/y
expect "EINVAL EINVAL" vt rename x x/y exchange : rename x/y x exchange
expect "ok" vt rename a a exchange
