#!/bin/bash
# SPDX-License-Identifier: MIT
# name_to_handle_at and open_by_handle_at find a file under any name, and not
# after it is gone.
. "$(dirname "$0")/lib.sh"
use_dir

echo hello >f
mkdir d
h=$(vt handle f)
[[ $h == *-* ]] || failed "handle: $h"
expect "ok hello\\x0a" vt openhandle . "$h" : pread 0 0 9
mv f d/g
expect "ok hello\\x0a" vt openhandle . "$h" : pread 0 0 9
hd=$(vt handle d)
expect "ok dir" vt openhandle . "$hd" : fstat 0 type
expect "EPERM" vt -u 1000 -g 1000 openhandle . "$h"
rm d/g
expect "ESTALE" vt openhandle . "$h"
echo new >new
expect "ESTALE" vt openhandle . "$h"
