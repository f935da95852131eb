#!/bin/bash
# SPDX-License-Identifier: MIT
# RENAME_NOREPLACE fails with EEXIST if the target is there, of any type.
. "$(dirname "$0")/lib.sh"
use_dir

echo a >a
expect "ok ENOENT file" vt rename a b noreplace : stat a : stat b
echo a >a
mkdir d
ln -s x l
for to in a b d l; do
	expect EEXIST vt rename b $to noreplace
done
expect EEXIST vt rename d l noreplace
expect "ENOENT EINVAL" vt rename missing x noreplace : rename b x noreplace,exchange
expect "a" cat a
