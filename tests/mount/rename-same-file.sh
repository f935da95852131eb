#!/bin/bash
# SPDX-License-Identifier: MIT
# rename between two names of one file does nothing and succeeds.
. "$(dirname "$0")/lib.sh"
use_dir

echo x >a
ln a b
expect "ok file file 2" vt rename a b : stat a : stat b : stat a nlink
