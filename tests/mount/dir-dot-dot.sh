#!/bin/bash
# SPDX-License-Identifier: MIT
# .. of every directory is its parent, also after a move.
. "$(dirname "$0")/lib.sh"
use_dir

mkdir -p a/b c
expect "$(vt stat a ino)" vt stat a/b/.. ino
mv a/b c/b
expect "$(vt stat c ino)" vt stat c/b/.. ino
expect "$(vt stat . ino)" vt stat c/b/../.. ino
expect "$PWD/c/b" vt_last chdir c/b : getcwd
expect "3 2" vt stat c nlink : stat a nlink
