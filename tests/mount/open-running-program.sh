#!/bin/bash
# SPDX-License-Identifier: MIT
# A program that runs cannot be written, one that is written cannot be run.
. "$(dirname "$0")/lib.sh"
use_dir

cp "$(type -P sleep)" prog
./prog 100 &
pid=$!
until [ "$(readlink /proc/$pid/exe)" = "$PWD/prog" ]; do :; done
expect "ETXTBSY" vt tryopen prog wronly
kill $pid
wait $pid 2>/dev/null
expect "ok" vt tryopen prog wronly
exec 9>>prog
./prog 0 2>err && failed "a file open for writing was executed"
exec 9>&-
ok ./prog 0
