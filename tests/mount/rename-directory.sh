#!/bin/bash
# SPDX-License-Identifier: MIT
# A moved directory takes its tree with it, corrects link counts and its .. ,
# and processes that stand in it stay there.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir -p a/b/c z
echo deep >a/b/c/f
expect "ok ok ok deep\\x0a" vt chdir a/b/c : rename ../../b ../../../z/b : open f rdonly : read 0 9
expect "deep" cat z/b/c/f
expect "2 3" vt stat a nlink : stat z nlink
expect "ok $PWD/z/b/c" vt chdir z/b/c : getcwd
