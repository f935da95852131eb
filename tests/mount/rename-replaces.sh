#!/bin/bash
# SPDX-License-Identifier: MIT
# What rename replaces loses a link; who has it open keeps it.
. "$(dirname "$0")/lib.sh"
use_dir

echo old >old
ln old other
echo new >new
ino=$(vt stat new ino)
expect "ok 2 ok 1" vt open old rdonly : fstat 0 nlink : rename new old : fstat 0 nlink
expect "$ino ENOENT" vt stat old ino : stat new
expect new cat old
expect old cat other
mkdir d e
expect "ok ok 0" vt open e rdonly : rename d e : fstat 0 nlink
